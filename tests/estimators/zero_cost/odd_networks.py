"""Networks that do what proxies may trip over, and a space whose codes combine them."""

from __future__ import annotations

import random
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from archsieve.spaces.contract import SearchSpace

WIDTH = 6


def conv(**settings):
    return nn.Conv2d(WIDTH, WIDTH, 3, padding=1, **settings)


class Do(nn.Module):
    """Applies a function of (module, inputs); keeps the modules it is given by name."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *arguments, **named):
        return self.function(self, *arguments, **named)


def sequence(*modules):
    return nn.Sequential(conv(bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(), *modules)


# Writing in place


def add_behind_a_layer(self, x):
    y = self.layer(x)
    y += x
    return y.relu_()


def scale_at_the_head(self, x):
    x *= 0.5
    return self.layer(x)


def write_to_data(self, x):
    x.data.mul_(0.5)
    return functional.relu(self.layer(x))


def write_to_a_part(self, x):
    y = self.layer(x)
    y[:, 0] = 0
    return functional.relu(y, inplace=True)


def overwrite_behind_the_features(self, x):
    y = self.layer(x)
    gate = y.mean((2, 3), keepdim=True)
    y.mul_(2)
    return y * gate


# Sharing


def twice(self, x):
    return self.layer(functional.relu(self.layer(x)))


def tied():
    one, other = conv(), conv()
    other.weight = one.weight
    return nn.Sequential(one, nn.ReLU(), other)


def one_norm_in_two_places():
    norm = nn.BatchNorm2d(WIDTH)
    return nn.Sequential(conv(), norm, nn.ReLU(), conv(), norm)


# Computed weights


def old_weight_norm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sequence(nn.utils.weight_norm(conv()), nn.ReLU())


def pruned():
    layer = conv()
    prune.l1_unstructured(layer, "weight", 0.3)
    return sequence(layer)


# Drawing


def drop_path(self, x):
    if not self.training:
        return x + self.layer(x)
    return x + self.layer(x) * (torch.rand(len(x), 1, 1, 1) < 0.5) * 2


def drop_by_numpy(self, x):
    keep = np.random.random(len(x)) < 0.5 if self.training else np.ones(len(x))  # noqa: NPY002
    return x + self.layer(x) * torch.tensor(keep, dtype=x.dtype).view(-1, 1, 1, 1)


def drop_by_python(self, x):
    return x + self.layer(x) * (random.random() if self.training else 1)  # noqa: S311


def add_noise(self, x):
    return self.layer(x) + 0.01 * torch.randn(x.shape)


def drop_by_function(self, x):
    return functional.relu(functional.dropout(self.layer(x), 0.3, training=self.training))


# Keeping a state


class Counting(nn.Module):
    """Answers otherwise each time."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = conv(), 0

    def forward(self, x):
        self.calls += 1
        return functional.relu(self.layer(x)) * self.calls


class Averaging(nn.Module):
    """Normalises by a mean of its own over all passes."""

    def __init__(self):
        super().__init__()
        self.layer = conv()
        self.register_buffer("mean", torch.zeros(1, WIDTH, 1, 1))

    def forward(self, x):
        y = self.layer(x)
        with torch.no_grad():
            self.mean.mul_(0.9).add_(0.1 * y.mean((0, 2, 3), keepdim=True))
        return functional.relu(y - self.mean)


def hooked():
    """A hook that holds on to another module of the same network."""
    layer, scale = conv(), nn.Conv2d(WIDTH, WIDTH, 1)
    layer.register_forward_hook(lambda module, inputs, output: output + scale(inputs[0]))
    return sequence(layer, nn.ReLU(), scale)


# Arguments


class Lists(nn.Module):
    """A block whose inner block takes a list, then a dictionary, then a keyword."""

    def __init__(self):
        super().__init__()
        self.of_list = Do(lambda self, xs: [self.layer(xs[0]), xs[1]], layer=conv())
        self.of_dict = Do(lambda self, xs: {"y": functional.relu(self.layer(xs["x"]))}, layer=conv())
        self.named = Do(lambda self, *, x, scale: self.layer(x) * scale, layer=conv())

    def forward(self, x):
        one, other = self.of_list([x, x])
        return self.named(x=self.of_dict({"x": one, "n": 3})["y"], scale=0.5) + other


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(WIDTH), nn.MultiheadAttention(WIDTH, 2, 0.1, batch_first=True)

    def forward(self, x):
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        return x + self.attention(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


BLOCKS = {
    "plain": sequence,
    "in-place activations": lambda: nn.Sequential(
        nn.ReLU(True), conv(bias=False), nn.BatchNorm2d(WIDTH), nn.SiLU(True)
    ),
    "in place behind a layer": lambda: Do(add_behind_a_layer, layer=conv()),
    "in place at the head": lambda: Do(scale_at_the_head, layer=conv()),
    "in place by data": lambda: Do(write_to_data, layer=conv()),
    "in place in a part": lambda: Do(write_to_a_part, layer=conv()),
    "in place behind the features": lambda: Do(overwrite_behind_the_features, layer=conv()),
    "one layer twice": lambda: Do(twice, layer=conv()),
    "one weight in two layers": tied,
    "one normalisation twice": one_norm_in_two_places,
    "weight norm": lambda: sequence(parametrizations.weight_norm(conv()), nn.ReLU()),
    "old weight norm": old_weight_norm,
    "spectral norm": lambda: sequence(parametrizations.spectral_norm(conv()), nn.ReLU()),
    "old spectral norm": lambda: sequence(nn.utils.spectral_norm(conv()), nn.ReLU()),
    "pruned": pruned,
    "dropout": lambda: sequence(nn.Dropout(0.3), nn.Dropout2d(0.2)),
    "functional dropout": lambda: Do(drop_by_function, layer=conv()),
    "drop path by hand": lambda: Do(drop_path, layer=sequence()),
    "drop path by numpy": lambda: Do(drop_by_numpy, layer=sequence()),
    "drop path by Python": lambda: Do(drop_by_python, layer=sequence()),
    "noise in every mode": lambda: Do(add_noise, layer=conv()),
    "random leaks": lambda: nn.Sequential(conv(), nn.RReLU()),
    "slow statistics": lambda: nn.Sequential(conv(), nn.BatchNorm2d(WIDTH, momentum=0.01), nn.ReLU()),
    "mean statistics": lambda: nn.Sequential(conv(), nn.BatchNorm2d(WIDTH, momentum=None), nn.ReLU()),
    "no statistics": lambda: nn.Sequential(conv(), nn.BatchNorm2d(WIDTH, track_running_stats=False), nn.ReLU()),
    "no affine map": lambda: nn.Sequential(conv(), nn.BatchNorm2d(WIDTH, affine=False), nn.ReLU()),
    "instance statistics": lambda: nn.Sequential(conv(), nn.InstanceNorm2d(WIDTH, track_running_stats=True), nn.ELU()),
    "group norm": lambda: nn.Sequential(conv(), nn.GroupNorm(2, WIDTH), nn.GELU()),
    "counting": Counting,
    "averaging": Averaging,
    "hooked": hooked,
    "lists": Lists,
    "attention": Attention,
}
INPUTS = ("as it is", "in place", "by data", "clamped")
OUTPUTS = ("a tensor", "a tuple", "a dictionary")


class OddNetwork(nn.Module):
    def __init__(self, inputs, blocks, outputs, classes):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.stem = nn.Conv2d(3, WIDTH, 3, 2, 1)
        self.blocks = nn.ModuleList(BLOCKS[name]() for name in blocks)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x):
        if self.inputs == "in place":
            x -= 0.5
            x /= 0.25
        elif self.inputs == "by data":
            x.data.sub_(0.5)
        elif self.inputs == "clamped":
            x = x.clamp_(-1, 1)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        y = self.head(functional.relu(x).mean((2, 3)))
        return {"a tensor": y, "a tuple": (y, x), "a dictionary": {"logits": y, "map": x}}[self.outputs]


@dataclass(frozen=True)
class OddSpace(SearchSpace):
    """Two odd blocks between a stem and a head; it says of nothing that it may be shared."""

    name: ClassVar[str] = "odd"

    @property
    def choices(self):
        return (len(INPUTS), len(BLOCKS), len(BLOCKS), len(OUTPUTS))

    def build(self, arch, task):
        names = list(BLOCKS)
        return OddNetwork(INPUTS[arch[0]], [names[arch[1]], names[arch[2]]], OUTPUTS[arch[3]], task.num_outputs)
