"""The sample of an audit: the networks that each stage removed, and those drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsieve.estimators.contract import leaves_of
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import estimators_of
from archsieve.plans.recorded import recorded_networks
from archsieve.plans.run import is_listable
from archsieve.randomness import generator
from archsieve.spaces.contract import draw_distinct, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan
    from archsieve.runs.session import Session
    from archsieve.searchers.contract import Round
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class Stratum:
    """The networks that one stage removed: a list in random order, and their total number."""

    label: str
    place: int
    archs: list[Architecture]
    count: int


@dataclass(frozen=True, eq=False)
class Sample:
    """The drawn networks, the winner last, with their scores and strata.

    `lowest` is the lowest score of the winner, by which bounds are reckoned; NaN where it is the one in `values`.
    """

    plan: Plan
    session: Session
    rounds: Sequence[Round]
    strata: Sequence[Stratum]
    counts: Sequence[int]
    archs: Sequence[Architecture]
    values: NDArray[np.float64]
    columns: Sequence[NDArray[np.float64] | None]
    recipe: AnyEstimator
    lowest: float = math.nan

    @property
    def members(self) -> NDArray[np.intp]:
        """The stratum of each network drawn."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def is_hit(self) -> NDArray[np.bool_]:
        """Whether each network drawn is at least as good as the winner."""
        return np.asarray(self.values[:-1] >= self.values[-1])

    def hits(self) -> list[int]:
        """Return for each stratum how many drawn networks are at least as good as the winner."""
        return [int(self.is_hit[self.members == i].sum()) for i in range(len(self.counts))]

    def hits_at_most(self) -> list[int]:
        """Return for each stratum how many drawn networks reach the winner's lowest score."""
        lowest = self.values[-1] if math.isnan(self.lowest) else self.lowest
        is_hit = self.values[:-1] >= lowest
        return [int(is_hit[self.members == i].sum()) for i in range(len(self.counts))]

    def weights(self) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the sampling weight and stratum of each network, the winner included; stratum -1 if not random."""
        sizes = np.array([s.count for s in self.strata])
        drawn = np.array(self.counts)
        members = self.members
        weights = (sizes / np.maximum(drawn, 1))[members]
        strata = np.where((sizes == drawn)[members], -1, members)
        return np.append(weights, 1.0), np.append(strata, -1)


def strata_of(
    plan: Plan, session: Session, rounds: Sequence[Round], pool: list[Architecture], winner: Architecture
) -> list[Stratum]:
    """Return the networks that each stage removed, in random order; those outside an evolved pool come first."""
    strata, left = [], pool
    if plan.is_open and not is_listable(plan.space) and recorded_networks(plan.space, estimators_of(plan)) is None:
        left = []
    if plan.pool.evolve is not None:
        strata.append(_beyond(session, set(pool), "outside of the pool", -1))
    for place, latest in enumerate(rounds):
        codes = [tuple(code) for code in latest.archs.tolist()]
        kept = {codes[i] for i in latest.kept.tolist()} if latest is not rounds[-1] else {winner}
        members = [arch for arch in left or codes if arch not in kept]
        rng = generator(session.seed, "sample", "audit", place)
        order = [members[i] for i in rng.permutation(len(members))]
        if left or place:
            strata.append(Stratum(latest.label, place, order, len(members)))
        else:  # a space too large to list
            strata.append(_beyond(session, kept, latest.label, place))
        left = [arch for arch in codes if arch in kept]
    return [stratum for stratum in strata if stratum.count]


def _beyond(session: Session, known: set[Architecture], label: str, place: int) -> Stratum:
    """Return networks of the space that are not in the known ones: all, or as many as an audit can draw."""
    rng = generator(session.seed, "sample", "audit", place)
    if is_listable(session.space):
        members = sorted(set(session.pool()) - known)
        return Stratum(label, place, [members[i] for i in rng.permutation(len(members))], len(members))
    others = [arch for arch in draw_distinct(session.space, 1000 + len(known), rng) if arch not in known]
    return Stratum(label, place, others, size(session.space) - len(known))


def is_scored_by(recipe: AnyEstimator, plan: Plan, stratum: Stratum, rounds: Sequence[Round]) -> bool:
    """Whether the search itself scored all networks of a stratum by the recipe."""
    if stratum.place < 0 or stratum.count != len(rounds[stratum.place].archs) - 1:
        return False
    return any(fingerprint(leaf) == fingerprint(recipe) for leaf in leaves_of(plan.stages[stratum.place].estimator))
