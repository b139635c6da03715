"""Spaces of pictures say so where a task has other inputs."""

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.networks.form import Input
from archsieve.plans.parts import make
from archsieve.spaces.form import Form

ROWS = Form((7,), 3)
TOKENS = Form((9,), 3, (Input((9,), tokens=5),))
BUILT_IN = (
    *("attentivenas", "darts", "nasbench-macro", "nasbench101", "nasbench1shot1-1", "nasbench201", "nats-size"),
    *("topformer", "transnas-macro", "transnas-micro"),
)


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("task", [ROWS, TOKENS], ids=["rows", "tokens"])
def test_a_task_without_pictures_is_a_sentence(name, task):
    space = make("space", name)
    arch = space.sample(np.random.default_rng(0))
    message = rf"take pictures of shape \(channels, height, width\), but .* have the shape \({task.input_shape[0]},\)"
    with pytest.raises(SettingError, match=message):
        space.macs(arch, task)
    with pytest.raises(SettingError, match=message):
        space.build(arch, task)
