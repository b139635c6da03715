"""TopFormer's family as a space: a convolutional pyramid under a small transformer, for segmentation."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from archsieve.errors import ArchitectureError, SettingError
from archsieve.registry import near_miss
from archsieve.spaces.contract import Picture, SearchSpace, check
from archsieve.spaces.topformer.layout import Layout, PyramidBlock, TransformerBlock, size_in_closed_form
from archsieve.spaces.topformer.notation import code_of, fits, read_description, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

STRIDES = (1, 2, 2, 2, 2)
FIRST_WIDTH = 16
"""Channels of the stem and of the first stage, in all three families."""
GROUPS = 4


class Family(NamedTuple):
    """Common settings of a family's networks: TopFormer's widths, heads, fused channels and kind of head."""

    widths: tuple[int, int, int, int]
    num_heads: int
    fused: int
    depthwise_head: bool


FAMILIES = {
    "base": Family((32, 64, 128, 160), 8, 256, depthwise_head=False),
    "small": Family((24, 48, 96, 128), 6, 192, depthwise_head=False),
    "tiny": Family((16, 32, 64, 96), 4, 128, depthwise_head=True),
}

_KERNELS = ((3, 5),) * 5
_DEPTHS = ((1, 2), (1, 2), (1, 2), (2, 3), (2, 3, 4))
_EXPANSIONS = ((1,), (3, 4), (2, 3), (2, 3), (5, 6))
_GROUPED = {
    "num_heads": (4, 6, 8, 10, 12),
    "key_dim": (14, 16, 18),
    "attn_ratio": (16, 18, 20, 22),  # tenths
    "mlp_ratio": (16, 18, 20, 22, 24),  # tenths
    "transformer_depth": (1, 2),
}


class _Layouts(SearchSpace):
    """A space whose codes map to layouts."""

    @property
    def default_task(self) -> str:
        """ADE20K, the data set of the published networks."""
        return "ade20k"

    @abstractmethod
    def layout(self, arch: Architecture) -> Layout:
        """Return the network's layout."""

    def picture(self, arch: Architecture) -> Picture:
        """Return the blocks of pyramid and transformer in order."""
        layout = self.layout(arch)
        pyramid = (
            f"{b.kernel}x{b.kernel}, expansion {b.expand}, {b.channels} channels" for s in layout.stages for b in s
        )
        transformer = (
            f"{b.num_heads} heads of {b.key_dim} and {b.value_dim} channels, MLP {b.hidden(layout.dim)}"
            for b in layout.blocks
        )
        return Picture(blocks=(*pyramid, *transformer))

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the network, from images (n, C, H, W) to per-pixel outputs (n, classes, H, W)."""
        from archsieve.spaces.topformer.network import TopFormerNetwork

        return TopFormerNetwork(self.layout(arch), task)

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters."""
        return size_in_closed_form(self.layout(arch), task).params

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image."""
        return size_in_closed_form(self.layout(arch), task).macs

    def published_flops(self, arch: Architecture, task: Task) -> int:
        """Return the count that TopFormer and its successors publish; see `topformer_layout.Cost`."""
        return size_in_closed_form(self.layout(arch), task).published_flops


@dataclass(frozen=True)
class TopFormer(_Layouts):
    """TopFormer networks (arXiv 2204.05525): 6,291,456 * 600^4 = 8.2e17 codes per family.

    Per stage of the pyramid the width (TopFormer's own, 8 less, 8 or 16 more), the depth, the kernel and the
    expansion; per group of transformer blocks heads, key channels, ratio of value to key channels, ratio of the MLP and
    the number of blocks. Stem and first stage have 16 channels. A notation names them as the published configurations
    do, from stem or first stage to last: see the example.

    A space of this kind is behind three networks of "Good Performance Estimation strategies are All You Need in NAS"
    (TPAMI 2025), which prints no ranges: these are the values that occur in those networks and in TopFormer's own.

    Args:
        family: "base", "small" or "tiny"; fixes the widths and the head.

    >>> space = TopFormer("tiny")
    >>> space.describe((1,) * 38)
    'width=16-16-16-32-64-96 depth=2-2-2-3-3 kernel_size=5-5-5-5-5 expand_ratio=1-4-3-3-6 num_heads=6-6-6-6 \
key_dim=16-16-16-16 attn_ratio=1.8-1.8-1.8-1.8 mlp_ratio=1.8-1.8-1.8-1.8 transformer_depth=2-2-2-2'
    """

    name: ClassVar[str] = "topformer"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True
    version: ClassVar[int] = 2

    family: str = "base"

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.family not in FAMILIES:
            raise SettingError(f"There is no family {self.family!r}.{near_miss(str(self.family), FAMILIES)}")

    @cached_property
    def options(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """The options of each key at each position; a position with one option is not a decision."""
        first = (FIRST_WIDTH,)
        widths = (first, first, *((w - 8, w, w + 8, w + 16) for w in FAMILIES[self.family].widths))
        pyramid = {"width": widths, "depth": _DEPTHS, "kernel_size": _KERNELS, "expand_ratio": _EXPANSIONS}
        return pyramid | {key: (options,) * GROUPS for key, options in _GROUPED.items()}

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """4 widths, 5 depths, 5 kernels, 4 expansions and 5 values for each of four groups: 38 decisions."""
        return tuple(len(place) for places in self.options.values() for place in places if len(place) > 1)

    def values(self, arch: Architecture) -> dict[str, tuple[int, ...]]:
        """Return the values of every key, with transformer ratios in tenths."""
        digits = iter(arch)
        return {
            key: tuple(place[next(digits)] if len(place) > 1 else place[0] for place in places)
            for key, places in self.options.items()
        }

    def describe(self, arch: Architecture) -> str:
        """Return the values with the keys of the published configurations."""
        return " ".join(f"{key}={'-'.join(written(key, v) for v in vs)}" for key, vs in self.values(arch).items())

    def parse(self, text: str) -> Architecture:
        """Return the code of a description, a published configuration dictionary, or 38 digits.

        The dictionary may stand in another one, and after names.

        Raises:
            ArchitectureError: `text` is none of these, or a value is no option of the space; says which family has it.
        """
        values = read_description(text, self.options, self.name)
        if values is None:
            return super().parse(text)
        try:
            return check(self, code_of(values, self.options, text), text)
        except ArchitectureError as error:
            fitting = [name for name in FAMILIES if name != self.family and fits(values, TopFormer(name).options)]
            if not fitting:
                raise
            raise ArchitectureError(
                f"{error} It is an architecture of the family {fitting[0]!r}, and the family here is {self.family!r}: "
                f"add --set space.family={fitting[0]}."
            ) from error

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the lexicographically first code whose transformer has the same sequence of blocks.

        Neighbouring groups with equal settings are one run of blocks, and where it is cut does not matter.
        """
        start = len(arch) - GROUPS * len(_GROUPED)
        *settings, depths = (arch[start + GROUPS * i : start + GROUPS * (i + 1)] for i in range(len(_GROUPED)))
        groups = zip(zip(*settings, strict=True), depths, strict=True)
        runs = [(key, sum(1 + d for _, d in group)) for key, group in itertools.groupby(groups, key=lambda g: g[0])]
        return (*arch[:start], *min(_cut(runs)))

    def layout(self, arch: Architecture) -> Layout:
        """Return the layout of the canonical code's network."""
        values, family = self.values(self.canonical(arch)), FAMILIES[self.family]
        stem, *widths = values["width"]
        per_stage = zip(widths, values["depth"], values["kernel_size"], values["expand_ratio"], STRIDES, strict=True)
        stages = tuple(
            tuple(PyramidBlock(kernel, expand, width, stride if i == 0 else 1) for i in range(depth))
            for width, depth, kernel, expand, stride in per_stage
        )
        *settings, depths = (values[key] for key in _GROUPED)
        groups = tuple((TransformerBlock(*group),) * depth for *group, depth in zip(*settings, depths, strict=True))
        return Layout(stem, stages, groups, family.fused, family.depthwise_head)

    @property
    def extremes(self) -> tuple[Architecture, Architecture]:
        """The architectures of all smallest and of all largest options."""
        return (0,) * len(self.choices), tuple(options - 1 for options in self.choices)

    def supernet(self, task: Task) -> nn.Module:
        """Return the largest network, of which all others are slices."""
        from archsieve.spaces.topformer.network import TopFormerSupernet

        return TopFormerSupernet(self, task)


@dataclass(frozen=True)
class HandMadeTopFormers(_Layouts):
    """The three networks of the TopFormer paper (arXiv 2204.05525), as a baseline for searches.

    They are no codes of `TopFormer`: their stages mix kernels and expansions.

    >>> HandMadeTopFormers().parse("small")
    (1,)
    """

    name: ClassVar[str] = "topformer-hand-made"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True
    version: ClassVar[int] = 2

    @property
    def choices(self) -> tuple[int, ...]:
        """The families."""
        return (len(FAMILIES),)

    def describe(self, arch: Architecture) -> str:
        """Return "base", "small" or "tiny"."""
        return list(FAMILIES)[arch[0]]

    def parse(self, text: str) -> Architecture:
        """Return the code of a family's name, or of one digit."""
        names = list(FAMILIES)
        return (names.index(text.strip()),) if text.strip() in names else super().parse(text)

    def layout(self, arch: Architecture) -> Layout:
        """Return the network's layout."""
        family = list(FAMILIES.values())[arch[0]]
        one, two, three, four = family.widths
        last = () if family is FAMILIES["tiny"] else (PyramidBlock(3, 6, four, 1),)
        stages = (
            (PyramidBlock(3, 1, FIRST_WIDTH, 1),),
            (PyramidBlock(3, 4, one, 2), PyramidBlock(3, 3, one, 1)),
            (PyramidBlock(5, 3, two, 2), PyramidBlock(5, 3, two, 1)),
            (PyramidBlock(3, 3, three, 2), PyramidBlock(3, 3, three, 1)),
            (PyramidBlock(5, 6, four, 2), PyramidBlock(5, 6, four, 1), *last),
        )
        block = TransformerBlock(family.num_heads, key_dim=16, attn_tenths=20, mlp_tenths=20)
        return Layout(FIRST_WIDTH, stages, ((block,),) * GROUPS, family.fused, family.depthwise_head)


def _cut(runs: list[tuple[tuple[int, ...], int]]) -> Iterator[Architecture]:
    """Yield the codes of the groups that give the same runs of (settings, blocks), shallow groups first."""
    for counts in itertools.product(*(range((blocks + 1) // 2, blocks + 1) for _, blocks in runs)):
        if sum(counts) != GROUPS:
            continue
        settings = [key for (key, _), count in zip(runs, counts, strict=True) for _ in range(count)]
        deep = [
            int(group >= 2 * count - blocks)
            for (_, blocks), count in zip(runs, counts, strict=True)
            for group in range(count)
        ]
        yield (*(option for column in zip(*settings, strict=True) for option in column), *deep)
