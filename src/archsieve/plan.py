"""A plan: a whole funnel search as values, and how a session runs it."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmark import benchmarks_of, is_about
from archsieve.errors import ArchsieveError, SettingError
from archsieve.ledger import Ledger, total
from archsieve.pool import pool_size
from archsieve.randomness import generator
from archsieve.run_folder import RESULT_FILE, write_json, write_rounds
from archsieve.searchers.funnel import run_funnel
from archsieve.searchers.regularized_evolution import regularized_evolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from archsieve.benchmark import Table
    from archsieve.search import Round, Stage
    from archsieve.session import Session
    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


@dataclass(frozen=True)
class Pool:
    """Where a funnel's candidates come from: all networks, a sample, or what an evolution visits.

    Args:
        sample: so many networks drawn at random; None for all.
        evolve: an estimator that a regularized evolution maximises; the pool is every network it visits.
        budget: evaluations of that evolution.
        population: its members alive, at most the budget.
        tournament: members that compete to be the parent, at most the population.
    """

    sample: int | None = None
    evolve: Any = field(default=None, metadata={"catalogue": "estimator"})
    budget: int = 500
    population: int = 50
    tournament: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("sample", "budget", "population", "tournament"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise SettingError(f"`{name} >= 1` must hold for a pool, but got {name}={number}.")
            if self.evolve is None and name != "sample" and number != Pool.__dataclass_fields__[name].default:
                raise SettingError(f"A pool's {name} goes with `evolve`, but got {name}={number} without.")

    def draw(self, session: Session) -> list[Architecture]:
        """Return the candidates, by canonical code, in the order that breaks ties."""
        if self.evolve is None:
            return session.pool(self.sample)
        found = regularized_evolution(
            session.space,
            lambda archs: session.scores([self.evolve], archs)[:, 0],
            budget=self.budget,
            population=min(self.population, self.budget),
            tournament=min(self.tournament, self.population, self.budget),
            rng=generator(session.seed, "sample", "evolution"),
        )
        visited = (tuple(map(int, code)) for code in found.rounds[0].archs)
        codes = list(dict.fromkeys(session.space.canonical(arch) for arch in visited))
        order = generator(session.seed, "sample", "pool").permutation(len(codes))
        return [codes[i] for i in order]

    def count(self, space: SearchSpace) -> int:
        """Return how many candidates there are, or for an evolution at most are.

        Raises:
            SettingError: the space cannot give that pool.
        """
        return pool_size(space, self.sample) if self.evolve is None else self.budget


@dataclass(frozen=True)
class Plan:
    """A funnel search: what is searched, for what, by which stages.

    `final` scores the winner alone, on what no stage has seen: a longer training, on the test split.
    """

    space: SearchSpace
    task: Task
    stages: tuple[Stage, ...]
    pool: Pool = Pool()
    final: Any = None
    seed: int = 0
    title: str = ""

    def __post_init__(self) -> None:
        """Check that there is a stage."""
        if not self.stages:
            raise SettingError("A plan needs at least one stage, but has none.")


@dataclass(frozen=True)
class StageReport:
    """What one stage did: candidates in, kept, how many could not be scored, and the seconds of this run.

    Its cost is in network-epochs (see `archsieve.ledger`), as if nothing had been stored; None: unknown.
    """

    label: str
    candidates: int
    kept: int
    failures: int
    seconds: float
    network_epochs: float | None


@dataclass(frozen=True)
class Truth:
    """What a table says of the winner: the recorded value, its rank (1 is best, ties share it), and the best value."""

    benchmark: str
    column: str
    value: float
    rank: int
    count: int
    best: float


@dataclass(frozen=True)
class Result:
    """The outcome of a search, as `result.json` holds it.

    `best_score` is None where no stage chose between two, or none could be scored; so is `final_score` where there is
    no final estimator, or it failed. `truth_note` says which table could not be read. `network_epochs` is the cost of
    the stages and the final estimator, `exhaustive_network_epochs` that of the final estimator for every candidate;
    None where a part is unknown.
    """

    best: str
    code: tuple[int, ...]
    best_score: float | None
    chosen_by: str
    final_estimator: str | None
    final_score: float | None
    metric: str
    truth: Truth | None
    truth_note: str
    stages: tuple[StageReport, ...]
    network_epochs: float | None
    exhaustive_network_epochs: float | None
    seconds: float
    seed: int
    archsieve_version: str


def run_plan(plan: Plan, session: Session, on_round: Callable[[Round], None] | None = None) -> Result:
    """Run the plan in an open session, write `result.json`, and return what it holds."""
    for kind in ("space", "task", "seed"):
        if getattr(plan, kind) != getattr(session, kind):
            raise SettingError(f"The plan is for the {kind} {getattr(plan, kind)}, the session for another.")
    begun = time.perf_counter()
    (session.folder / RESULT_FILE).unlink(missing_ok=True)  # it may be another plan's
    stages, ledger, pool = iter(plan.stages), Ledger(plan.space, plan.task), plan.pool.draw(session)
    costs = [] if plan.pool.evolve is None else [ledger.pay(plan.pool.evolve, plan.pool.budget)]

    def over(found: Round) -> None:
        estimator = next(stages).estimator
        costs.append(ledger.pay(estimator, len(found.archs)))
        dropped = set(range(len(found.archs))) - set(found.kept.tolist())
        session.forget(estimator, [tuple(found.archs[i].tolist()) for i in sorted(dropped)])
        if on_round is not None:
            on_round(found)

    found = run_funnel(plan.stages, pool, session.scores, on_round=over)
    final = session.scores([plan.final], [found.best])[0, 0] if plan.final else math.nan
    truth, truth_note = true_rank(session.space, session.task, found.best)
    result = Result(
        best=session.space.describe(found.best),
        code=found.best,
        best_score=_finite(found.best_score),
        chosen_by=found.rounds[-1].label if found.rounds else "",
        final_estimator=plan.final.name if plan.final else None,
        final_score=_finite(final),
        metric=getattr(session.task, "metric_name", "score"),
        truth=truth,
        truth_note=truth_note,
        stages=tuple(
            StageReport(r.label, len(r.archs), len(r.kept), r.failures, round(r.seconds, 3), cost)
            for r, cost in zip(found.rounds, costs[len(costs) - len(found.rounds) :], strict=True)
        ),
        network_epochs=total([*costs, ledger.pay(plan.final, 1)] if plan.final else costs),
        exhaustive_network_epochs=Ledger(plan.space, plan.task).pay(plan.final, len(pool)) if plan.final else None,
        seconds=round(time.perf_counter() - begun, 3),
        seed=session.seed,
        archsieve_version=version("archsieve"),
    )
    write_rounds(session.folder, found.rounds, _known_of(session, pool))
    write_json(session.folder / RESULT_FILE, asdict(result))
    return result


def _known_of(session: Session, pool: Sequence[Architecture]) -> dict[str, NDArray[Any]]:
    """Return what a report says about a pool: codes, and the truth where a table has it."""
    known: dict[str, NDArray[Any]] = {"archs": np.array(pool)}
    for benchmark, table in tables_about(session.space, session.task, []):
        known["truth"] = table.lookup(str(benchmark.truth), pool)
        break
    return known


def _finite(score: float) -> float | None:
    return float(score) if math.isfinite(score) else None


def true_rank(space: SearchSpace, task: Task, arch: Architecture) -> tuple[Truth | None, str]:
    """Return what the first present table about this space and task says of `arch`, and which could not be read."""
    notes: list[str] = []
    for benchmark, table in tables_about(space, task, notes):
        values, own = table.columns[benchmark.truth], float(table.lookup(benchmark.truth, [arch])[0])
        if not math.isnan(own):
            rank = 1 + int(np.sum(values > own))
            count = int(np.isfinite(values).sum())
            return Truth(benchmark.name, benchmark.truth, own, rank, count, float(np.nanmax(values))), " ".join(notes)
    return None, " ".join(notes)


def tables_about(space: SearchSpace, task: Task, notes: list[str]) -> Iterator[tuple[Any, Table]]:
    """Yield the present benchmarks with a truth about this space and task; `notes` gets what cannot be read."""
    for benchmark in benchmarks_of(space):
        if benchmark.truth is None or not is_about(benchmark, task) or not benchmark.is_present():
            continue
        try:
            table = benchmark.load()
        except ArchsieveError as error:  # a search does not need the truth
            notes.append(str(error))
            continue
        yield benchmark, table


@dataclass(frozen=True)
class StageForecast:
    """What a stage will get and keep, and cost in network-epochs (see `archsieve.ledger`); None: unknown.

    `kept` is unknown where it depends on the scores; after such a stage the numbers are upper bounds. An evolution, a
    stage of its own, keeps the distinct networks it met.
    """

    label: str
    candidates: int
    kept: int | None
    network_epochs: float | None


def forecast(plan: Plan) -> Sequence[StageForecast]:
    """Return what each stage will do. A stage that is given a single network does not run."""
    rows: list[StageForecast] = []
    ledger = Ledger(plan.space, plan.task)
    n = plan.pool.count(plan.space)
    if plan.pool.evolve is not None:
        cost = ledger.pay(plan.pool.evolve, plan.pool.budget)
        rows.append(StageForecast(f"evolution by {plan.pool.evolve.name}", plan.pool.budget, None, cost))
    for stage in plan.stages:
        if n == 1:
            break
        kept = None if stage.above is not None else stage.count(n)
        rows.append(StageForecast(stage.label, n, kept, ledger.pay(stage.estimator, n)))
        n = n if kept is None else kept
    if plan.final is not None:
        rows.append(StageForecast("final", 1, 1, ledger.pay(plan.final, 1)))
    return rows
