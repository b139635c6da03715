"""A plan: a whole funnel search as values, and the forecast of its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.contract import (
    Priced,
    check_estimator,
    leaves_of,
    lesson_of,
    refuse_relative,
    scores_metric,
)
from archsieve.plans.recorded import recorded_networks
from archsieve.randomness import generator
from archsieve.registry import SEARCHERS
from archsieve.runs.effort import Entry, Ledger, total, unit_of
from archsieve.searchers.contract import check_stages
from archsieve.searchers.features import features_of
from archsieve.searchers.history import maximise
from archsieve.spaces.contract import check_space, size
from archsieve.spaces.sampling import draw_among, pool_size
from archsieve.tasks.contract import Measure, check_task, says_count
from archsieve.values import check_whole, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archsieve.estimators.contract import AnyEstimator, Scores
    from archsieve.plans.ceiling import Ceiling, Gate
    from archsieve.runs.effort import Unit
    from archsieve.runs.session import Session
    from archsieve.searchers.contract import Stage
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.spaces.sampling import Progress
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Pool:
    """The candidates of a funnel: all networks, a random sample, or the networks visited by an evolution.

    `evolve` is another spelling of a first stage with a search; its budget counts duplicates, that of a stage does not.

    Args:
        sample: so many networks drawn at random; None for all.
        evolve: an estimator that a regularized evolution maximises; the pool is every network it visits. It scores
            them one by one, so that a composite needs a `calibration`.
        budget: evaluations of that evolution.
        population: its members alive, at most the budget.
        tournament: members that compete to be the parent, at most the population.
    """

    sample: int | None = None
    evolve: AnyEstimator | None = field(default=None, metadata={"catalogue": "estimator"})
    budget: int = 500
    population: int = 50
    tournament: int = 10

    def __post_init__(self) -> None:
        """Check the settings, and that scores of the evolution's estimator are comparable between calls."""
        for name in ("sample", "budget", "population", "tournament"):
            number = getattr(self, name)
            if number is None and name == "sample":
                continue
            check_whole(name, number)
            if number < 1:
                raise SettingError(f"`{name} >= 1` must hold for a pool, but got {name}={number}.")
            if self.evolve is None and name != "sample" and number != Pool.__dataclass_fields__[name].default:
                raise SettingError(f"A pool's {name} needs `evolve`, but got {name}={number} without.")
        if self.sample is not None and self.evolve is not None:
            raise SettingError(f"A pool is either a sample or an evolution, but got sample={self.sample} too.")
        if self.evolve is not None:
            check_estimator(self.evolve, "`evolve`")
            refuse_relative(self.evolve, "An evolution")

    def draw(
        self, session: Session, gate: Gate | None = None, among: Sequence[Architecture] | None = None
    ) -> list[Architecture]:
        """Return the candidates by canonical code, in tie-breaking order.

        Args:
            session: of the space and the seed.
            gate: admits only those within its limit.
            among: the canonical codes to draw from; None: all of the space.

        Raises:
            SettingError: there are fewer than the sample.
            EstimatorError: an evolution could score nothing that it met.
        """
        evolve = self.evolve
        if evolve is None and among is not None:
            drawn = draw_among(session.space, among, session.seed, self.sample if gate is None else None)
            return drawn if gate is None else gate.among(drawn)[: self.sample]
        if evolve is None:
            if gate is None:
                return session.pool(self.sample)
            return gate.among(session.pool()) if self.sample is None else gate.sample(self.sample)
        population = min(self.population, self.budget)
        evolution = maximise(
            SEARCHERS["regularized_evolution"](population, min(self.tournament, population)),
            session.space,
            lambda archs: _scores_within(session, evolve, archs, gate),
            budget=self.budget,
            rng=generator(session.seed, "sample", "evolution"),
            among=among,
        )
        visited = (tuple(map(int, code)) for code in evolution.rounds[0].archs)
        codes = list(dict.fromkeys(session.space.canonical(arch) for arch in visited))
        session.require_scores(evolve, codes, evolution.rounds[0].scores)
        if among is not None:  # a searcher may ask for others all the same
            listed = set(among)
            codes = [code for code in codes if code in listed]
        codes = codes if gate is None else gate.among(codes)
        order = generator(session.seed, "sample", "pool").permutation(len(codes))
        return [codes[i] for i in order]

    def count(self, space: SearchSpace, progress: Progress | None = None) -> int:
        """Return the number of candidates (for an evolution, the maximum); `progress` follows a long count.

        Raises:
            SettingError: the space cannot give that pool.
        """
        return pool_size(space, self.sample, progress) if self.evolve is None else self.budget


def _scores_within(
    session: Session, estimator: AnyEstimator, archs: Sequence[Architecture], gate: Gate | None
) -> Scores:
    """Return scores (n,), with NaN for architectures beyond a gate's limit, which are not scored."""
    if gate is None:
        return session.scores([estimator], archs)[:, 0]
    within = gate(archs)
    scores = np.full(len(archs), np.nan)
    scores[within] = session.scores(
        [estimator], [arch for arch, admitted in zip(archs, within, strict=True) if admitted]
    )[:, 0]
    return scores


@dataclass(frozen=True)
class Plan:
    """A funnel search: the space, the task and the stages.

    Args:
        space: the space to search.
        task: data, loss and metric of the networks.
        stages: the stages, in order.
        pool: the candidates of the first stage.
        final: scores the winner alone, on data that no stage has seen: a longer training, on the test split.
        seed: all random draws depend on it.
        title: a name for reports.
        stands_for: the task of the training that you are after, if `task` replaces it; costs are then counted in
            epochs of that task.
        finds: what runs of this plan found, for `archsieve list plans`.
        ceiling: a limit that is measured.
    """

    space: SearchSpace
    task: Task
    stages: tuple[Stage, ...]
    pool: Pool = Pool()
    final: AnyEstimator | None = None
    seed: int = 0
    title: str = ""
    stands_for: Task | None = None
    finds: str = ""
    ceiling: Ceiling | None = None

    def __post_init__(self) -> None:
        """Check that there is a stage, and that scores passed to a search are comparable."""
        check_space(self.space)
        check_task(self.task)
        check_stages(self.stages)
        if not isinstance(self.pool, Pool):
            raise wrong_kind("`pool`", "a pool", self.pool, "write Pool(sample=200), or Pool() for all networks")
        if self.final is not None:
            check_estimator(self.final, "`final`")
        check_whole("seed", self.seed)
        if not self.stages:
            raise SettingError("A plan needs at least one stage, but has none.")
        for stage in self.stages:
            if stage.search is not None:
                objectives = tuple(getattr(stage.estimator, "objectives", ()))
                if objectives and not getattr(stage.search, "takes_objectives", False):
                    raise SettingError(
                        f"The search of the stage {stage.label!r} takes one objective: search several with optuna (its "
                        f"samplers nsga2 and tpe), guided (without warm_start and earlier) or random_search."
                    )
                for estimator in (*(objectives or (stage.estimator,)), *features_of(stage.search)):
                    refuse_relative(estimator, f"The search of the stage {stage.label!r}")

    @property
    def is_open(self) -> bool:
        """Whether the first stage searches the whole space, which then may be too large to list."""
        return self.stages[0].search is not None and self.pool == Pool()


def estimators_of(plan: Plan) -> list[AnyEstimator]:
    """Return all estimators of a plan: of the pool, of each stage and its searcher's features, and the final one."""
    of_stages = [one for stage in plan.stages for one in (*features_of(stage.search), stage.estimator)]
    estimators = [plan.pool.evolve, *of_stages, plan.final]
    return [estimator for estimator in estimators if estimator is not None]


def names_of_metric(plan: Plan) -> list[str]:
    """Return the names of a plan's estimators, parts and teachers included, whose scores are metric values."""
    leaves = [leaf for estimator in estimators_of(plan) for leaf in leaves_of(estimator)]
    leaves += [leaf for learner in leaves if (lesson := lesson_of(learner)) for leaf in leaves_of(lesson[0])]
    return [leaf.name for leaf in leaves if scores_metric(leaf)]


def measures_of(plan: Plan) -> dict[str, Measure]:
    """Return the measured quantity of each measuring estimator of a plan by name, those of its limit included."""
    limiting = () if plan.ceiling is None else (plan.ceiling.estimator, plan.ceiling.again)
    named = [*estimators_of(plan), *limiting]
    leaves = [leaf for estimator in named for leaf in leaves_of(estimator)]
    return {leaf.name: measure for leaf in leaves if isinstance(measure := getattr(leaf, "measure", None), Measure)}


def unit(plan: Plan) -> Unit:
    """Return the network-epoch of a plan: an epoch of the task it stands for, else of its own task.

    Unknown where the task is made up, nothing is trained on it, and the plan does not say what it stands for.
    """
    return unit_of(plan.space, plan.task, plan.stands_for, trains=any(_trains(e, plan) for e in estimators_of(plan)))


def _trains(estimator: AnyEstimator, plan: Plan) -> bool:
    """Whether an estimator, a part of it, or its teacher trains networks on the plan's task."""
    if not says_count(plan.task):
        return False
    leaves = leaves_of(estimator)
    lessons = [lesson[0] for leaf in leaves if (lesson := lesson_of(leaf))]
    priced = (leaf for leaf in leaves if isinstance(leaf, Priced))
    prices = (leaf.price(1, plan.space, plan.task) for leaf in priced)
    return any(price is not None and price.training > 0 for price in prices) or any(
        _trains(lesson, plan) for lesson in lessons
    )


@dataclass(frozen=True)
class StageForecast:
    """What a stage scores, keeps and costs, in network-epochs (see `archsieve.runs.effort`) and hours; None: unknown.

    `kept` is unknown where it depends on the scores; after such a stage the numbers are upper bounds. An evolution, a
    stage of its own, keeps the distinct networks it met. A limit that is measured is a stage of its own too; it
    measures at least so many. `hours` are of this machine, where they were measured.
    """

    label: str
    candidates: int
    kept: int | None
    network_epochs: float | None
    hours: float | None = None


def forecast(plan: Plan) -> Sequence[StageForecast]:
    """Return the forecast of each stage. A stage with a single candidate does not run."""
    epoch_unit = unit(plan)
    return [
        StageForecast(label, n, kept, epoch_unit.epochs(total(entry.epochs for entry in entries)))
        for label, n, kept, entries in steps(plan)
    ]


def steps(plan: Plan) -> Iterator[tuple[str, int, int | None, list[Entry]]]:
    """Yield label, candidates, kept count and costs of each step of a plan."""
    ledger = Ledger(plan.space, plan.task)
    listed = recorded_networks(plan.space, estimators_of(plan))
    n = size(plan.space) if plan.is_open else plan.pool.count(plan.space)
    n = n if listed is None else min(n, len(listed))
    if plan.pool.evolve is not None:
        entries = ledger.enter(plan.pool.evolve, plan.pool.budget)
        yield f"evolution by {plan.pool.evolve.name}", plan.pool.budget, None, entries
    if plan.ceiling is not None:
        least = plan.stages[0].asked(n) if plan.is_open else n
        kept = None if plan.is_open or plan.pool.sample is None else least
        yield f"limit by {plan.ceiling.estimator.name}", least, kept, ledger.enter(plan.ceiling.estimator, least)
    for stage in plan.stages:
        if n == 1:
            break
        described = [entry for one in features_of(stage.search) for entry in _described(one, stage, n, ledger)]
        n = stage.asked(n)
        kept = None if stage.above is not None else stage.count(n)
        yield stage.label, n, kept, described + ledger.enter(stage.estimator, n)
        n = n if kept is None else kept
    if plan.final is not None:
        yield "final", 1, 1, ledger.enter(plan.final, 1)


def _described(feature: AnyEstimator, stage: Stage, n: int, ledger: Ledger) -> list[Entry]:
    """Return the cost of a feature in a stage's search over `n` candidates; unknown if the searcher gives no number."""
    describes = getattr(stage.search, "describes", None)
    if describes is None:
        return [Entry(feature, None, None, None)]
    return ledger.enter(feature, min(n, describes(stage.budget, n)))
