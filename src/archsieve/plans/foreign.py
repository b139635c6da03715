"""Plans answered by recorded values from a registered benchmark or a file, instead of trainings.

`--column KEY=COLUMN[:EPOCHS]` says which column answers what. KEY is the label of a stage, "final", the name of an
estimator ("partial_training", "nwot", "lookup"), or the column that a plan looks up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve.benchmarks.foreign import ForeignTable, check_truth, offered_columns, refuse_error, why_no_number
from archsieve.errors import SettingError, UnknownNameError
from archsieve.estimators.contract import Fittable, leaves_of
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.plans.answers import Answer, parse_answers
from archsieve.plans.joins import check_join
from archsieve.plans.parts import make
from archsieve.registry import BENCHMARKS, listed, near_miss
from archsieve.values import exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from archsieve.benchmarks.contract import Benchmark
    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan
    from archsieve.searchers.contract import Stage

FINAL = "final"
_CURVE = "_{epoch}"


@dataclass(frozen=True)
class Served:
    """A plan with recorded values, the benchmark with its truth, and the names of estimators that still train."""

    plan: Plan
    benchmark: Benchmark
    truth: str | None
    training: tuple[str, ...] = ()


def served_by(
    plan: Plan,
    source: str,
    columns: Sequence[str] = (),
    *,
    truth: str | None = None,
    codes: str = "",
    notation: str = "",
) -> Served:
    """Return the plan with recorded values in place of the named estimators and of all its look-ups.

    Args:
        plan: as it was read.
        source: name of a registered benchmark, or a CSV or parquet file.
        columns: "KEY=COLUMN", "KEY=COLUMN:EPOCHS", or "KEY=CURVE_{epoch}" where each epoch has its own column. Several
            for stages of more and more epochs: "KEY=SHORT:12,LONG:200".
        truth: title of the column that is the truth.
        codes: title of the column of architectures.
        notation: of its codes.

    Raises:
        SettingError: a text is written otherwise, or stages cannot be answered by one column.
        UnknownNameError: nothing of the plan has that key, or there is no such column or benchmark.
    """
    table = _table(plan, source, codes, notation)
    answers = parse_answers(columns, table.load().columns)
    server = _Server(plan, table, source, codes, notation, answers)
    changed = server.plan_served()
    server.check_all_used()
    truth = truth or (table.truth if source in BENCHMARKS else server.final_column(changed))
    if truth is not None:
        _check_column(table, source, truth)
    last = changed.stages[-1].estimator
    chooser = last.column if isinstance(last, Lookup) else ""
    if isinstance(table, ForeignTable):
        table = replace(table, truth=truth, chooser=chooser)
        check_truth(table)
        check_join(table)
    elif truth != table.truth:
        changed_table: Any = table
        table = replace(changed_table, truth=truth)
    return Served(changed, table, truth, tuple(_still_training(changed)))


def _still_training(plan: Plan) -> list[str]:
    """Return the labels of stages that train networks, or a supernet, on pictures."""
    parts = [(stage.label, stage.estimator) for stage in plan.stages]
    parts += [(FINAL, plan.final)] if plan.final is not None else []
    return [label for label, e in parts if any(hasattr(leaf, "recipe") for leaf in leaves_of(e))]


def _table(plan: Plan, source: str, codes: str, notation: str) -> Any:
    """Return the registered benchmark of that name, or the benchmark of that file."""
    if source in BENCHMARKS:
        if BENCHMARKS[source].space != plan.space.whole:
            raise UnknownNameError(f"The benchmark {source!r} does not cover the space of the plan, {plan.space.name}.")
        return BENCHMARKS[source]
    if not Path(source).is_file():
        is_path = Path(source).name != source or Path(source).suffix
        hint = " Check the path." if is_path else near_miss(source, BENCHMARKS, BENCHMARKS.command)
        raise UnknownNameError(f"There is no benchmark and no file {source!r}.{hint}")
    return ForeignTable(str(Path(source).resolve()), plan.space.whole, codes, notation)


def _check_column(table: Any, source: str, column: str) -> None:
    records = table.load()
    if column not in records.columns:
        why = why_no_number(source, column) if isinstance(table, ForeignTable) else ""
        hint = why or near_miss(column, offered_columns(records.columns))
        raise UnknownNameError(f"{source} has no column of numbers {column!r}.{hint}")
    refuse_error(source, records.columns, column)


class _Server:
    """Replaces estimators of a plan by look-ups in one source, and tracks which keys were used."""

    def __init__(
        self, plan: Plan, table: Any, source: str, codes: str, notation: str, answers: Mapping[str, list[Answer]]
    ) -> None:
        self._plan, self._table, self._source, self._answers = plan, table, source, answers
        is_file = isinstance(table, ForeignTable)
        of_file = {"file": table.path, "codes": codes, "notation": notation} if is_file else {}
        self._where: dict[str, Any] = of_file or {"benchmark": source}
        self._used: set[str] = set()
        self._looked_up: set[str] = set()
        self._keys: dict[str, None] = {}

    def plan_served(self) -> Plan:
        """Return the plan with look-ups in place of the answered estimators."""
        pool, final = self._plan.pool, self._plan.final
        if pool.evolve is not None:
            pool = replace(pool, evolve=self._within(pool.evolve))
        if final is not None:
            self._keys[FINAL] = None
            final = self._one(final, self._named(FINAL, final)) if FINAL in self._answers else self._within(final)
        return replace(self._plan, stages=self._stages(), pool=pool, final=final)

    def final_column(self, plan: Plan) -> str | None:
        """Return the column of the final estimator; None if it is not a look-up."""
        return plan.final.column if isinstance(plan.final, Lookup) else None

    def check_all_used(self) -> None:
        """Check that every key matched a part of the plan."""
        for key in self._answers:
            if key not in self._used:
                raise UnknownNameError(
                    f"The plan has no stage, estimator or look-up {key!r}: it has {listed(self._keys)}."
                    f"{near_miss(key, list(self._keys))}"
                )

    def _stages(self) -> tuple[Stage, ...]:
        stages: list[tuple[Stage, Answer | None]] = []
        for planned in self._plan.stages:
            stage = planned if planned.search is None else replace(planned, search=self._within(planned.search))
            key = self._key_of(stage)
            if key is None:
                stages.append((replace(stage, estimator=self._within(stage.estimator)), None))
                continue
            answer = self._choose(stage, key)
            estimator = self._one(stage.estimator, answer)
            previous = stages[-1] if stages else None
            is_joined = previous is not None and _group(previous[0]) == _group(stage) != "" and previous[1] == answer
            if previous is not None and is_joined and answer.epochs is not None:
                stages[-1] = (_joined(previous[0], stage), answer)
            else:
                stages.append((replace(stage, estimator=estimator), answer))
        return tuple(_labelled(stage, answer) for stage, answer in stages)

    def _key_of(self, stage: Stage) -> str | None:
        """Return the key that names a stage or its whole estimator; None if there is none."""
        group = _group(stage)
        names = [stage.label, *([group] if group else []), *_names(stage.estimator)]
        self._keys |= dict.fromkeys(names)
        key = next((name for name in names if name in self._answers), None)
        if key is not None:
            self._used.add(key)
        return key

    def _choose(self, stage: Stage, key: str) -> Answer:
        """Return the column for a stage: the first with enough epochs."""
        is_supernet = isinstance(stage.estimator, Fittable)  # whose epochs are not those of a network
        epochs = None if is_supernet else getattr(stage.estimator, "epochs", None)
        answers = self._answers[key]
        for answer in answers:
            if epochs is None or answer.epochs is None or epochs <= answer.epochs:
                return answer
        raise SettingError(
            f"The stage {stage.label!r} trains {epochs} epochs, more than the {answers[-1].epochs:g} of the column "
            f"{answers[-1].column!r}: name a column for it too, e.g. --column '{key}={answers[-1].column}:"
            f"{answers[-1].epochs:g},LONGER:200'."
        )

    def _named(self, key: str, estimator: AnyEstimator) -> Answer:
        self._used.add(key)
        answers = self._answers[key]
        epochs = getattr(estimator, "epochs", 0)
        return next((a for a in answers if a.epochs is None or epochs <= a.epochs), answers[-1])

    def _within(self, thing: Any) -> Any:
        """Return an estimator or searcher with its named parts replaced by look-ups."""
        for name in _names(thing):
            self._keys[name] = None
            if name in self._answers:
                return self._one(thing, self._named(name, thing))
        if isinstance(thing, Lookup):
            return self._one(thing, Answer(thing.column, None))
        if isinstance(thing, Replay):
            return self._one(thing, Answer(f"{thing.curve}{_CURVE}", None))
        if not is_dataclass(thing) or isinstance(thing, type):
            return thing
        changes = {}
        for f in fields(thing):
            value = getattr(thing, f.name)
            parts = value if isinstance(value, tuple) else (value,)
            if f.metadata.get("catalogue") and any(is_dataclass(part) or isinstance(part, str) for part in parts):
                served = tuple(self._part(part) for part in parts)
                changes[f.name] = served if isinstance(value, tuple) else served[0]
        changed: Any = thing
        return replace(changed, **changes) if changes else thing

    def _part(self, part: Any) -> Any:
        """Return a part of an estimator or searcher; a part given by name stays a name unless it is answered."""
        if not isinstance(part, str):
            return self._within(part)
        named = make("estimator", part)
        served = self._within(named)
        return part if served == named else served

    def _one(self, estimator: Any, answer: Answer) -> AnyEstimator:
        """Return the look-up that replaces an estimator."""
        own = getattr(estimator, "epochs", None)
        self._check_one_column(estimator)
        if answer.column.endswith(_CURVE):
            curve = answer.column.removesuffix(_CURVE)
            _check_column(self._table, self._source, f"{curve}_{own}")
            return Replay(int(own or 1), curve, **self._where)
        _check_column_of_plan(self._table, self._source, answer.column, estimator)
        behind = getattr(estimator, "epochs_behind", own if hasattr(estimator, "recipe") else 0)
        epochs = float(behind or 0) if answer.epochs is None else answer.epochs
        return Lookup(answer.column, epochs_behind=epochs, **self._where)

    def _check_one_column(self, estimator: Any) -> None:
        """Check that the key "lookup" matches a single column of the plan."""
        if isinstance(estimator, Lookup) and "lookup" in self._answers and estimator.column not in self._answers:
            self._looked_up.add(estimator.column)
        if len(self._looked_up) > 1:
            columns = " and ".join(sorted(self._looked_up))
            raise SettingError(f"The plan looks up {columns}: name a column for each of them with --column.")


def _check_column_of_plan(table: Any, source: str, column: str, estimator: Any) -> None:
    try:
        _check_column(table, source, column)
    except UnknownNameError as error:
        if getattr(estimator, "column", None) != column:
            raise
        raise UnknownNameError(f"{error} Name the one to use: --column {column}=NAME.") from error


def _names(thing: Any) -> list[str]:
    """Return the keys that match an estimator: its name, its name without brackets, and its kind."""
    if not hasattr(thing, "score") and not hasattr(thing, "combine"):
        return []
    names = [thing.name, thing.name.partition("[")[0]]
    if isinstance(thing, Lookup):
        names.append("lookup")
    return list(dict.fromkeys(names))


def _group(stage: Stage) -> str:
    """Return the common label of one training's epoch-by-epoch stages; empty for other stages."""
    return stage.label.rpartition(", epoch ")[0]


def _joined(first: Stage, then: Stage) -> Stage:
    """Return one stage that keeps the same as two consecutive stages with equal scores."""
    if then.top is not None:
        return replace(first, keep=None, above=None, top=then.top)
    if first.keep is None or then.keep is None:
        raise SettingError(
            f"The stages {first.label!r} and {then.label!r} use one column, but their rules for what to "
            f"keep cannot be combined."
        )
    return replace(first, keep=float(exact(first.keep) * exact(then.keep)))


def _labelled(stage: Stage, answer: Answer | None) -> Stage:
    """Return a stage of several epochs labelled by the stages it replaces."""
    group = _group(stage)
    if answer is None or not group or answer.epochs is None:
        return stage
    return replace(stage, label=f"{group}, {answer.column}")
