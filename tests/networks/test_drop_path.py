"""Drop path by hand."""

import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.networks.drop_path import DropPath, set_drop_path


def test_items_are_zeroed_whole_or_scaled_up():
    layer = DropPath(0.25).train()
    torch.manual_seed(0)
    outputs = layer(torch.full((4000, 2, 3), 3.0)).flatten(1)
    assert set(outputs.unique().tolist()) == {0.0, 4.0}
    assert torch.equal(outputs.min(1).values, outputs.max(1).values)
    assert (outputs[:, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("probability", "training"), [(0.0, True), (0.9, False)])
def test_nothing_is_dropped_at_probability_zero_or_in_evaluation(probability, training):
    inputs = torch.randn(5, 2)
    assert DropPath(probability).train(training)(inputs) is inputs


def test_the_probability_of_a_whole_network_is_set():
    network = nn.Sequential(DropPath(), nn.Sequential(DropPath(0.1)))
    set_drop_path(network, 0.3)
    assert [m.probability for m in network.modules() if isinstance(m, DropPath)] == [0.3, 0.3]
    with pytest.raises(SettingError, match=r"got 1\.0"):
        set_drop_path(network, 1.0)
