"""Parameters and multiply-adds against a second counter, network by network."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archsieve.networks.counting import count, count_macs, count_params, examined

from .by_hooks import count_by_hooks
from .networks import NETWORKS, network


def test_there_are_enough():
    assert len(NETWORKS) >= 40


@pytest.mark.parametrize("name", NETWORKS)
def test_two_counters_agree(name):
    build, shape = network(name)
    expected = count_by_hooks(build(), shape)
    assert min(expected) > 0
    on_meta = examined(build, lambda found: (found, count_params(found, shape), count(found, shape)))
    assert all(p.is_meta for p in on_meta[0].parameters())  # no fallback was needed
    assert (on_meta[1], on_meta[2].macs) == expected
    assert (on_meta[2].unknown, on_meta[2].reads_values) == ((), False)
    assert (count_params(build()), count_macs(build(), shape)) == expected


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("bilinear")])
def test_it_is_half_of_what_torch_counts(name):
    build, shape = network(name)
    with torch.device("meta"):
        found = build().eval()
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            found(torch.zeros(1, *shape, device="meta"))
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    assert 2 * count_macs(found, shape) == counter.get_total_flops()


def test_the_second_counter_by_hand():
    assert count_by_hooks(nn.LSTM(10, 20, batch_first=True, bidirectional=True), (7, 10)) == (
        2 * (80 * 30 + 160),
        7 * 2 * 80 * 30,
    )
    assert count_by_hooks(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 5, 5)) == (4 * 3 * 9 + 6, 25 * 4 * 3 * 9)
