"""The search space contract: which architectures exist, how they are written, and which network each one is.

An architecture is a tuple of small ints, per decision the index of the chosen option. Mutation, crossover,
encoding, storage and sampling are written once, here, for every space. The file is longer than others because it is
all that the author of a space reads.
"""

from __future__ import annotations

import itertools
import math
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.text import as_digits, is_place, not_an_architecture
from archsieve.values import is_whole, named_in, offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from archsieve.spaces.text import NumberOrder
    from archsieve.tasks.contract import Task

Architecture: TypeAlias = tuple[int, ...]

Edge: TypeAlias = tuple[str, str, str]
"""Source, target, operation."""

_ATTEMPTS = 10_000  # draws before a constrained space is declared too tight
_BLOCK = 1_000  # codes drawn at a time


@dataclass(frozen=True)
class Picture:
    """The drawing of an architecture in reports: the labels of its blocks in order, or the edges of its named cells."""

    blocks: tuple[str, ...] = ()
    cells: dict[str, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)


class SearchSpace(ABC):
    """A space of networks; subclass it as a frozen dataclass whose fields are the space's settings.

    Two methods are needed, `choices` and `build`; the rest have defaults. A space may also offer `params(arch,
    task)`, `macs(arch, task)` and `flops(arch, task)` in closed form (else they are counted on the built
    network), `published_flops(arch, task)`, the count of its paper where that is another one, `supernet(task)`, a
    network of networks (see `archsieve.networks.supernets.Supernet`), and `features(arch)`, the numbers a predictor
    learns from, always as many (else the code).

    Attributes:
        name: the name it is registered by; until then its class's own.
        is_shareable: set it True to let proxies share work: batches, a network and its backward pass, and in a chain
            the common prefixes of paths. It is faster, and right only if no network, and no part of one, writes to what
            it gets or keeps a state that its outputs depend on; `archsieve.testing.SpaceContract` tests that. Where it
            is False every proxy gets a network and a batch of its own.
        is_recorded: True where only recorded values are known, and `build` raises.
    """

    name: str = ""
    is_shareable: ClassVar[bool] = False
    is_recorded: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Set `name` to the class's name unless the class sets it."""
        super().__init_subclass__(**kwargs)
        if not cls.__dict__.get("name"):
            cls.name = cls.__name__

    def identity(self) -> dict[str, Any]:
        """Return what identifies this space: its class's name and `version`, settings and choices.

        An author raises `version` when the network of a code changes although no setting does.

        Raises:
            SettingError: the space is no dataclass, so that its settings are unknown.
        """
        if not is_dataclass(self):
            raise SettingError(f"The space {self.name} must be a frozen dataclass, so that its settings are known.")
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        version = getattr(self, "version", 1)
        return {"type": type(self).__name__, "version": version, **settings, "choices": self.choices}

    @property
    @abstractmethod
    def choices(self) -> tuple[int, ...]:
        """Number of options of each decision, e.g. `(5,) * 6`. A decision with one option is allowed."""

    @abstractmethod
    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return a new network for `arch`, from inputs `(n, *task.input_shape)` to `(n, task.num_outputs)`.

        Where its networks judge every position (segmentation) the positions of the input stand behind the outputs.
        """

    @property
    def default_task(self) -> str:
        """Name of the default task; its input shape is used to compute sizes."""
        return "cifar10"

    @property
    def whole(self) -> SearchSpace:
        """The space without limits, with the same codes, which benchmarks are about. Itself if there are no limits."""
        return self

    @property
    def is_costly_to_list(self) -> bool:
        """Whether checking a code is costly, for example because its network must be built.

        If so, a sample is drawn and checked code by code. Otherwise a space that is small enough is listed.
        """
        return False

    @property
    def extremes(self) -> tuple[Architecture, Architecture] | None:
        """The smallest and the largest architecture if all others are slices of the largest; else None."""
        return None

    def is_valid(self, arch: Architecture) -> bool:
        """Whether a code with every option in range is an architecture of this space."""
        return True

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the representative of all codes with the same network as `arch`."""
        return arch

    def describe(self, arch: Architecture) -> str:
        """Return the code in the published notation; by default its digits, separated if one exceeds 9."""
        return as_digits(arch, self.choices)

    def picture(self, arch: Architecture) -> Picture:
        """Return the drawing of the architecture; by default one block per decision with its option."""
        return Picture(blocks=tuple(f"choice {i}: {option}" for i, option in enumerate(arch)))

    def parse(self, text: str) -> Architecture:
        """Return the code written as `text` by `describe`; digits may be separated by "-", as in reports.

        Raises:
            ArchitectureError: `text` is not an architecture of this space.
        """
        parts = text.strip().split("-") if "-" in text or max(self.choices) > 10 else list(text.strip())
        if not all(map(is_place, parts)):
            example = self.describe((0,) * len(self.choices))
            raise not_an_architecture(text, self.name, f"write {len(self.choices)} digits, e.g. {example!r}")
        return check(self, tuple(map(int, parts)), text)

    @property
    def number_orders(self) -> Mapping[str, NumberOrder]:
        """Other published orders of its codes as plain numbers, by notation name; by default none."""
        return {} if self.whole is self else self.whole.number_orders

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return a valid code drawn uniformly.

        Raises:
            ArchitectureError: no valid code in 10,000 draws.
        """
        for _ in range(_ATTEMPTS):
            arch = tuple(int(rng.integers(n)) for n in self.choices)
            if self.is_valid(arch):
                return arch
        raise self._too_tight()

    def _too_tight(self) -> ArchitectureError:
        return ArchitectureError(f"No valid architecture of {self.name} in {_ATTEMPTS} draws: relax its limits.")

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a valid code that differs from `arch` in exactly one decision, drawn uniformly.

        Where no valid code does, a space may return one that differs in more; here that is an error.

        Raises:
            ArchitectureError: no valid neighbour in 10,000 draws.
        """
        movable = movable_decisions(tuple(self.choices))
        for _ in range(_ATTEMPTS if movable else 0):
            i = movable[int(rng.integers(len(movable)))]
            option = int(rng.integers(self.choices[i] - 1))
            mutant = (*arch[:i], option + (option >= arch[i]), *arch[i + 1 :])
            if self.is_valid(mutant):
                return mutant
        raise ArchitectureError(
            f"{self.describe(arch)!r} has no valid neighbour in {self.name}, so it cannot be mutated."
        )


@lru_cache
def movable_decisions(choices: tuple[int, ...]) -> tuple[int, ...]:
    """Return the decisions that have more than one option."""
    return tuple(i for i, options in enumerate(choices) if options > 1)


def check(space: SearchSpace, arch: Sequence[int], text: str | None = None) -> Architecture:
    """Return `arch` as a tuple of ints after checking that it is an architecture of `space`.

    Raises:
        ArchitectureError: wrong length, an option that is no whole number or out of range, or excluded by the space;
            says which.
    """
    choices = space.choices
    try:
        is_plain = set(map(type, arch)) <= {int}  # most are; the words of `is_whole` cost more than all the rest
    except TypeError as error:  # one architecture instead of a list of them, or what is no code at all
        raise not_an_architecture(arch, space.name, _CODES) from error
    if isinstance(arch, str):
        raise not_an_architecture(arch, space.name, "it is text: read it with `space.parse`")
    if (
        len(arch) != len(choices)
        or not (is_plain or all(map(is_whole, arch)))
        or min(arch, default=0) < 0
        or not all(map(operator.lt, arch, choices))
    ):
        raise not_an_architecture(_shown(arch, text), space.name, _why_not(space, arch))
    code = tuple(arch) if is_plain else tuple(map(int, arch))
    if not space.is_valid(code):
        raise ArchitectureError(f"{_shown(arch, text)!r} is excluded by the limits of {space.name}.")
    return code


_CODES = "an architecture is a tuple of whole numbers, and several are a list of tuples"


def check_space(space: Any, what: str = "`space`") -> None:
    """Check that a value is a search space instance, not a name or a class.

    Raises:
        SettingError: it is not.
    """
    if not offers(space, "choices", "build"):
        raise wrong_kind(what, "a search space", space, named_in("SPACES", space))


def _shown(arch: Sequence[int], text: str | None) -> object:
    return text if text is not None else tuple(arch)


def _why_not(space: SearchSpace, arch: Sequence[int]) -> str:
    """Return why a code is invalid: its length, or an option that is not an integer or out of range."""
    if len(arch) != len(space.choices):
        return f"it has {len(arch)} decisions, the space {len(space.choices)}"
    i, option, options = next(
        (i, option, options)
        for i, (option, options) in enumerate(zip(arch, space.choices, strict=True))
        if not (is_whole(option) and 0 <= option < options)
    )
    if not is_whole(option):
        return f"decision {i} is {option!r}, but must be a whole number"
    return f"decision {i} is {option}, but must lie in 0..{options - 1}"


def size(space: SearchSpace) -> int:
    """Return the number of codes, including invalid ones."""
    return math.prod(space.choices)


def enumerate_space(space: SearchSpace) -> Iterator[Architecture]:
    """Yield every valid code in lexicographic order, the first decision slowest."""
    check_space(space)
    codes = itertools.product(*(range(n) for n in space.choices))
    return (arch for arch in codes if space.is_valid(arch))


def draw_distinct(
    space: SearchSpace, count: int, rng: np.random.Generator, on_draw: Callable[[int], None] | None = None
) -> list[Architecture]:
    """Return `count` different canonical codes, in the order drawn.

    `on_draw` is called after each draw with how many there are.

    Raises:
        ArchitectureError: the draws only repeat earlier codes, because the space holds fewer than `count`.
    """
    drawn: dict[Architecture, None] = {}
    stale = 0
    for arch in _draws(space, rng) if count > 0 else ():
        before = len(drawn)
        drawn[space.canonical(arch)] = None
        if on_draw is not None:
            on_draw(len(drawn))
        if len(drawn) == count:
            break
        stale = stale + 1 if len(drawn) == before else 0
        if stale > _ATTEMPTS:
            raise ArchitectureError(
                f"{space.name} gave only {len(drawn)} different networks, but {count} were requested."
            )
    return list(drawn)


def _draws(space: SearchSpace, rng: np.random.Generator) -> Iterator[Architecture]:
    """Yield the codes that repeated calls of `space.sample(rng)` return, drawn in blocks unless the space overrides it.

    The codes and their order are the same; only the state of `rng` afterwards differs.
    """
    if type(space).sample is not SearchSpace.sample:
        while True:
            yield space.sample(rng)
    refused = 0
    while True:
        for code in rng.integers(0, space.choices, size=(_BLOCK, len(space.choices))).tolist():
            if space.is_valid(arch := tuple(code)):
                refused = 0
                yield arch
            elif (refused := refused + 1) == _ATTEMPTS:
                raise space._too_tight()


def neighbours(space: SearchSpace, arch: Architecture) -> list[Architecture]:
    """Return the valid codes that differ from `arch` in one decision."""
    return [
        neighbour
        for i, options in enumerate(space.choices)
        for option in range(options)
        if option != arch[i] and space.is_valid(neighbour := (*arch[:i], option, *arch[i + 1 :]))
    ]


def one_hot(space: SearchSpace, archs: Sequence[Architecture]) -> NDArray[np.float64]:
    """Return the codes as 0/1 features, shape (n, sum of choices)."""
    codes = np.asarray(archs, dtype=int).reshape(len(archs), len(space.choices))
    return np.concatenate([np.eye(n)[codes[:, i]] for i, n in enumerate(space.choices)], axis=1)
