"""Running a plan in a session, and its result."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archsieve._files import remove_file
from archsieve.benchmarks.contract import benchmarks_of, caution_of, is_about, networks_of
from archsieve.benchmarks.records import Table
from archsieve.errors import ArchsieveError, RunFolderError, SettingError, ends_the_run
from archsieve.estimators.contract import kind_of_score
from archsieve.estimators.lookup import measure_of_final
from archsieve.plans.ceiling import Gate
from archsieve.plans.contract import Plan, estimators_of, measures_of, names_of_metric, unit
from archsieve.plans.equal_cost import random_search_at
from archsieve.plans.front import front_of, on_front
from archsieve.plans.recorded import recorded_networks
from archsieve.plans.trained import Finished, trained_network
from archsieve.plans.worth import price_of_recipe, worth_of
from archsieve.plans.write import keep_plan
from archsieve.runs.effort import Ledger, in_macs, total
from archsieve.runs.folder import RESULT_FILE, digest_of_rounds, write_json, write_measure, write_rounds
from archsieve.runs.provenance import provenance
from archsieve.runs.results import Result, Spending, StageReport, Truth
from archsieve.searchers.features import features_of
from archsieve.searchers.funnel import result_of, run_funnel
from archsieve.spaces.contract import size
from archsieve.spaces.sizes import size_of
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import measure_of
from archsieve.values import offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from archsieve.benchmarks.contract import Benchmark
    from archsieve.benchmarks.records import Records
    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.effort import Unit
    from archsieve.runs.session import Session
    from archsieve.searchers.contract import Round, Stage
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.spaces.sizes import SizeName
    from archsieve.tasks.contract import Task

_MOST_LISTED = 100_000  # codes of a space that a report lists although the search did not
_Known: TypeAlias = "tuple[Benchmark, Records]"  # a benchmark and what it holds


class _Account:
    """Tracks the additional cost of each part of a run."""

    def __init__(self, session: Session, unit: Unit) -> None:
        session.count_anew()
        self._session, self._ledger, self._unit = session, Ledger(session.space, session.task), unit
        self._seconds = 0.0
        self.paid: list[Spending] = []

    def pay(self, archs: Sequence[Architecture], *scored: tuple[AnyEstimator, int]) -> None:
        """Add the cost of scored estimators, each with its number of networks; `archs` are typical networks."""
        before, self._seconds = self._seconds, self._session.work_seconds()
        epochs = total(self._ledger.pay(estimator, count) for estimator, count in scored)
        macs = None if epochs is None else in_macs(epochs, archs, self._session.space, self._session.task)
        self.paid.append(Spending(round(self._seconds - before, 3), self._unit.epochs(epochs), macs))

    def total(self) -> Spending:
        """Return the total cost."""
        seconds = round(math.fsum(cost.seconds for cost in self.paid), 3)
        return Spending(seconds, total(c.network_epochs for c in self.paid), total(c.macs for c in self.paid))


def run_plan(
    plan: Plan,
    session: Session,
    on_round: Callable[[Round], None] | None = None,
    command: str = "",
    benchmark: Benchmark | None = None,
) -> Result:
    """Run the plan in an open session, write `result.json`, and return its contents.

    A stage that can score none of its candidates ends the search: the result then has no best, and says why.

    Args:
        plan: what to run.
        session: of the plan's space, task and seed.
        on_round: called with every round once it is over.
        command: what the user called, for the record.
        benchmark: that alone tells the truth; unless given, a registered one of the space and the task.
    """
    _check_same(plan, session)
    begun = time.perf_counter()
    remove_file(session.folder / RESULT_FILE)  # it may be the result of another plan
    keep_plan(plan, session.folder)
    epoch_unit = unit(plan)
    gate = None if plan.ceiling is None else Gate(plan.ceiling, session)
    listed = recorded_networks(plan.space, estimators_of(plan))
    is_open = plan.is_open and listed is None
    account, pool = _Account(session, epoch_unit), None if is_open else plan.pool.draw(session, gate, listed)
    if plan.pool.evolve is not None:
        account.pay(pool or (), (plan.pool.evolve, plan.pool.budget))
    elif gate is not None and pool:  # what measuring took is part of no stage
        account.pay(pool)
    before = len(account.paid)
    measure = measure_of(session.task)
    of_final = measure_of_final(plan.final, measure, plan.space)
    write_measure(session.folder, measure, names_of_metric(plan), measures_of(plan))
    rounds = _run_stages(plan, session, account, pool, gate, on_round)
    outcome = result_of(rounds, pool)
    has_ended = len(rounds) == len(plan.stages)
    front = front_of(plan.stages[-1], rounds[-1], session) if has_ended and outcome.best is not None else None
    best = outcome.best
    is_beaten = gate is None or not is_open  # random search within the limit is known where the pool is
    if pool is None:
        is_whole = gate is None and is_listable(session.space)
        pool = session.pool() if is_whole else [tuple(code) for code in rounds[0].archs.tolist()]
    final, failure = math.nan, ""
    if best is None:
        failure = _failure_of(plan.stages[len(rounds) - 1], rounds[-1], session)
    elif plan.final:
        final = session.scores([plan.final], [best])[0, 0]
        account.pay([best], (plan.final, 1))
        failure = session.explain(plan.final, [best]) if math.isnan(final) else ""
    whole = Ledger(plan.space, plan.task).pay(plan.final, len(pool)) if plan.final else None
    cost, exhaustive = account.total(), epoch_unit.epochs(whole)
    known, unreadable = (
        tables_about(session.space, session.task) if benchmark is None else (truth_of(benchmark, plan.space), [])
    )
    recorded = knowing_most(known, [*([best] if best else []), *pool])
    result = Result(
        best=None if best is None else session.space.describe(best),
        digits=None if best is None else as_digits(best, session.space.choices),
        code=best,
        best_score=_finite(outcome.best_score),
        best_score_kind=kind_of_score(plan.stages[-1].estimator) if math.isfinite(outcome.best_score) else "",
        chosen_by=rounds[-1].label if rounds and best is not None else "",
        final_estimator=plan.final.name if plan.final else None,
        final_score=_finite(final),
        metric=of_final.name,
        higher_is_better=of_final.higher_is_better,
        truth=None if best is None else true_rank(recorded, best, pool),
        truth_note=" ".join(map(str, unreadable)),  # a search does not need the truth
        stages=_reports(plan, rounds, account.paid[before:]),
        cost=cost,
        exhaustive_network_epochs=exhaustive,
        random_search=random_search_at(cost.network_epochs, exhaustive, *recorded, pool)
        if recorded and is_beaten
        else None,
        worth=None
        if best is None or front is not None or not is_beaten
        else worth_of(plan, cost.network_epochs, epoch_unit.epochs(price_of_recipe(plan)), recorded, pool, best),
        network_epoch=str(epoch_unit),
        seconds=round(time.perf_counter() - begun, 3),
        seed=session.seed,
        title=plan.title,
        picture=None if best is None else session.space.picture(best),
        provenance=provenance(command, session.device, session.executor.workers),
        failure=failure,
        pictures=session.pictures(),
        rounds_sha256=digest_of_rounds(rounds),
        limit=None if gate is None else gate.report(best),
        front=front,
        winner_params=_size(best, session, "params"),
        winner_macs=_size(best, session, "macs"),
    )
    session.check_folder()
    write_rounds(session.folder, rounds, _known_of(session, pool, recorded))
    write_json(session.folder / RESULT_FILE, asdict(result))
    object.__setattr__(result, "_source", partial(_network, session.folder, plan, result))
    return result


def _check_same(plan: Plan, session: Session) -> None:
    """Check that a plan and an open session are given, and that they belong together."""
    if not isinstance(plan, Plan):
        given = f"read it by archsieve.load_plan({str(plan)!r})" if isinstance(plan, str | Path) else ""
        raise wrong_kind("`plan`", "a plan", plan, given)
    if not offers(session, "scores", "folder"):
        raise wrong_kind(
            "`session`", "an open session", session, "write archsieve.Session(folder, plan.space, plan.task)"
        )
    for kind in ("space", "task", "seed"):
        if getattr(plan, kind) != getattr(session, kind):
            raise SettingError(
                f"The plan searches the {kind} {getattr(plan, kind)}, but this session was opened for another {kind}."
            )


def _run_stages(
    plan: Plan,
    session: Session,
    account: _Account,
    pool: Sequence[Architecture] | None,
    gate: Gate | None,
    on_round: Callable[[Round], None] | None,
) -> list[Round]:
    """Run the stages, record the cost of each, delete the state of removed networks, and return the rounds."""
    rounds: list[Round] = []
    for stage, latest in run_funnel(plan.stages, pool, session.scores, guide=replace(session.guide(), admits=gate)):
        codes = [tuple(code) for code in latest.archs.tolist()]
        features = features_of(stage.search)
        described = [(feature, latest.described) for feature in features]
        account.pay(codes, *described, (stage.estimator, len(codes)))
        dropped = set(range(len(codes))) - set(latest.kept.tolist()) - on_front(stage, latest)
        session.forget(stage.estimator, [codes[i] for i in sorted(dropped)])
        scored = {code for code, score in zip(codes, latest.scores, strict=True) if not np.isnan(score)}
        failed_parts = len(scored & _failed((stage.estimator, *features), session, codes))
        rounds.append(replace(latest, failed_parts=failed_parts))
        if on_round is not None:
            on_round(rounds[-1])
    return rounds


def _failed(estimators: Sequence[AnyEstimator], session: Session, codes: Sequence[Architecture]) -> set[Architecture]:
    """Return the codes that one of the estimators, or a part of one, could not score."""
    return {code for estimator in estimators for code in session.failures(estimator, codes)}


def _size(best: Architecture | None, session: Session, name: SizeName) -> int | None:
    """Return a size of the winner; None without a winner, or where there is no network to count."""
    try:
        return None if best is None else size_of(session.space, best, session.task, name)
    except Exception as error:  # a recorded space has no networks, and building one may fail in any way
        if ends_the_run(error):
            raise
        return None


def _reports(plan: Plan, rounds: Sequence[Round], paid: Sequence[Spending]) -> tuple[StageReport, ...]:
    """Return what each executed stage scored, kept and cost; `paid` holds the preceding costs."""
    return tuple(
        StageReport(
            **asdict(cost),
            label=r.label,
            estimator=stage.estimator.name,
            candidates=len(r.archs),
            kept=len(r.kept),
            failures=r.failures,
            failed_parts=r.failed_parts,
        )
        for r, cost, stage in zip(rounds, paid, plan.stages, strict=False)
    )


def _network(folder: Path, plan: Plan, result: Result) -> nn.Module:
    """Return the winner's network with its weights."""
    if result.code is None:
        raise RunFolderError(f"The search found no network: {result.failure}")
    return trained_network(Finished(folder, plan, asdict(result), result.code, 1)).network.eval()


def is_listable(space: SearchSpace) -> bool:
    """Whether a report may list all networks of a space that the search did not list."""
    return size(space) <= _MOST_LISTED and not space.is_costly_to_list


def _known_of(session: Session, pool: Sequence[Architecture], truth: _Known | None) -> dict[str, NDArray[Any]]:
    """Return a report's data on a pool: codes, the truth if known, and closed-form sizes."""
    columns: dict[str, NDArray[Any]] = {"archs": np.array(pool)}
    if truth is not None:
        columns["truth"] = truth[1].lookup(str(truth[0].truth), pool)
    for cost in ("params", "macs"):
        if closed_form := getattr(session.space, cost, None):
            columns[cost] = np.array([closed_form(arch, session.task) for arch in pool], dtype=np.float64)
    return columns


def _failure_of(stage: Stage, last_round: Round, session: Session) -> str:
    """Return the sentence on the stage that scored none of its candidates and so ended the search."""
    codes = [tuple(map(int, code)) for code in last_round.archs.tolist()]
    why = session.explain(stage.estimator, codes)
    return f"The search ends in the stage {stage.label!r} without a best network. {why}"


def _finite(score: float) -> float | None:
    return float(score) if math.isfinite(score) else None


def truth_of(benchmark: Benchmark, space: SearchSpace) -> list[_Known]:
    """Return a benchmark with its records of the space, as a list; empty if it has no truth."""
    return [] if benchmark.truth is None else [(benchmark, benchmark.load().within(space))]


def knowing_most(benchmarks: Iterable[_Known], archs: Sequence[Architecture]) -> _Known | None:
    """Return the benchmark that has the first code, and of those the one with most codes; ties go to the first."""
    best, most = None, (False, 0)
    for benchmark, records in benchmarks:
        has_record = np.isfinite(records.lookup(str(benchmark.truth), archs))
        if (coverage := (bool(has_record[0]), int(has_record.sum()))) > most:
            best, most = (benchmark, records), coverage
    return best


def true_rank(known: _Known | None, arch: Architecture, pool: Sequence[Architecture]) -> Truth | None:
    """Return a code's true value and rank: among the networks of a table or, for a surrogate, in the pool."""
    if known is None:
        return None
    benchmark, records = known
    column = str(benchmark.truth)
    others = networks_of(records, benchmark.space, arch) if isinstance(records, Table) else pool
    values = records.lookup(column, [*others, arch])
    own, values = float(values[-1]), values[:-1]
    if math.isnan(own):
        return None
    return Truth(
        benchmark=benchmark.name,
        column=column,
        value=own,
        rank=1 + int(np.sum(values > own)),
        count=int(np.isfinite(values).sum()),
        best=float(np.nanmax(values)),
        spread=None if isinstance(records, Table) else float(records.spread(column, [arch])[0]),
        caution=caution_of(benchmark, records),
    )


def tables_about(space: SearchSpace, task: Task) -> tuple[list[_Known], list[ArchsieveError]]:
    """Return the present benchmarks with a truth for this space and task, with their records.

    Beside them stand the errors of those that cannot be read.
    """
    known, errors = [], []
    for benchmark in benchmarks_of(space):
        if benchmark.truth is None or not is_about(benchmark, task) or not benchmark.is_present():
            continue
        try:
            known.append((benchmark, benchmark.load().within(space)))
        except ArchsieveError as error:
            errors.append(error)
    return known, errors
