"""Sampling within tight limits: draws are steered towards the limits, and corrected for the steering."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np

from archsieve.randomness import generator
from archsieve.spaces.contract import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

Weights: TypeAlias = "tuple[tuple[float, ...], ...]"
"""For each decision the weight of each of its options; only their ratios count."""

_ROUNDS = 20  # of learning
_DRAWS = 64  # in each of them
_ELITE = 0.2  # share of the draws nearest to the limits, from which the next round learns
_ENOUGH = 0.4  # share of the draws within at which learning ends
_REFINED = 2  # rounds that then learn from how likely the space's own draw brings those within
_OLD = 0.2  # share of the weights before in those after a round
_FLOOR = 0.03  # share of the weights that all options have alike: none is given up
_MARGIN = 1.0  # of the ceiling above the greatest ratio met: others may be greater
_TRIES = 5000  # draws before steering is given up


class Drawn(NamedTuple):
    """An architecture drawn with weights.

    Attributes:
        arch: its canonical code.
        asked: the decisions that came up.
        log_ratio: the logarithm of how much more likely the space's own draw brings it, but for a constant.
    """

    arch: Architecture
    asked: tuple[int, ...]
    log_ratio: float


@runtime_checkable
class Weighted(Protocol):
    """A space that can draw its decisions with given weights."""

    def draw_weighted(self, weights: Weights, rng: np.random.Generator) -> Drawn:
        """Return an architecture whose used decisions are drawn with the weights of their options."""
        ...


@dataclass(frozen=True)
class Steering:
    """The settings of steered draws.

    Args:
        weights: by which decisions are drawn.
        ceiling: the logarithm of the ratio at and above which a draw is always taken.
    """

    weights: Weights
    ceiling: float

    def sample(
        self, space: SearchSpace, is_within: Callable[[Architecture], bool], rng: np.random.Generator
    ) -> Architecture | None:
        """Return an architecture within the limits; None after 5,000 failed draws.

        A draw is taken with the probability exp(log_ratio - ceiling), at most 1, before its sizes are looked at: what
        is taken is then as likely as in a draw of the space itself, but for the few whose ratio is above the ceiling.
        """
        for _ in range(_TRIES):
            drawn = draw(space, self.weights, rng)
            if rng.random() < math.exp(min(0.0, drawn.log_ratio - self.ceiling)) and is_within(drawn.arch):
                return drawn.arch
        return None


def can_steer(space: SearchSpace) -> bool:
    """Whether a space's draws can be steered: it supports that, or draws every decision uniformly by default."""
    return isinstance(space, Weighted) or type(space).sample is SearchSpace.sample


def draw(space: SearchSpace, weights: Weights, rng: np.random.Generator) -> Drawn:
    """Return an architecture with decisions drawn by weights."""
    if isinstance(space, Weighted):
        return space.draw_weighted(weights, rng)
    sums = [np.cumsum(options).tolist() for options in weights]
    while True:
        places = zip(sums, rng.random(len(sums)).tolist(), strict=True)
        arch = tuple(bisect_right(sums_to, place * sums_to[-1], hi=len(sums_to) - 1) for sums_to, place in places)
        if space.is_valid(arch):
            drawn = ((options[i], sum(options) / len(options)) for options, i in zip(weights, arch, strict=True))
            return Drawn(arch, tuple(range(len(arch))), math.fsum(math.log(mean / weight) for weight, mean in drawn))


def uniform(choices: Sequence[int]) -> Weights:
    """Return equal weights for all options."""
    return tuple((1 / options,) * options for options in choices)


def learn(space: SearchSpace, excess: Callable[[Architecture], float]) -> tuple[Steering | None, Architecture]:
    """Return the steering of a space's draws to zero excess, and the nearest architecture found.

    The cross-entropy method for rare events (Rubinstein, 1997; doi:10.1016/S0377-2217(96)00385-2): of 64 draws those
    nearest to the limits say how often each option is drawn in the next round, until two of five are within. None if
    no round brought enough. All is drawn from a generator of its own: it depends on space and limits only.
    """
    rng = generator(0, "sample", "steering")
    weights = uniform(space.choices)
    nearest, refined = (math.inf, (0,) * len(space.choices)), 0
    within: list[Drawn] = []
    for _ in range(_ROUNDS):
        drawn = [draw(space, weights, rng) for _ in range(_DRAWS)]
        excesses = np.array([excess(each.arch) for each in drawn])
        best = int(excesses.argmin())
        nearest = min(nearest, (float(excesses[best]), drawn[best].arch))
        within = [each for each, over in zip(drawn, excesses, strict=True) if over == 0]
        if len(within) >= _ENOUGH * _DRAWS:
            if refined == _REFINED:
                break
            refined += 1
            weights = _learnt(space.choices, weights, within, _ratios(within))
            continue
        level = np.quantile(excesses, _ELITE)
        elite = [each for each, over in zip(drawn, excesses, strict=True) if over <= level]
        weights = _learnt(space.choices, weights, elite, np.ones(len(elite)))
    if not within:
        return None, nearest[1]
    return Steering(weights, max(each.log_ratio for each in within) + _MARGIN), nearest[1]


def _ratios(drawn: Sequence[Drawn]) -> NDArray[np.float64]:
    """Return importance ratios of the space's own draws to the steered ones, mean 1, cut above the third quartile."""
    logs = np.array([each.log_ratio for each in drawn])
    ratios = np.exp(np.minimum(logs, np.quantile(logs, 0.75)) - logs.max())
    return np.asarray(ratios / ratios.mean())


def _learnt(choices: Sequence[int], before: Weights, elite: Sequence[Drawn], ratios: NDArray[np.float64]) -> Weights:
    """Return the updated weights after a round: option frequencies in the nearest draws, smoothed by earlier ones."""
    after = []
    for place, options in enumerate(choices):
        met = [i for i, each in enumerate(elite) if place in each.asked]
        old = np.array(before[place])
        counts = np.bincount([elite[i].arch[place] for i in met], ratios[met], options) + old  # as if drawn once more
        share = (1 - _OLD) * counts / counts.sum() + _OLD * old
        after.append(tuple(((1 - _FLOOR) * share + _FLOOR / options).tolist()))
    return tuple(after)
