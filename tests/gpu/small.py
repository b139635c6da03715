"""Spaces and tasks that take no time."""

from __future__ import annotations

import torch
from torch import nn

from archsieve.networks.building import build_network
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from archsieve.tasks.synthetic_segmentation import SyntheticSegmentation
from archsieve.training.recipe import Recipe

MACRO = NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 2), head_width=8)
CELLS = NASBench201(width=4, cells=1, stages=2)
SPACES = {"macro": MACRO, "cells": CELLS, "darts": DARTS(width=4, layers=3)}
TASK = Synthetic(shape=(3, 16, 16), num_outputs=4, images=80, test_images=40, signal=1.0)
PIXELS = SyntheticSegmentation(side=32, images=12, test_images=6)
RECIPE = Recipe(horizon=4, learning_rate=0.05, weight_decay=1e-3, batch_size=16)
ARCH = (1, 2, 0, 1)


def network(arch=ARCH, *, dropout=False):
    """Return the network of an architecture, one that draws if asked."""
    net = build_network(MACRO, arch, TASK, 0)
    return nn.Sequential(nn.Dropout(0.3), net) if dropout else net


def weights(net):
    """Return copies of all weights and statistics on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}


def assert_equal(one, other):
    """Bit by bit."""
    assert list(one) == list(other)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
