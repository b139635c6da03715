"""NAS-Bench-1Shot1's spaces: their sizes, codes by hand, and which codes are one network of NAS-Bench-101."""

from __future__ import annotations

import numpy as np
import pytest

from archsieve.errors import ArchitectureError
from archsieve.spaces.contract import enumerate_space, size
from archsieve.spaces.nasbench101.one_shot_space import OneShot1, OneShot2, OneShot3
from archsieve.spaces.nasbench101.space import NASBench101
from archsieve.tasks.cifar import CIFAR10

WHOLE, TASK = NASBench101(), CIFAR10()
SPACES = OneShot1(), OneShot2(), OneShot3()


def test_their_published_sizes():
    assert [size(space) for space in SPACES] == [14_580, 29_160, 1_312_200]


def test_a_code_by_hand():
    # Operations conv3x3 (1), pooling (0), conv1x1 (2), pooling (0). Parents of vertex 3 out of 01, 02, 12: 12; of
    # vertex 4 out of 01, 02, 03, 12, 13, 23: 03; of the output out of 01, 02, 03, 04, ...: 04.
    space = SPACES[0]
    arch = space.parse("102000223")
    graph = space.graph(arch)
    assert space.published(arch) == space.published(space.canonical(arch))
    # The output adds vertex 4 to the input; 4 has the input and vertex 3; 3 has 1 and 2; 2 has the input and 1.
    assert len(graph.edges) == 1 + 2 + 2 + 2 + 2
    assert sorted(graph.operations) == sorted((0, 2, 1, 2))


@pytest.mark.parametrize("space", SPACES, ids=["1", "2", "3"])
def test_codes_are_cells_of_nasbench101(space):
    rng = np.random.default_rng(0)
    for _ in range(100):
        arch = space.sample(rng)
        whole = WHOLE.parse(space.published(arch))
        assert WHOLE.canonical(whole) == WHOLE.canonical(space.whole_code(arch)) == whole
        first = space.canonical(arch)
        assert first <= arch
        assert space.published(first) == space.published(arch)
        assert space.parse(space.published(arch)) == first
    assert space.params(arch, TASK) == WHOLE.params(whole, TASK)


def test_the_canonical_code_is_the_first_of_its_network():
    first = {}
    for arch in enumerate_space(SPACES[0]):
        if arch[0] == arch[1] == 1:  # a part of the space, in order: the first code may lie elsewhere
            first.setdefault(SPACES[0].published(arch), arch)
            assert SPACES[0].canonical(arch) <= first[SPACES[0].published(arch)]
    codes = list(enumerate_space(SPACES[0]))[::53]
    assert {SPACES[0].canonical(arch): SPACES[0].published(arch) for arch in codes}


def test_cells_of_other_numbers_of_parents_are_refused():
    with pytest.raises(ArchitectureError, match="other numbers of parents"):
        SPACES[0].parse("0100001000010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output")
    with pytest.raises(ArchitectureError, match="no path"):
        SPACES[0].parse("0000:input,output")
