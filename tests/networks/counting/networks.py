"""Networks to count: those of the spaces, those people have, and small ones drawn at random of every kind of layer."""

from __future__ import annotations

import itertools
import random

import torch
from torch import nn

from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.topformer.space import TopFormer
from archsieve.tasks.synthetic import Synthetic
from archsieve.tasks.synthetic_segmentation import SyntheticSegmentation
from estimators.zero_cost.families import FAMILIES


class First(nn.Module):
    """Hands on the first of what a layer returns."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, inputs):
        return self.layer(inputs)[0]


class Attending(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, inputs):
        return self.attention(inputs, inputs, inputs)[0]


class Both(nn.Module):
    def __init__(self, bilinear):
        super().__init__()
        self.bilinear = bilinear

    def forward(self, inputs):
        return self.bilinear(inputs, inputs)


def convolutional(rng, dims, *, transposed=False):
    """Return a chain of convolutions, grouped, dilated and strided at random, and the shape of its inputs."""
    kinds = ((nn.Conv1d, nn.Conv2d, nn.Conv3d), (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    kind, width, layers = kinds[transposed][dims - 1], rng.choice((4, 8)), []
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims - 1]
    shape = (width, *(rng.randint(9, 12) for _ in range(dims)))
    for _ in range(rng.randint(2, 3)):
        out = rng.choice((4, 8, 12))
        groups = rng.choice((1, 2, 4))
        settings = {"stride": rng.choice((1, 2)), "padding": 1, "groups": groups, "bias": rng.random() < 0.5}
        layers += [kind(width, out, rng.choice((1, 3)), **settings), norm(out), nn.ReLU()]
        width = out
    return nn.Sequential(*layers), shape


def linear(rng):
    widths = [rng.randint(3, 20) for _ in range(4)]
    layers = [nn.Linear(a, b, bias=rng.random() < 0.5) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(layers[0], nn.LayerNorm(widths[1]), nn.GELU(), *layers[1:]), (rng.randint(2, 5), widths[0])


def recurrent(rng, kind):
    size, hidden = rng.randint(3, 9), rng.randint(4, 12)
    settings = {"num_layers": rng.randint(1, 3), "bidirectional": rng.random() < 0.5, "bias": rng.random() < 0.5}
    settings |= {"proj_size": 3} if kind is nn.LSTM and rng.random() < 0.5 else {}
    return First(kind(size, hidden, batch_first=True, **settings)), (rng.randint(2, 7), size)


def attention(rng):
    width = rng.choice((8, 16))
    layer = nn.TransformerEncoderLayer(width, 2, 12, batch_first=True, norm_first=rng.random() < 0.5)
    kinds = (Attending(nn.MultiheadAttention(width, 4, batch_first=True, bias=rng.random() < 0.5)),)
    kinds += (layer, nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    return rng.choice(kinds), (rng.randint(2, 6), width)


def bilinear(rng):
    width = rng.randint(3, 9)
    return Both(nn.Bilinear(width, width, rng.randint(2, 7), bias=rng.random() < 0.5)), (rng.randint(1, 3), width)


def cell(rng, kind):
    layer, size = kind(5, rng.randint(3, 9)), 5
    return (First(layer) if kind is nn.LSTMCell else layer), (size,)


RANDOM = {
    **{f"convolutions, {d}d": lambda rng, d=d: convolutional(rng, d) for d in (1, 2, 3)},
    **{f"transposed, {d}d": lambda rng, d=d: convolutional(rng, d, transposed=True) for d in (1, 2, 3)},
    **{kind.__name__: lambda rng, kind=kind: recurrent(rng, kind) for kind in (nn.LSTM, nn.GRU, nn.RNN)},
    **{kind.__name__: lambda rng, kind=kind: cell(rng, kind) for kind in (nn.LSTMCell, nn.GRUCell, nn.RNNCell)},
    "linear": linear,
    "attention": attention,
    "bilinear": bilinear,
}
DRAWS = 3
PICTURES = Synthetic(shape=(3, 32, 32), num_outputs=5, images=4)
SPACES = {
    "macro": (NASBenchMacro(8, (8, 12), (2, 2), 16), PICTURES),
    "cells": (NASBench201(width=8, cells=1), PICTURES),
    "darts": (DARTS(width=8, layers=3), PICTURES),
    "inverted": (AttentiveNAS(), Synthetic(shape=(3, 64, 64), num_outputs=5, images=4)),
    "topformer": (TopFormer(family="tiny"), SyntheticSegmentation(side=64)),
}


def drawn(name, seed):
    """Return a function that builds a network drawn by kind and seed, and the shape of its inputs."""

    def build():
        return RANDOM[name](random.Random(seed))[0]  # noqa: S311

    return build, RANDOM[name](random.Random(seed))[1]  # noqa: S311


def of_space(name, seed):
    space, task = SPACES[name]
    import numpy as np

    arch = space.sample(np.random.default_rng(seed))
    return (lambda: space.build(arch, task)), tuple(task.input_shape)


def of_family(name):
    factory, shape = FAMILIES[name]
    return factory, shape


FAMILIES_BY_LAYERS = [name for name in FAMILIES if "by hand" not in name and "words" not in name]
NETWORKS = {
    **{f"{name} {seed}": (drawn, name, seed) for name in RANDOM for seed in range(DRAWS)},
    **{f"{name} {seed}": (of_space, name, seed) for name in SPACES for seed in range(2)},
    **{name: (of_family, name) for name in FAMILIES_BY_LAYERS},
}


def network(name):
    """Return a function that builds the network of that name, and the shape of its inputs."""
    make, *arguments = NETWORKS[name]
    torch.manual_seed(0)
    return make(*arguments)
