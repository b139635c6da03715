"""AttentiveNAS: mobile networks with variable resolution, widths, depths, kernels and expansions (arXiv 2011.09011)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.attentivenas.layout import HEAD_EXPANSION
from archsieve.spaces.contract import Picture, SearchSpace, check
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.convolutions import halved
from archsieve.spaces.layers.inverted_residuals import Block, blocks_of, cost_of_head, cost_of_stage, cost_of_stem
from archsieve.spaces.literals import no_architecture, read_configuration, shortened, whole_numbers
from archsieve.spaces.text import is_place, not_an_architecture
from archsieve.values import check_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task


class Genes(NamedTuple):
    """The choices of an architecture as values instead of option indices.

    Attributes:
        resolution: side of the picture in pixels.
        widths: channels of stem, stages and head.
        depths: blocks of each stage.
        kernels: side of the depthwise kernels of each stage.
        expansions: channels in the middle of a block by its input channels, in each stage.
    """

    resolution: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]


@dataclass(frozen=True)
class AttentiveNAS(SearchSpace):
    """The space of AttentiveNAS: 440,301,256,704 architectures of 31 decisions.

    Source: Wang et al., "AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling", arXiv 2011.09011.
    Decisions are the resolution, the width of the stem, of seven stages and of the head, and of each stage the depth,
    the kernel and the expansion, which all its blocks share. A network resizes its input (bicubic) to its resolution,
    whatever the task's is. Every block has a shortcut: averaged where the stride is 2, and a bare 1x1 convolution where
    the channels differ. All options ascend.

    Args:
        resolutions: sides of the picture.
        widths: options of the stem, of each stage and of the head.
        depths: options of each stage.
        kernels: options of each stage, odd.
        expansions: options of each stage; 1 alone is a block without expansion.
        strides: of the first block of each stage.
        squeezes: whether the blocks of a stage squeeze and excite.

    >>> space = AttentiveNAS()
    >>> arch = space.parse(
    ...     "288; 16 16 24 32 72 120 200 216 1792; 2 3 3 5 6 8 2; 5 5 5 5 5 3 5; 1 4 5 5 4 6 6"
    ... )
    >>> space.describe(arch)
    '288; 16 16 24 32 72 120 200 216 1792; 2 3 3 5 6 8 2; 5 5 5 5 5 3 5; 1 4 5 5 4 6 6'
    """

    name: ClassVar[str] = "attentivenas"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True

    resolutions: tuple[int, ...] = (192, 224, 256, 288)
    widths: tuple[tuple[int, ...], ...] = (
        (16, 24),
        (16, 24),
        (24, 32),
        (32, 40),
        (64, 72),
        (112, 120, 128),
        (192, 200, 208, 216),
        (216, 224),
        (1792, 1984),
    )
    depths: tuple[tuple[int, ...], ...] = (
        (1, 2),
        (3, 4, 5),
        (3, 4, 5, 6),
        (3, 4, 5, 6),
        (3, 4, 5, 6, 7, 8),
        (3, 4, 5, 6, 7, 8),
        (1, 2),
    )
    kernels: tuple[tuple[int, ...], ...] = ((3, 5),) * 7
    expansions: tuple[tuple[int, ...], ...] = ((1,), *((4, 5, 6),) * 4, (6,), (6,))
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    squeezes: tuple[bool, ...] = (False, False, True, False, True, True, True)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        for field in fields(self):  # plan files have lists, which are no part of a key
            values = getattr(self, field.name)
            object.__setattr__(self, field.name, tuple(tuple(v) if isinstance(v, list) else v for v in values))
        stages = len(self.depths)
        counts = {name: len(getattr(self, name)) for name in ("kernels", "expansions", "strides", "squeezes")}
        if not stages or len(self.widths) != stages + 2 or set(counts.values()) != {stages}:
            raise SettingError(
                f"`depths`, {', '.join(f'`{name}`' for name in counts)} need one entry for each stage, and "
                f"`widths` two more, "
                f"but got {self}."
            )
        for name, options in self.decisions:
            if not options or options[0] < 1 or any(a >= b for a, b in pairwise(options)):
                raise SettingError(f"The options of the {name} must ascend from 1 or more, but are {options}.")
        are_even = any(kernel % 2 == 0 for options in self.kernels for kernel in options)
        are_uneven = any(width % 8 for options in self.widths for width in options)
        if are_even or are_uneven or not {1, 2} >= set(self.strides):
            raise SettingError(f"Kernels must be odd, widths multiples of 8 and strides 1 or 2, but got {self}.")

    @property
    def default_task(self) -> str:
        """ImageNet, the data set of the published networks."""
        return "imagenet"

    @cached_property
    def decisions(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Name and options of each decision."""
        stages = [f"stage {i}" for i, _ in enumerate(self.depths, 1)]
        named = (
            ("resolution", self.resolutions),
            *((f"width of {part}", o) for part, o in zip(("stem", *stages, "head"), self.widths, strict=True)),
            *((f"depth of {part}", o) for part, o in zip(stages, self.depths, strict=True)),
            *((f"kernel of {part}", o) for part, o in zip(stages, self.kernels, strict=True)),
            *((f"expansion of {part}", o) for part, o in zip(stages, self.expansions, strict=True)),
        )
        return tuple(named)

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """Number of options of each decision."""
        return tuple(map(len, self._options))

    @cached_property
    def _options(self) -> tuple[tuple[int, ...], ...]:
        return tuple(options for _, options in self.decisions)

    @property
    def extremes(self) -> tuple[Architecture, Architecture]:
        """The architectures of all smallest and of all largest options."""
        return (0,) * len(self.choices), tuple(options - 1 for options in self.choices)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return a uniform random code."""
        return tuple(rng.integers(0, self.choices).tolist())

    def values(self, arch: Architecture) -> tuple[int, ...]:
        """Return the chosen values by decision: the input of published predictors of this space."""
        return tuple([options[option] for options, option in zip(self._options, arch, strict=True)])

    def genes(self, arch: Architecture) -> Genes:
        """Return the chosen values grouped by kind."""
        values, stages = self.values(arch), len(self.depths)
        depths, kernels, expansions = stages + 3, 2 * stages + 3, 3 * stages + 3
        widths = values[1:depths]
        return Genes(values[0], widths, values[depths:kernels], values[kernels:expansions], values[expansions:])

    def of_values(self, values: Sequence[int], text: str | None = None) -> Architecture:
        """Return the code of chosen values, the inverse of `values`.

        Raises:
            ArchitectureError: too few or too many, or one that is no option; says of which decision.
        """
        shown = text if text is not None else tuple(values)
        if len(values) != len(self.decisions):
            needed = f"{len(self.decisions)} are needed, e.g. {self.describe(self.extremes[0])!r}"
            raise not_an_architecture(shown, self.name, f"it has {len(values)} numbers, but {needed}")
        for value, (name, options) in zip(values, self.decisions, strict=True):
            if value not in options:
                allowed = f"{'one of ' if len(options) > 1 else ''}{', '.join(map(str, options))}"
                raise not_an_architecture(shown, self.name, f"the {name} is {value}, but must be {allowed}")
        return tuple(options.index(value) for value, (_, options) in zip(values, self.decisions, strict=True))

    def describe(self, arch: Architecture) -> str:
        """Return resolution, widths, depths, kernels and expansions, separated by semicolons."""
        resolution, *parts = self.genes(arch)
        return "; ".join([str(resolution), *(" ".join(map(str, part)) for part in parts)])

    def parse(self, text: str) -> Architecture:
        """Return the code of a text.

        That is what `describe` writes, a dictionary with the keys resolution, width, depth, kernel_size and
        expand_ratio as published configurations have it (also inside another one, and after names), or the options'
        places as reports have them: digits, also with "-" between.

        Raises:
            ArchitectureError: `text` is none of these, or a number is no option of its decision.
        """
        if "{" in text:
            return self.of_values(self._configured(text), shortened(text))
        word = text.strip()
        is_code = "-" in word or (word.isdigit() and len(word) == len(self.choices))
        words = word.replace(";", " ").replace(",", " ").split()
        if is_code:
            words = word.split("-") if "-" in word else list(word)
        if not all(map(is_place, words)):
            example = self.describe(self.extremes[0])
            advice = f"write resolution, widths, depths, kernels and expansions, e.g. {example!r}"
            raise not_an_architecture(text, self.name, advice)
        numbers = tuple(map(int, words))
        return check(self, numbers, text) if is_code else self.of_values(numbers, text)

    def _configured(self, text: str) -> list[int]:
        """Return the chosen values in a dictionary; the resolution is optional if there is only one."""
        stages = len(self.depths)
        counts = {
            "resolution": 1,
            "width": stages + 2,
            **dict.fromkeys(("depth", "kernel_size", "expand_ratio"), stages),
        }
        try:
            single = {"resolution": self.resolutions[0]} if len(self.resolutions) == 1 else {}
            configuration = {**single, **read_configuration(text, counts, [key for key in counts if key not in single])}
            return [number for key, count in counts.items() for number in whole_numbers(key, configuration[key], count)]
        except ArchitectureError as error:
            raise no_architecture(text, self.name, error) from error

    def picture(self, arch: Architecture) -> Picture:
        """Return stem, stages and head as blocks."""
        genes = self.genes(arch)
        stem, *widths, head = genes.widths
        stages = (
            f"{depth} x {kernel}x{kernel}, expansion {expansion}, {width} channels"
            for depth, kernel, expansion, width in zip(*genes[2:], widths, strict=True)
        )
        return Picture(blocks=(f"{genes.resolution} pixels, 3x3, {stem} channels", *stages, f"1x1, {head} channels"))

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network."""
        from archsieve.spaces.attentivenas.network import SlicedNetwork

        return SlicedNetwork(self, task, arch)

    def supernet(self, task: Task) -> nn.Module:
        """Return the largest network, of which all others are slices."""
        from archsieve.spaces.attentivenas.network import SlicedNetwork

        return SlicedNetwork(self, task)

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters."""
        return self._cost(arch, task)[0]

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one picture resized to the architecture's resolution."""
        return self._cost(arch, task)[1]

    def stages(self, genes: Genes) -> list[list[Block]]:
        """Return the blocks of each stage."""
        rules = zip(self.strides, self.squeezes, strict=True)
        return [
            blocks_of(before, outputs, *gene, *rule)
            for (before, outputs), gene, rule in zip(
                pairwise(genes.widths[:-1]), zip(*genes[2:], strict=True), rules, strict=True
            )
        ]

    def _cost(self, arch: Architecture, task: Task) -> tuple[int, int]:
        """Return parameters and multiply-adds."""
        genes = self.genes(arch)
        side, last, head = halved(genes.resolution), genes.widths[-2], genes.widths[-1]
        params, macs = cost_of_stem(pictures_of(task, self.name)[0], genes.widths[0], side)
        rules = *genes[2:], self.strides, self.squeezes
        for before, outputs, *rule in zip(genes.widths[:-2], genes.widths[1:-1], *rules, strict=True):
            more_params, more_macs = cost_of_stage(side, before, outputs, *rule)
            params, macs = params + more_params, macs + more_macs
            side = halved(side) if rule[-2] == 2 else side
        more_params, more_macs = cost_of_head(side, last, HEAD_EXPANSION * last, head)
        return params + more_params + (head + 1) * task.num_outputs, macs + more_macs + head * task.num_outputs
