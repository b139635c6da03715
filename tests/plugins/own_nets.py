"""Models as people write them, with decisions in their constructors: workers import them from here."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import torch
from torch import nn

from archsieve import choice, one_of


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        kernel = choice("kernel", [3, 5])
        self.layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.act = one_of("act", {"relu": nn.ReLU, "silu": nn.SiLU})

    def forward(self, x):
        return self.act(self.layer(x))


class Convolutions(nn.Module):
    """A width, a number of blocks, and two decisions in each of them."""

    def __init__(self, num_outputs=10, input_shape=(3, 8, 8)):
        super().__init__()
        width = choice("width", [4, 8, 12], default=8)
        layers = [Block(input_shape[0] if i == 0 else width, width) for i in range(choice("depth", [1, 2, 3]))]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(width, num_outputs)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


def convolutions(task):
    """A function that makes a class."""
    return Convolutions(task.num_outputs, task.input_shape)


class Deeper(Convolutions):
    """A subclass, with a decision after those of its base class."""

    def __init__(self, num_outputs=10, input_shape=(3, 8, 8)):
        super().__init__(num_outputs, input_shape)
        self.drop = nn.Dropout(choice("rate", [0.0, 0.5]))


class Heads(nn.Module):
    """A small transformer, in which heads must divide the width."""

    def __init__(self, num_outputs=10, tokens=20):
        super().__init__()
        width = choice("width", [8, 12])
        heads = choice("heads", [n for n in (1, 2, 3, 4) if width % n == 0])
        self.table = nn.Embedding(tokens, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, choice("inner", [8, 16]), batch_first=True, dropout=0.0)
            for _ in range(choice("layers", [1, 2]))
        )
        self.head = nn.Linear(width, num_outputs)

    def forward(self, ids):
        x = self.table(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


class Gated(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one, self.gate = nn.Linear(width, width), nn.Linear(width, choice("inner", [1, 2]))

    def forward(self, x):
        return self.one(x) * self.gate(x).mean(-1, keepdim=True).sigmoid()


class Mixed(nn.Module):
    """Options that have decisions of their own, and one that comes up only then."""

    def __init__(self, input_shape=(6,), num_outputs=3):
        super().__init__()
        width = input_shape[0]
        self.mixer = one_of("mixer", {"linear": lambda: nn.Linear(width, width), "gated": lambda: Gated(width)})
        self.norm = nn.LayerNorm(width) if choice("norm", [False, True]) else nn.Identity()
        if choice("has_rate", [False, True]):
            self.norm = nn.Sequential(self.norm, nn.Dropout(choice("rate", [0.1, 0.2])))
        self.head = nn.Linear(width, num_outputs)

    def forward(self, x):
        return self.head(self.norm(self.mixer(x)))


@dataclass
class Config:
    width: int = field(default_factory=lambda: choice("width", [4, 8]))
    layers: tuple[int, ...] = field(default_factory=lambda: tuple(choice("sizes", [(4,), (8, 4)], default=(8, 4))))


class Configured(nn.Module):
    """A configuration that asks, and one module at two places."""

    def __init__(self, input_shape=(6,), num_outputs=3):
        super().__init__()
        config = Config()
        shared = Gated(config.width)
        self.stem = nn.Linear(input_shape[0], config.width)
        self.first, self.second = shared, shared
        sizes = [config.width, *config.layers]
        self.rest = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))
        self.head = nn.Linear(sizes[-1], num_outputs)

    def forward(self, x):
        return self.head(self.rest(self.second(self.first(self.stem(x)))))


def plain(width=4, depth=1, act="relu", *, num_outputs=3):
    """A model that nobody touched; its parts must fit each other."""
    if width % depth:
        raise ValueError(f"depth {depth} must divide width {width}")
    layers = [nn.Linear(6, width)]
    for _ in range(depth):
        layers += [{"relu": nn.ReLU, "tanh": nn.Tanh}[act](), nn.Linear(width, width)]
    return nn.Sequential(*layers, nn.Linear(width, num_outputs))


def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 3))


class ReadsValues(nn.Module):
    """Its constructor reads tensors, as rates of stochastic depth are often made."""

    def __init__(self):
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.1, choice("depth", [1, 2]))]
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(6, 6), nn.Dropout(rate)) for rate in rates))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.layers(x))


class InForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, choice("width", [3, 3 + 3]))

    def forward(self, x):
        return self.layer(x)[:, :3] * choice("scale", [1, 2])


def coin():
    return nn.Sequential(nn.Linear(6, 3), *([nn.ReLU()] if random.random() < 0.5 else []))  # noqa: S311


class CoinFlag(nn.Module):
    """A draw that `repr` does not show."""

    def __init__(self):
        super().__init__()
        self.skips = bool(torch.rand(1) < 0.5)
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        return self.layer(x) + x * self.skips


class Rare(nn.Module):
    """A decision that comes up in one of 4,096 networks."""

    def __init__(self):
        super().__init__()
        answers = [choice("bit", [0, 1, 2, 3]) for _ in range(6)]
        self.layer = nn.Linear(6, choice("rare", [3, 4]) if all(answer == 3 for answer in answers) else 3)


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = choice("scale", [1, 2])

    def forward(self, x):
        return x * self.scale


class Staged(nn.Module):
    """Stages of one to five cells, numbered through: the last cell comes up in one of 125 networks."""

    def __init__(self):
        super().__init__()
        cells = [Cell() for _ in range(3) for _ in range(choice("depth", [1, 2, 3, 4, 5]))]
        self.layers = nn.Sequential(*cells, nn.Linear(6, 3))

    def forward(self, x):
        return self.layers(x)


def same_label():
    return nn.Linear(6, choice("width", {"a b": 3}))


def no_option():
    return nn.Linear(6, choice("width", []))


def twice():
    return nn.Linear(6, choice("width", [3, 3]))


def wrong_default():
    return nn.Linear(6, choice("width", [3, 4], default=5))


def no_module():
    return one_of("layer", [None, nn.Identity])


def needs_arguments():
    return one_of("layer", {"conv": nn.Conv2d})


def typing_error():
    return nn.Linear(6, {"a": 3, "b": "four"}[choice("width", ["a", "b"])])


def asks_for_more(width):
    return nn.Linear(6, width)


def breaks():
    raise ZeroDivisionError("division by zero")


def no_network():
    return [nn.Linear(6, 3)]


def head_only():
    """A backbone whose weights are given, and a head that is drawn."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, choice("out", [3, 5])))
    with torch.no_grad():
        network[1].weight.copy_(torch.arange(24.0).reshape(4, 6) / 24)
    return network


def several(x: int = 4):
    """It returns several tensors by name."""
    return _Several(x)


class _Several(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(6, width)

    def forward(self, x):
        return {"logits": self.layer(x), "hidden": x}


def activation():
    return one_of("act", [nn.ReLU, nn.Tanh])


class Stage(nn.Module):
    """Blocks inside blocks, of which some ask through a helper, and some do not ask."""

    def __init__(self, width, places):
        super().__init__()
        self.quiet = nn.Sequential(nn.LayerNorm(width))
        self.gates = nn.Sequential(*(Gated(width) for _ in range(places)))
        self.ends = nn.ModuleList([activation(), activation()])

    def forward(self, x):
        for end in self.ends:
            x = end(self.gates(self.quiet(x)))
        return x


class Nested(nn.Module):
    def __init__(self, input_shape=(6,), num_outputs=3):
        super().__init__()
        (width,) = input_shape
        self.stages = nn.Sequential(*[Stage(width, places) for places in (1, 2)])
        self.twin = copy.deepcopy(self.stages[0])
        self.head = nn.Linear(width, num_outputs)

    @classmethod
    def small(cls, num_outputs=3):
        """Another constructor, which a space may be made of."""
        return cls((choice("inputs", [6, 8]),), num_outputs)

    def forward(self, x):
        return self.head(self.twin(self.stages(x)))


KEPT = {}


def kept():
    """It builds a part once and keeps it, so that a second run asks for less."""
    if "part" not in KEPT:
        KEPT["part"] = nn.Linear(6, choice("width", [3, 4]))
    return nn.Sequential(KEPT["part"])


BACKBONE = nn.Linear(6, 6)


def shared_backbone():
    """Every network has the same first layer."""
    return nn.Sequential(BACKBONE, nn.Linear(6, choice("width", [3, 4])))


@cache
def remembered():
    """It returns one network, each time."""
    return nn.Linear(6, 3)


def copied_backbone():
    return nn.Sequential(copy.deepcopy(BACKBONE), nn.Linear(6, choice("width", [3, 4])))


def in_doubles():
    return nn.Sequential(nn.Linear(6, 4).half(), nn.ReLU(), nn.Linear(4, choice("width", [3, 4])).double())


class Told(nn.Module):
    """In half precision, with two outputs, of which the second is meant; its options depend on the inputs."""

    def __init__(self, input_shape=(6,), num_outputs=3):
        super().__init__()
        width = choice("width", [n for n in (2, 3, 4, 5) if input_shape[0] % n == 0])
        self.layer, self.head = nn.Linear(input_shape[0], width), nn.Linear(width, num_outputs)
        self.half()

    def forward(self, x):
        features = self.layer(x)
        return {"features": features, "answer": self.head(features)}


def talks():
    """It prints, and changes what belongs to the process."""
    print("building")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return nn.Linear(6, choice("width", [3, 4]))


def exits():
    raise SystemExit(3)


def swallows():
    """Its constructor catches what it raises itself."""
    try:
        layer = nn.Linear(6, choice("width", [3, 4]))
        [3].index(layer.out_features)
    except ValueError:
        layer = nn.Linear(6, 4)
    return layer
