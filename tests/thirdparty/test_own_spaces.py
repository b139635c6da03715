"""Families of transformers and pytorchcv as spaces, by arguments alone: laws, scores, and the way home."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from archsieve import Input, Session, space_of
from archsieve.errors import ArchitectureError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.export.run import export_run
from archsieve.tasks.noise import Noise
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import SpaceContract
from plugins import third_nets
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[thirdparty]'")
pytest.importorskip("pytorchcv", reason="pytorchcv is not installed: pip install -e '.[thirdparty]'")
pytestmark = [
    pytest.mark.thirdparty,
    pytest.mark.usefixtures("restored"),
    pytest.mark.filterwarnings("ignore"),  # theirs are not ours to mend
]
PICTURES = Synthetic(shape=(3, 16, 16), num_outputs=3, images=12)
CIFAR = Synthetic(images=12)  # of 10 or 100 classes, says pytorchcv
WORDS = Noise((Input((8,), tokens=40),), num_outputs=3, items=12)
SPACES = {
    "vit": (third_nets.vit, {"width": [16, 24], "heads": [2, 3], "layers": [1, 2, 3]}, PICTURES),
    "bert": (third_nets.bert, {"layers": [1, 2], "heads": [2, 3], "inner": [12, 24]}, WORDS),
    "cifar resnet": (third_nets.cifar_resnet, {"blocks": [8, 20], "bottleneck": [False, True]}, CIFAR),
}


@pytest.fixture(scope="module", params=SPACES)
def family(request):
    factory, vary, task = SPACES[request.param]
    return space_of(factory, vary, explore=10), task


def test_a_family_keeps_the_laws(family, tmp_path):
    laws = SpaceContract()
    laws.space, laws.task = family
    for law in (law for law in dir(SpaceContract) if law.startswith("test_") and "sharing" not in law):
        getattr(laws, law)()


def test_its_networks_are_scored(family, tmp_path):
    space, task = family
    archs = [space.sample(np.random.default_rng(seed)) for seed in range(2)]
    with Session(tmp_path, space, task) as session:
        scores = session.scores([ZeroCost("nwot", batch_size=4), ZeroCost("grad_norm", batch_size=4)], archs)
    assert np.isfinite(scores).all()


def test_what_a_library_refuses_is_no_architecture():
    resnet = space_of(third_nets.cifar_resnet, {"blocks": [8, 20], "bottleneck": [False, True]}, explore=10)
    with pytest.raises(ArchitectureError, match="makes no network of 'blocks=8, bottleneck=True': AssertionError"):
        resnet.parse("blocks=8, bottleneck=True")
    assert resnet.is_valid(resnet.parse("blocks=20, bottleneck=True"))


def test_a_vit_goes_home(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'task = { name = "synthetic", shape = [3, 16, 16], num_outputs = 3, images = 12 }\npool = { sample = 2 }\n'
        '[space]\nname = "own"\nfactory = "third_nets:vit"\nexplore = 5\n'
        "[space.vary]\nlayers = [1, 2]\ninner = [1, 2]\n"
        '[[stage]]\nestimator = { name = "partial_training", epochs = 1, horizon = 1, batch_size = 4 }\ntop = 1\n'
    )
    nets = str(Path(third_nets.__file__))
    result = invoke("search", plan, "--out", tmp_path / "run", "--plugin", nets)
    assert result.exit_code == 0, result.stderr
    assert "third_nets" in sys.modules
    has_onnx = all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
    done = export_run(tmp_path / "run", tmp_path / "home", form="all", plugins=["third_nets"])
    assert {"network.py", "network.pt2"} <= set(done.differences), done.notes
    assert ("network.onnx" in done.differences) is has_onnx
    assert max(max(each.values()) for each in done.differences.values()) <= 1e-5
