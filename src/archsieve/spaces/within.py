"""The restriction of a space to limits of sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, cast

from archsieve.errors import ArchitectureError
from archsieve.fingerprints import identity
from archsieve.randomness import generator
from archsieve.spaces.contract import Picture, SearchSpace, check_space, neighbours
from archsieve.spaces.form import form_of
from archsieve.spaces.limits import Limits
from archsieve.spaces.moves import descend, walk
from archsieve.spaces.sizes import SizeName, size_of
from archsieve.spaces.steering import can_steer, learn
from archsieve.values import named_in, offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.steering import Steering
    from archsieve.tasks.contract import Task

_DRAWS = 32  # before what is drawn is repaired instead: then one draw in ten is within, or fewer
_DESCENTS = 3  # given up before nothing is taken to be within
_LOOKS = 64  # draws of which none is within where limits are tight
_REMEMBERED = 8192  # sizes in closed form
_COUNTED = 1_000_000  # sizes counted on networks: each took milliseconds, and has a few hundred bytes


@dataclass(frozen=True)
class Within(SearchSpace):
    """A space restricted to architectures whose sizes are within limits.

    It offers what the space offers: networks, a supernet, sizes, notation; benchmarks about the space are about it.
    Sizes are those of the canonical code, the network that is scored.

    A sample is drawn from the space until one is within. That is the space's distribution among the architectures
    within, uniform where the space's is. Where 32 draws do not do, the nearest of them is repaired by moves that reduce
    the excess, and then walks at random among those within, eight moves a decision: a Metropolis chain, whose limit is
    uniform among what single moves within the limits connect (if the space's moves are as likely as their reverse, as
    they are unless it overrides `mutate`). After so few moves it is near that, not exact.

    Where sizes are counted on built networks, a walk would count hundreds. There draws are steered instead: decisions
    are drawn with weights that bring what is within, and a draw is taken the less often, the more the weights favour
    it (`archsieve.spaces.steering`). That leaves the space's distribution as it is, but for networks that the weights
    bring very rarely, which stay somewhat too rare. If none of 64 draws is within, all samples are steered.

    Args:
        space: the space limited.
        task: what sizes are reckoned for; its `Form` is kept.
        limits: the limits.

    >>> from archsieve.spaces.nasbench_macro.space import NASBenchMacro
    >>> from archsieve.tasks.synthetic import Synthetic
    >>> space = Within(NASBenchMacro(), Synthetic(), Limits(max_params=1e6))
    >>> space.is_valid(space.parse("22200000")), space.is_valid(space.whole.parse("22222222"))
    (True, False)
    """

    space: SearchSpace
    task: Any
    limits: Limits

    def __post_init__(self) -> None:
        """Replace the task by its form, because sizes depend on nothing else."""
        check_space(self.space)
        if not offers(self.task, "input_shape", "num_outputs"):
            raise wrong_kind("`task`", "a task", self.task, named_in("TASKS", self.task))
        if not isinstance(self.limits, Limits):
            raise wrong_kind("`limits`", "limits", self.limits, "write archsieve.Limits(max_macs=600e6)")
        object.__setattr__(self, "task", form_of(self.task))

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the space beyond the contract, such as a supernet or a closed form."""
        if name.startswith("_") or name in ("space", "task", "limits"):  # not there yet, while it is copied
            raise AttributeError(name)
        return getattr(self.space, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the state without the cached sizes."""
        return type(self), (self.space, self.task, self.limits)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The space's name."""
        return self.space.name

    @property
    def is_shareable(self) -> bool:  # type: ignore[override]
        """The space's value."""
        return self.space.is_shareable

    @property
    def whole(self) -> SearchSpace:
        """The space without limits."""
        return self.space.whole

    @property
    def default_task(self) -> str:
        """The space's default task."""
        return self.space.default_task

    def identity(self) -> dict[str, Any]:
        """Return the space's identity, with the limits."""
        entries = self.space.identity()
        limits = {"limits": identity(self.limits), "of": identity(self.task)}
        return {**entries, "within": [*entries.get("within", []), limits]}

    @property
    def choices(self) -> tuple[int, ...]:
        """The space's choices."""
        return self.space.choices

    @property
    def is_costly_to_list(self) -> bool:
        """Whether checking a limit requires building networks."""
        return self.space.is_costly_to_list or any(
            getattr(self.space, name, None) is None for name in self.limits.bounds
        )

    @property
    def extremes(self) -> tuple[Architecture, Architecture] | None:
        """The space's extremes, within the limits or not, because a supernet spans them."""
        return self.space.extremes

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the space's network."""
        return self.space.build(arch, task)

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the space's canonical code."""
        return self.space.canonical(arch)

    def describe(self, arch: Architecture) -> str:
        """Return the space's notation."""
        return self.space.describe(arch)

    def picture(self, arch: Architecture) -> Picture:
        """Return the space's picture."""
        return self.space.picture(arch)

    def parse(self, text: str) -> Architecture:
        """Return the space's code for a text.

        Raises:
            ArchitectureError: it is not an architecture of the space, or beyond the limits; says how large it is.
        """
        arch = self.space.parse(text)
        if not self.is_valid(arch):
            raise ArchitectureError(f"{text!r} is beyond the limits: {self._sizes_of(arch)}, but {self.limits}.")
        return arch

    def is_valid(self, arch: Architecture) -> bool:
        """Whether a code is an architecture of the space and within the limits."""
        return self.space.is_valid(arch) and self.limits.admits(self.sizes(arch))

    def sizes(self, arch: Architecture) -> dict[SizeName, int]:
        """Return the limited sizes by name."""
        return self._remembered(self.canonical(arch))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return a random architecture within the limits; the class docstring describes the method.

        Raises:
            ArchitectureError: none was found; says how large the nearest one is.
        """
        if self.is_tight:
            return self._steered(rng)
        attempts = []
        for _ in range(_DRAWS):
            arch = self.space.sample(rng)
            if self.is_valid(arch):
                return arch
            attempts.append(arch)
        if self._is_steered:
            return self._steered(rng)
        return self._walk(self._repair(min(attempts, key=self._excess), rng), rng)

    @cached_property
    def is_tight(self) -> bool:
        """Whether sampling is steered from the first draw: sizes are counted, and none of 64 draws is within.

        The draws are always the same ones.
        """
        rng = generator(0, "sample", "limits")
        return self._is_steered and not any(self.is_valid(self.space.sample(rng)) for _ in range(_LOOKS))

    @property
    def _is_steered(self) -> bool:
        return self.is_costly_to_list and can_steer(self.space)

    @cached_property
    def _steering(self) -> tuple[Steering | None, Architecture]:
        return learn(self.space, self._excess)

    def _steered(self, rng: np.random.Generator) -> Architecture:
        steering, nearest = self._steering
        if steering is not None and (arch := steering.sample(self.space, self.is_valid, rng)) is not None:
            return arch
        return self._walk(self._repair(nearest, rng), rng)

    def _walk(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return the end of a random walk within the limits; moves that would leave them are rejected but counted."""
        return walk(self.space, self.is_valid, arch, rng)

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return another architecture within the limits, by the space's own mutation.

        It differs in one decision if such a neighbour is within the limits, else in as many as are needed.

        Raises:
            ArchitectureError: none was found.
        """
        for _ in range(_DRAWS):
            mutant = self.space.mutate(arch, rng)
            if self.is_valid(mutant):
                return mutant
        if near := neighbours(self, arch):
            return near[int(rng.integers(len(near)))]
        for _ in range(_DRAWS):
            mutant = self._repair(self.space.mutate(arch, rng), rng)
            if mutant != arch:
                return mutant
        raise ArchitectureError(f"{self.describe(arch)!r} has no neighbour within {self.limits}: relax the limits.")

    def _repair(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return an architecture within the limits, reached from `arch` by moves that never increase the excess.

        Raises:
            ArchitectureError: no descent ended within.
        """
        ends = []
        for _ in range(_DESCENTS):
            arch = descend(self.space, self._excess, arch, rng)
            if self.is_valid(arch):
                return arch
            ends.append(arch)
            arch = self.space.sample(rng)
        nearest = min(ends, key=self._excess)
        raise ArchitectureError(
            f"No architecture of {self.name} with {self.limits} was found: the nearest has {self._sizes_of(nearest)}."
        )

    def _excess(self, arch: Architecture) -> float:
        return self.limits.excess(self.sizes(arch))

    def _sizes_of(self, arch: Architecture) -> str:
        return " and ".join(f"{size:,} {name}" for name, size in self.sizes(arch).items())

    @cached_property
    def _remembered(self) -> Callable[[Architecture], dict[SizeName, int]]:
        task, names = cast("Task", self.task), tuple(self.limits.bounds)

        @lru_cache(maxsize=_COUNTED if self.is_costly_to_list else _REMEMBERED)
        def sizes(arch: Architecture) -> dict[SizeName, int]:
            return {name: size_of(self.space, arch, task, name) for name in names}

        return sizes
