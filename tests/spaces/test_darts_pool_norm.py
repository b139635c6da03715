"""DARTS with batch normalisation after poolings and without: layers, counts, and what follows for the outputs."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

from archsieve.networks.building import build_network
from archsieve.networks.counting import count_flops
from archsieve.networks.supernets import build_supernet
from archsieve.retraining.recipe_files import training_of
from archsieve.spaces.darts.cell import INPUTS, NODES, OPERATIONS, cells_of, edges_of
from archsieve.spaces.darts.space import DARTS
from archsieve.tasks.synthetic import Synthetic

CIFAR, IMAGENET = Synthetic(), Synthetic(shape=(3, 224, 224), num_outputs=1000, images=10)
TINY = Synthetic(shape=(3, 16, 16), num_outputs=4, images=40)
SPACE, SMALL = DARTS(), DARTS(width=4, layers=3)
FOUND = "0-2-3-2-5-4-5-3-3-5-3-3-0-3-3-2-1-5-0-1-3-0-0-0"


def test_a_normalised_pooling_by_hand():
    row = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
    blocks = DARTS(width=2, layers=1).build((*(0,) * 12, 0, 0, 1, *(0,) * 9), TINY).cells[0].edges
    for edge in ("0-2", "1-2"):
        (block,) = blocks[edge].values()
        assert [type(layer).__name__ for layer in block][1:] == ["BatchNorm2d"]
        assert list(block.parameters()) == []
        assert list(block.state_dict()) == ["1.running_mean", "1.running_var", "1.num_batches_tracked"]
        assert (block[0].kernel_size, block[0].stride, block[0].padding) == (3, 2, 1)
    # Windows of three, cut at the border, at stride 2: of 0 1 and of 1 2 3. Means .5 and 2, greatest 1 and 3: the
    # normalised ones are -1 and 1.
    greatest, mean = (next(iter(blocks[edge].values())) for edge in ("0-2", "1-2"))
    both = row.expand(1, 4, 1, 4)
    assert greatest[0](both)[0, 0].tolist() == [[1.0, 3.0]]
    assert mean[0](both)[0, 0].tolist() == [[0.5, 2.0]]
    for block in (greatest, mean):
        np.testing.assert_allclose(block(both)[0, 0].tolist(), [[-1.0, 1.0]], atol=1e-4)


@pytest.mark.parametrize("operation", ["max_pool_3x3", "avg_pool_3x3"])
def test_what_poolings_put_out_is_normalised_in_every_channel(operation):
    arch = (0, *(OPERATIONS.index(operation),) * 2) * 8
    network, seen = build_network(SMALL, arch, TINY, 0), []
    blocks = [next(iter(edge.values())) for cell in network.cells for edge in cell.edges.values()]
    for block in blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network(5 * torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) + 3)
    assert len(seen) == len(blocks) == 3 * 8
    for output in seen:
        np.testing.assert_allclose(output.mean((0, 2, 3)).detach(), 0, atol=1e-5)
        np.testing.assert_allclose(output.var((0, 2, 3), unbiased=False).detach(), 1, atol=2e-3)


def test_both_settings_have_the_same_weights_and_their_own_flops():
    # Width 2, one layer, which doubles it and halves a 4x4 image: eight poolings of 4 channels at 2x2 positions.
    task, pools = Synthetic(shape=(1, 4, 4), num_outputs=3, images=10), (0,) * 24
    spaces = [DARTS(width=2, layers=1, pool_norm=pool_norm) for pool_norm in (True, False)]
    with_norms, without = (build_network(space, pools, task, 3) for space in spaces)
    held = with_norms.state_dict()
    assert all(torch.equal(tensor, held[name]) for name, tensor in without.state_dict().items())
    added = held.keys() - without.state_dict().keys()
    assert added == {
        f"cells.0.edges.{source}-{target}.0.1.{leaf}"
        for target, leaf in product(NODES, ("running_mean", "running_var", "num_batches_tracked"))
        for source in INPUTS
    }
    costs = [[getattr(space, name)(pools, task) for name in ("params", "macs")] for space in spaces]
    assert costs[0] == costs[1]
    assert count_flops(with_norms, (1, 4, 4)) - count_flops(without, (1, 4, 4)) == 8 * 4 * 2 * 2


def test_the_supernet_normalises_poolings_as_told():
    for pool_norm, count in ((True, 2 * 14 * 3), (False, 0)):
        supernet = build_supernet(DARTS(width=4, layers=3, pool_norm=pool_norm), TINY, 0)
        bare = [m for m in supernet.modules() if isinstance(m, torch.nn.BatchNorm2d) and not m.affine]
        assert len(bare) == count


@pytest.mark.parametrize("recipe", ["darts-cifar10", "darts-imagenet"])
def test_the_networks_of_the_recipes_have_bare_poolings(recipe):
    space = training_of("darts", recipe).space
    task = CIFAR if space.stem == "cifar" else IMAGENET
    with torch.device("meta"):
        network = space.build(space.parse(FOUND), task)
    poolings = [m for m in network.cells.modules() if isinstance(m, torch.nn.MaxPool2d | torch.nn.AvgPool2d)]
    assert len(poolings) == 2 * 4  # two reductions
    assert all(m.affine for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_where_all_paths_end_in_a_normalisation_no_input_moves_the_mean_output():
    """Why the Jacobian of summed outputs (jacov, epe_nas) is rounding noise in the benchmark's networks."""
    inputs = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    arch = (0, 0, 1) * 8  # poolings alone
    for pool_norm, (least, most) in ((True, (0, 1e-9)), (False, (1e-2, math.inf))):
        network = build_network(DARTS(width=4, layers=3, pool_norm=pool_norm), arch, TINY, 0).double()
        outputs = network(inputs)
        (gradient,) = torch.autograd.grad(outputs.sum(), [inputs])
        assert least <= float(gradient.abs().max()) < most
        is_bias = np.allclose(outputs.detach().mean(0), network.head[-1].bias.detach(), atol=1e-9)
        assert is_bias == pool_norm


@pytest.mark.data
def test_published_flops_of_cells(published301):
    """NASLib's networks have these flops, but that BNs behind convolutions have no parameters: 1 less an element."""
    for i in range(0, 250, 25):
        arch, less = published301.archs[i], 0
        side = 32
        for shape in SPACE.cells():
            side = side // 2 if shape.is_reduction else side
            norms = {3: 2, 4: 2, 5: 1, 6: 1}
            for source, _, operation in edges_of(cells_of(arch)[shape.is_reduction]):
                halves = OPERATIONS[operation] == "skip_connect" and shape.is_reduction and source in INPUTS
                less += (1 if halves else norms.get(operation, 0)) * shape.width * side * side
        with torch.device("meta"):
            network = SPACE.build(arch, CIFAR)
        assert count_flops(network, (3, 32, 32)) - less == round(published301.columns["flops"][i] * 1e6)
