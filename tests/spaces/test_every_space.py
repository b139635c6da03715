"""The laws of a space, for every registered one and for shrunken settings of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archsieve.networks.building import build_network
from archsieve.networks.counting import count_flops, count_macs, count_params
from archsieve.networks.supernets import build_supernet
from archsieve.registry import SPACES
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench101.one_shot_space import OneShot3
from archsieve.spaces.nasbench101.space import NASBench101
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.transnas.macro_space import TransNASMacro
from archsieve.spaces.transnas.space import TransNASMicro
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import SpaceContract

SHRUNKEN = {
    "macro-small": NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 3), head_width=10),
    "macro-same-widths": NASBenchMacro(stem_width=4, widths=(4,), stages=(1,), head_width=4),
    "201-small": NASBench201(width=4, cells=1, stages=2),
    "201-one-stage": NASBench201(width=3, cells=2, stages=1),
    "101-small": NASBench101(width=6, cells=1, stacks=2),
    "1shot1-small": OneShot3(width=7, cells=1, stacks=1),
    "transnas-micro-small": TransNASMicro(width=4, modules="14"),
    "transnas-macro-small": TransNASMacro(width=2),
    "darts-small": DARTS(width=4, layers=4),
    "darts-two-layers": DARTS(width=3, layers=2),
    "darts-imagenet": DARTS(width=5, layers=3, stem="imagenet"),
    "darts-bare-pools": DARTS(width=4, layers=4, pool_norm=False),
    "attentivenas-small": AttentiveNAS(
        resolutions=(12, 20),
        widths=((8, 16), (8, 16), (16, 24), (16, 24), (24,), (32, 40)),
        depths=((1, 2), (1, 2), (2,), (1,)),
        kernels=((3, 5), (3, 5, 7), (3, 5), (5,)),
        expansions=((1,), (2, 3), (1, 2), (3,)),
        strides=(1, 2, 2, 1),
        squeezes=(False, True, True, False),
    ),
}
# Other tests register spaces of their own.
SHIPPED = [name for name in SPACES if SPACES[name].__module__.startswith("archsieve.")]
SPACES_UNDER_TEST = {**{name: SPACES[name]() for name in SHIPPED}, **SHRUNKEN}
BUILT = [name for name in SHIPPED if not SPACES[name].is_recorded]
LARGE = {
    *("nasbench101", "nasbench1shot1-1", "nasbench1shot1-2", "nasbench1shot1-3"),
    *("attentivenas", "darts", "nasbench201", "topformer-hand-made", "transnas-micro", "transnas-macro"),
}
"""Those whose whole networks take long; `make test` tests their laws on smaller ones, and the counts of a few codes."""


def params(names):
    """Return test parameters, those of large spaces marked as slow."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in names]


WITH_SUPERNET = params(name for name, space in SPACES_UNDER_TEST.items() if hasattr(space, "supernet"))
TASK = Synthetic(shape=(3, 16, 16), num_outputs=7, images=20)


class TestEverySpace(SpaceContract):
    task = TASK

    @pytest.fixture(autouse=True, params=params(SPACES_UNDER_TEST))
    def _space(self, request):
        self.space = SPACES_UNDER_TEST[request.param]


def count(space, arch, task):
    """Return what is counted on the built network for every cost that the space gives in closed form."""
    with torch.device("meta"):
        network = space.build(arch, task)
    counts = {"params": count_params(network)}
    if hasattr(space, "macs"):
        counts["macs"] = count_macs(network, task.input_shape)
    if hasattr(space, "flops"):
        counts["flops"] = count_flops(network, task.input_shape)
    return {name: value for name, value in counts.items() if hasattr(space, name)}


def closed_form(space, arch, task):
    return {n: getattr(space, n)(arch, task) for n in ("params", "macs", "flops") if hasattr(space, n)}


@pytest.mark.parametrize("codes", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BUILT)
def test_closed_form_is_what_is_counted_on_random_codes(name, codes):
    space, task, rng = SPACES[name](), Synthetic(), np.random.default_rng(1)
    archs = [space.sample(rng) for _ in range(codes)]
    assert [closed_form(space, a, task) for a in archs] == [count(space, a, task) for a in archs]


@pytest.mark.parametrize("name", list(SHRUNKEN))
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 24), (2, 32, 32)])
def test_closed_form_follows_settings_and_task(name, shape):
    space, task = SHRUNKEN[name], Synthetic(shape=shape, num_outputs=3)
    for seed in range(3):
        arch = space.sample(np.random.default_rng(seed))
        assert closed_form(space, arch, task) == count(space, arch, task)


@given(st.sampled_from(sorted(SPACES_UNDER_TEST)), st.integers(0, 2**32))
@settings(deadline=None)
def test_notation_goes_there_and_back(name, seed):
    space = SPACES_UNDER_TEST[name]
    arch = space.sample(np.random.default_rng(seed))
    assert space.parse(space.describe(arch)) == arch
    assert space.parse(f"  {space.describe(arch)}\n") == arch


@pytest.fixture(params=WITH_SUPERNET)
def space_with_supernet(request):
    return SPACES_UNDER_TEST[request.param]


def test_paths_have_the_initial_weights_of_stand_alone_networks(space_with_supernet):
    space = space_with_supernet
    supernet, arch = build_supernet(space, TASK, 5), space.sample(np.random.default_rng(0))
    alone, path = build_network(space, arch, TASK, 5).state_dict(), supernet.extract(arch).state_dict()
    assert list(alone) == list(path)
    # A part of a layer has the scale of the whole: a network of its own draws its own.
    held = supernet.state_dict()
    parts = {name.rpartition(".")[0] for name, tensor in alone.items() if tensor.shape != held[name].shape}
    whole = [name for name in alone if name.rpartition(".")[0] not in parts]
    assert any(name.endswith("weight") for name in whole)
    assert all(torch.equal(alone[name], path[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["macro-all", "201-all-codes", "201-all-multisets"])
def test_closed_form_is_what_is_counted_on_all_codes(name):
    from itertools import combinations_with_replacement

    from archsieve.spaces.contract import enumerate_space

    if name == "201-all-multisets":  # at full size; every code is counted on the small cells
        space, rng = NASBench201(), np.random.default_rng(0)
        archs = [tuple(map(int, rng.permutation(a))) for a in combinations_with_replacement(range(5), 6)]
    else:
        space = NASBenchMacro() if name == "macro-all" else NASBench201(width=2, cells=1, stages=2)
        archs = enumerate_space(space)
    task = Synthetic(shape=(3, 32, 32))
    wrong = [arch for arch in archs if closed_form(space, arch, task) != count(space, arch, task)]
    assert wrong == []
