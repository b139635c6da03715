"""Design of a funnel: which estimators in which order, and how much each keeps, so that the best network survives.

A pilot is a sample of networks whose truth is known. Its best ones stand in for the optimum of the whole space: each is
looked at in the pilot without those better than itself, where it is the best, as the optimum is in the space. A chain
of estimators is cut as tightly as keeps all stand-ins through every stage, and the cheapest such chain is taken.

How likely that loses the optimum is measured, not multiplied: of b + 1 stand-ins each is left out in turn, the funnel
is designed by the other b, and the one left out is put through it. Were stand-ins and optimum exchangeable, the share
lost would be an unbiased estimate of the risk of the whole procedure, choice of the chain and dependence of its stages
included (the jackknife's argument of conformal prediction: Vovk et al., "Algorithmic Learning in a Random World";
Barber et al., arXiv 1905.02928). What is assumed: an estimator tells the best of a hundred from the rest as well as the
best of all. It is optimistic where an estimator is blind among the very best, and through choosing, of several designs
whose risk is measured, one that passes. docs/designer.md has what was promised and what was kept: on one of three
benchmarks the promise does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from archsieve.design.pilot import Chain, Pilot
from archsieve.errors import SettingError
from archsieve.plans.contract import Plan
from archsieve.runs.effort import Ledger
from archsieve.searchers.contract import Stage, count_kept
from archsieve.values import as_floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Pool
    from archsieve.runs.session import Session
    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task

SMALLEST_PILOT = 10
STAND_INS = (1, 2, 4, 6, 9, 14, 19, 29, 39, 59)
"""Numbers of stand-ins to try; those are used that leave at least half of the pilot as other networks."""
MOST_STAGES = 3
_BEAM = 16


@dataclass(frozen=True)
class Prices:
    """Costs of k estimators (once, and per network) and of the final training, in one unit, and the pool's size."""

    once: tuple[float, ...]
    each: tuple[float, ...]
    final: float
    pool: int

    def counts(self, chain: Chain) -> list[int]:
        """Return how many networks reach each stage, and as the last entry the final training."""
        counts = [self.pool]
        for _, keep in chain:
            counts.append(count_kept(keep, counts[-1]))
        return counts

    def of(self, chain: Chain) -> float:
        """Return the cost of a chain with its final trainings, without savings from shared computation."""
        counts = self.counts(chain)
        spent = sum(self.once[e] + self.each[e] * n for (e, _), n in zip(chain, counts, strict=False))
        return float(spent + self.final * counts[-1])


def prices_of(
    estimators: Sequence[AnyEstimator], final: AnyEstimator, space: SearchSpace, task: Task, pool: int
) -> Prices:
    """Return the costs of estimators and of the final training in network-epochs (see `archsieve.runs.effort`).

    Raises:
        SettingError: there is none, or one does not say what it costs.
    """
    if not estimators:
        raise SettingError("A design needs at least one estimator to choose from, but got none.")
    once, each = zip(*(_line(e, space, task, "leave it out of the design") for e in estimators), strict=True)
    return Prices(once, each, sum(_line(final, space, task, "end the plan with one that does")), pool)


def _line(estimator: AnyEstimator, space: SearchSpace, task: Task, advice: str, far: int = 1001) -> tuple[float, float]:
    """Return the fixed cost of an estimator, and its cost per network."""
    single, several = (Ledger(space, task).pay(estimator, n) for n in (1, far))
    if single is None or several is None:
        raise SettingError(f"The estimator {estimator.name!r} does not declare its cost: {advice}.")
    each = (several - single) / (far - 1)
    return single - each, each


@dataclass(frozen=True)
class Offer:
    """A funnel: its chain, its cost, and how many of the `stand_ins` + 1 stand-ins it lost when left out.

    The empty chain trains all networks and loses none.
    """

    chain: Chain
    cost: float
    stand_ins: int
    lost: int

    @property
    def risk(self) -> float:
        """The estimated probability of losing the optimum, in [0, 1], lower is better.

        One counts as lost even if none was: nothing below 1 / (b + 1) can be told from b stand-ins.
        """
        return max(1, self.lost) / (self.stand_ins + 1) if self.chain else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % Clopper-Pearson interval of the risk; it assumes independent stand-ins, which these are not."""
        from scipy.stats import beta

        if not self.chain:
            return 0.0, 0.0
        n, k = self.stand_ins + 1, self.lost
        low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
        return low, float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


def plan_of(
    offer: Offer, estimators: Sequence[AnyEstimator], final: AnyEstimator, session: Session, pool: Pool
) -> Plan:
    """Return an offer's funnel as a plan.

    After its cuts the final training itself chooses; where it says on which split it scores, on the validation split,
    and what it chose is scored once more as it says.
    """
    chooser: AnyEstimator = replace(cast("Any", final), split="validation") if hasattr(final, "split") else final
    return Plan(
        space=session.space,
        task=session.task,
        stages=(*(Stage(estimators[e], keep=keep) for e, keep in offer.chain), Stage(chooser, top=1, label="training")),
        pool=pool,
        final=final,
        seed=session.seed,
        title=f"Designed funnel, {session.space.name}",
    )


@dataclass(frozen=True)
class Design:
    """The result of a design: the chosen offer, whether it meets `delta`, and all offers on the cost-risk front.

    `offers` are ordered by cost, so that those behind the chosen one say what a greater budget would buy.
    """

    chosen: Offer
    offers: tuple[Offer, ...]
    delta: float

    @property
    def is_met(self) -> bool:
        """Whether the estimated risk is at most `delta`."""
        return self.chosen.risk <= self.delta


def design(
    scores: NDArray[np.float64],
    truth: NDArray[np.float64],
    prices: Prices,
    *,
    delta: float = 0.1,
    budget: float | None = None,
    stages: int = MOST_STAGES,
) -> Design:
    """Return the cheapest funnel whose probability of losing the optimum is at most `delta`.

    If the budget does not suffice for that, it is the funnel of least risk within the budget.

    Args:
        scores: of the pilot by each estimator, shape (n, k), higher is better; NaN ranks last.
        truth: of the pilot, shape (n,), higher is better.
        prices: of those estimators.
        delta: in (0, 1).
        budget: the most that may be spent, in the unit of the prices, the pilot apart.
        stages: the most a funnel has before the final training.

    Raises:
        SettingError: the pilot is too small, a number is out of range, a truth is missing, or the budget buys nothing.
    """
    return choose(offers(scores, truth, prices, stages), delta, budget)


def check_wishes(delta: float, budget: float | None = None) -> None:
    """Check the requested risk and budget; needs no scored pilot.

    Raises:
        SettingError: one is out of range.
    """
    if not 0 < delta < 1:
        raise SettingError(f"`0 < delta < 1` must hold, but got {delta}.")
    if budget is not None and not budget > 0:
        raise SettingError(f"`budget > 0` must hold, but got {budget}.")


def check_size(pilot: int) -> None:
    """Check the number of networks in a pilot; needs no scored pilot.

    Raises:
        SettingError: they are too few.
    """
    if pilot < SMALLEST_PILOT:
        raise SettingError(f"A pilot needs at least {SMALLEST_PILOT} networks with a truth, but has {pilot}.")


def choose(offered: Sequence[Offer], delta: float, budget: float | None = None) -> Design:
    """Return the design that these offers give; see `design`."""
    check_wishes(delta, budget)
    within = [o for o in offered if budget is None or o.cost <= budget]
    if not within:
        least = min(o.cost for o in offered)
        raise SettingError(f"The budget of {budget:g} is too small: the cheapest funnel costs {least:.4g}.")
    meeting = [o for o in within if o.risk <= delta]
    cheapest, safest = (lambda o: (o.cost, o.risk)), (lambda o: (o.risk, o.cost))
    chosen = min(meeting, key=cheapest) if meeting else min(within, key=safest)
    return Design(chosen, tuple(_best_of(offered)), delta)


def offers(
    scores: NDArray[np.float64], truth: NDArray[np.float64], prices: Prices, stages: int = MOST_STAGES
) -> list[Offer]:
    """Return one design for each number of stand-ins and of stages, after the empty chain; see `design`."""
    scores, truth = as_floats(scores), as_floats(truth)
    _check(scores, truth, prices, stages)
    pilot = Pilot(scores, truth)
    designs = [Offer((), prices.of(()), 0, 0)]
    for count in STAND_INS:
        if count + 1 > len(truth) // 2:
            break
        chains = _cheapest(pilot, prices, stages, np.arange(count))
        lost = dict.fromkeys(chains, 0)
        for out in range(count + 1):
            rest = np.delete(np.arange(count + 1), out)
            for most, chain in _cheapest(pilot, prices, stages, rest, without=out).items():
                lost[most] += not pilot.keeps(out, chain)
        designs += [Offer(chain, prices.of(chain), count, lost[most]) for most, chain in chains.items() if chain]
    return designs


def _check(scores: NDArray[np.float64], truth: NDArray[np.float64], prices: Prices, stages: int) -> None:
    check_size(len(truth))
    if scores.shape != (len(truth), len(prices.each)) or not scores.shape[1]:
        raise SettingError(
            f"A pilot of {len(truth)} networks needs a score by each of {len(prices.each)} estimators, but the shape "
            f"of the scores is {scores.shape}."
        )
    if not np.isfinite(truth).all():
        raise SettingError(f"The truth of {int((~np.isfinite(truth)).sum())} networks of the pilot is not a number.")
    if stages < 1:
        raise SettingError(f"`stages >= 1` must hold, but got {stages}.")


def _best_of(offered: Sequence[Offer]) -> Iterator[Offer]:
    """Yield the offers by cost, each with a lower risk than all cheaper ones."""
    least = 2.0
    for offer in sorted(offered, key=lambda o: (o.cost, o.risk)):
        if offer.risk < least:
            least = offer.risk
            yield offer


def _cheapest(
    pilot: Pilot, prices: Prices, most: int, stand_ins: NDArray[np.intp], without: int | None = None
) -> dict[int, Chain]:
    """Return the cheapest chains of at most 1, 2, ... `most` stages that keep all these stand-ins.

    A chain orders its estimators by price; the search is a beam search that extends the cheapest few chains.
    """
    sequence = sorted(range(len(prices.each)), key=lambda e: (prices.each[e], prices.once[e]))
    best: Chain = ()
    beam: list[tuple[Chain, NDArray[np.bool_], int]] = [((), pilot.below(stand_ins, without), 0)]
    cheapest = {}
    for stages in range(1, most + 1):
        longer: list[tuple[float, Chain, NDArray[np.bool_], int]] = []
        for chain, alive, begin in beam:
            for place in range(begin, len(sequence)):
                estimator = sequence[place]
                keep = pilot.tightest(alive, stand_ins, estimator)
                if keep < 1:
                    survivors = pilot.cut(alive, stand_ins, estimator, keep)
                    extended = (*chain, (estimator, keep))
                    longer.append((prices.of(extended), extended, survivors, place + 1))
        longer.sort(key=lambda item: item[0])
        if longer and longer[0][0] < prices.of(best):
            best = longer[0][1]
        cheapest[stages] = best
        beam = [item[1:] for item in longer[:_BEAM]]
    return cheapest
