"""NAS-Bench-101's cells: the published example, canonical forms, channels by hand, and how many networks there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from archsieve.errors import ArchitectureError, SettingError
from archsieve.networks.counting import count_macs, count_params
from archsieve.spaces.contract import size
from archsieve.spaces.nasbench101.cell import (
    Graph,
    canonical_graphs,
    code_of,
    graph_of,
    pruned,
    vertex_channels,
)
from archsieve.spaces.nasbench101.space import NASBench101
from archsieve.tasks.cifar import CIFAR10

SPACE, TASK = NASBench101(), CIFAR10()
INCEPTION = "0111010" + 2 * "0000001" + "0000100" + 2 * "0000001" + 7 * "0"
INCEPTION += ":input,conv1x1-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,maxpool3x3,output"
"""The example of its README, whose parameters its users print (2,694,282)."""
CHAIN = "0100001000010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output"


def test_the_published_example_has_its_published_parameters():
    arch = SPACE.parse(INCEPTION)
    assert SPACE.describe(arch) == INCEPTION
    assert SPACE.params(arch, TASK) == 2_694_282


def test_a_code_is_edges_and_operations():
    assert SPACE.choices == (2,) * 21 + (3,) * 5
    arch = SPACE.parse(CHAIN)
    assert [(s, t) for s, t in graph_of(arch).edges] == [(0, 1), (1, 2), (2, 6)]
    assert arch[21:] == (0, 1, 0, 0, 0)
    assert SPACE.parse("".join(map(str, arch))) == arch
    assert SPACE.describe(arch) == CHAIN
    assert SPACE.parse(CHAIN.replace(":", " ")) == arch


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0100001000010000:input,conv3x3-bn-relu,output", "16 matrix entries and 3 operations"),
        ("100001000010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output", "15 matrix entries and 4 operations"),
        ("0000100001000010:input,conv3x3-bn-relu,conv1x1-bn-relu,output", "an edge to an earlier vertex"),
        ("1100001000010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output", "or to itself"),
        ("0100001000010000:input,conv3x3,conv1x1-bn-relu,output", "its operations must be"),
        ("0100001000010000:output,conv3x3-bn-relu,conv1x1-bn-relu,input", "its operations must be"),
        ("0100001000010000:input,conv3x3-bn-relu,output,conv1x1-bn-relu", "its operations must be"),
        ("0100000000010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output", "excluded by the limits"),
        ("[[0,1],[0,0]]:input,output", "not a matrix of 0 and 1"),
        ("input,output", "not a matrix of 0 and 1"),
        ("input" * 100_000, "not a matrix of 0 and 1"),
        ("0" * 26, "excluded by the limits"),
        ("0" * 25, "it has 25 decisions"),
    ],
)
def test_other_texts_are_refused(text, reason):
    with pytest.raises(ArchitectureError, match=reason) as caught:
        SPACE.parse(text)
    assert len(str(caught.value)) < 1500


def test_more_than_nine_edges_count_only_on_paths():
    dense = SPACE.parse(INCEPTION)
    ten = list(dense)
    ten[0] = 1
    # Vertex 4 loses its edge to the output: it and its two edges are pruned.
    graph = pruned(graph_of(tuple(ten)))
    assert len(graph.edges) == 9
    full = tuple([1] * 21 + [0] * 5)
    assert not SPACE.is_valid(full)
    with pytest.raises(ArchitectureError, match="more than nine edges"):
        SPACE.graph(full)


def test_vertices_on_no_path_do_not_count():
    arch = list(SPACE.parse(CHAIN))
    arch[21 + 4] = 2  # the operation of vertex 5, which has no edge
    arch[3] = 1  # the edge from the input to vertex 3, which leads nowhere
    assert SPACE.is_valid(tuple(arch))
    assert SPACE.canonical(tuple(arch)) == SPACE.parse(CHAIN)
    assert SPACE.describe(tuple(arch)) != CHAIN
    assert SPACE.parse(SPACE.describe(tuple(arch))) == tuple(arch)


def test_isomorphic_cells_are_one_network():
    rng = np.random.default_rng(0)
    for _ in range(30):
        graph = SPACE.graph(SPACE.sample(rng))
        canonical = code_of(graph)
        for order in itertools.permutations(range(1, graph.output)):
            place = (0, *order, graph.output)
            edges = tuple((place[s], place[t]) for s, t in graph.edges)
            if all(s < t for s, t in edges):
                operations = tuple(graph.operations[order.index(v)] for v in range(1, graph.output))
                assert SPACE.canonical(code_of(Graph(edges, operations))) == canonical


def test_the_canonical_graph_is_the_one_generated_first():
    # Two parallel vertices: of both labellings, the one with the 3x3 convolution (operation 0) first.
    one = SPACE.parse("0110000100010000:input,conv1x1-bn-relu,conv3x3-bn-relu,output")
    assert SPACE.describe(SPACE.canonical(one)) == "0110000100010000:input,conv3x3-bn-relu,conv1x1-bn-relu,output"


def networks_with(vertices):
    """Count the canonical graphs of all matrices without loose vertices, and all operations."""
    pairs = [(s, t) for t in range(1, vertices) for s in range(t)]
    matrices = []
    for bits in range(2 ** len(pairs)):
        matrix = np.zeros((vertices, vertices), dtype=np.uint8)
        for place, pair in enumerate(pairs):
            matrix[pair] = bits >> place & 1
        if matrix[:-1].any(axis=1).all() and matrix[:, 1:].any(axis=0).all() and matrix.sum() <= 9:
            matrices.append(matrix)
    labels = np.array(list(itertools.product(range(3), repeat=vertices - 2)), dtype=np.uint8)
    labels = labels.reshape(3 ** (vertices - 2), vertices - 2)
    edges, operations = canonical_graphs(
        np.repeat(np.array(matrices), len(labels), axis=0), np.tile(labels, (len(matrices), 1))
    )
    return len({(e.tobytes(), o.tobytes()) for e, o in zip(edges, operations, strict=True)})


def test_as_many_networks_as_published():
    # Of 2 to 5 vertices: 1 + 6 + 84 + 2,441 of the 423,624.
    assert [networks_with(vertices) for vertices in (2, 3, 4, 5)] == [1, 6, 84, 2441]
    assert size(SPACE) == 2**21 * 3**5


def test_channels_by_hand():
    # Vertices 1, 2 and 3 lead to the output: 128 = 43 + 43 + 42. Vertex 4 feeds 3 and 2, and has the wider's channels.
    graph = Graph(((0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (1, 4)), (0, 1, 2))
    assert vertex_channels(graph, 128) == [43, 43, 42]
    assert vertex_channels(Graph(((0, 1), (1, 2), (1, 3), (2, 4), (3, 4)), (0, 0, 0)), 5) == [3, 3, 2]
    assert vertex_channels(Graph(((0, 1),), ()), 128) == []


def test_parameters_by_hand():
    # One 3x3 convolution: in each cell a projection of the input and the convolution, of 128, 256 and 512 channels.
    arch = SPACE.parse("010001000:input,conv3x3-bn-relu,output")

    def cell(inputs, outputs):
        return inputs * outputs + 2 * outputs + 9 * outputs**2 + 2 * outputs

    stacks = (128, 128), (128, 256), (256, 512)
    cells = sum(cell(a, b) + 2 * cell(b, b) for a, b in stacks)
    assert SPACE.params(arch, TASK) == 27 * 128 + 256 + cells + 513 * 10


@pytest.mark.parametrize("seed", range(3))
def test_sizes_are_counts_of_the_network(seed):
    space = NASBench101(width=11, cells=2, stacks=2)
    arch = space.sample(np.random.default_rng(seed))
    network = space.build(arch, TASK)
    assert network(torch.zeros(2, 3, 9, 9)).shape == (2, 10)
    assert space.params(arch, TASK) == count_params(network)
    assert space.macs(arch, TASK) == count_macs(network, TASK.input_shape)


def test_the_drawing_names_the_operation_of_each_target():
    assert SPACE.picture(SPACE.parse(CHAIN)).cells["cell"] == (
        ("in", "1", "conv3x3"),
        ("1", "2", "conv1x1"),
        ("2", "out", "join"),
    )


def test_a_direct_edge_adds_a_projection():
    network = NASBench101(width=8, cells=1, stacks=1).build(SPACE.parse("0100:input,output"), TASK)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convolutions] == [(3, 8, 3), (8, 8, 1)]


@pytest.mark.parametrize("settings", [{"width": 4}, {"cells": 0}, {"stacks": 9}, {"width": "128"}, {"cells": 1.5}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SettingError):
        NASBench101(**settings)
