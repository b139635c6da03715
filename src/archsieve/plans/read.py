"""Reading of plans in TOML: names and settings become dataclasses; unknown keys are errors."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchsieveError, PlanError, SettingError, UnknownNameError
from archsieve.plans.ceiling import Ceiling
from archsieve.plans.changes import changed_plan, read_plan
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.parts import check_keys, converted, make, typed
from archsieve.plans.plan_files import find_plan
from archsieve.searchers.contract import Stage
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within
from archsieve.values import check_list, exact, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


_PLAN_KEYS = ("title", "finds", "seed", "space", "limits", "task", "stands_for", "pool", "stage", "final", "objectives")
_STAGE_KEYS = ("label", "estimator", "keep", "top", "above", "drop", "search", "budget")
_MEASURED_LIMITS = ("max_latency_ms", "latency", "latency_edge")


def load_plan(path: Path | str, plugins: Collection[str] = (), changes: Sequence[str] = ()) -> Plan:
    """Read a plan, with changed settings as in `archsieve.plans.changes.changed_plan`.

    A text is the path of a plan file, or the name of a shipped plan. `plugins` are the modules the user has named: only
    those may a plan name as "module:Name".

    Raises:
        PlanError: it is no TOML, has an unknown or misspelt key, or a setting out of range.
        UnknownNameError: it names a space, task or estimator nobody registered.
    """
    if not isinstance(path, str | Path):
        raise wrong_kind("`path`", "a path or a name", path, "a plan that was read is run by archsieve.run_plan")
    check_list("`plugins`", plugins, "modules")
    check_list("`changes`", changes, "changes")
    path = find_plan(path) if isinstance(path, str) else path
    table = read_plan(path)
    try:
        return plan_of(changed_plan(table, changes), plugins)
    except UnknownNameError as error:
        raise UnknownNameError(f"In the plan {path}: {error}") from error
    except (ArchsieveError, TypeError, AttributeError) as error:
        raise PlanError(f"In the plan {path}: {error}") from error


def plan_of(table: Mapping[str, Any], plugins: Collection[str] = ()) -> Plan:
    """Return the plan of a parsed TOML table."""
    check_keys(table, _PLAN_KEYS, "the plan")
    for key in ("space", "task", "stage"):
        if key not in table:
            raise PlanError(f"the key {key!r} is missing.")
    stages = _with_objectives(typed("stage", "list of tables [[stage]]", table["stage"], list), table)
    space, task = make("space", table["space"], plugins), make("task", table["task"], plugins)
    limits, ceiling = _limits(table["limits"], plugins) if "limits" in table else (None, None)
    return Plan(
        space=space if limits is None else Within(space, task, limits),
        task=task,
        stages=tuple(s for i, row in enumerate(stages, 1) for s in _stages(row, f"stage {i}", plugins)),
        pool=_pool(table.get("pool", "all"), plugins),
        final=make("estimator", table["final"], plugins) if "final" in table else None,
        seed=typed("seed", "whole number", table.get("seed", 0), int),
        title=typed("title", "text", table.get("title", ""), str),
        stands_for=make("task", table["stands_for"], plugins) if "stands_for" in table else None,
        finds=typed("finds", "text", table.get("finds", ""), str),
        ceiling=ceiling,
    )


def _with_objectives(stages: list[Any], table: Mapping[str, Any]) -> list[Any]:
    """Return the stage tables, with the plan's `objectives` as the last stage's estimator."""
    if "objectives" not in table:
        return stages
    parts = [_objective(part) for part in typed("objectives", "list of estimators", table["objectives"], list)]
    if not stages or not isinstance(stages[-1], dict) or "estimator" in stages[-1]:
        raise PlanError("`objectives` are the estimator of the last stage: leave `estimator` out there.")
    return [*stages[:-1], {**stages[-1], "estimator": {"name": "objectives", "parts": parts}}]


def _objective(part: Any) -> Any:
    """Return the table of an objective; a minus sign before its name means that lower is better."""
    table = {"name": part} if isinstance(part, str) else part
    name = table.get("name") if isinstance(table, dict) else None
    if not isinstance(name, str) or not name.startswith("-"):
        return part
    return {"name": "lower", "of": {**table, "name": name[1:]}}


def _stages(row: Any, where: str, plugins: Collection[str]) -> list[Stage]:
    """Return the stage of a table, or one stage per epoch if the table has the key `drop`."""
    table = dict(typed(where, "table", row, dict))
    check_keys(table, _STAGE_KEYS, where)
    if "estimator" not in table:
        raise PlanError(f"{where} needs an estimator.")
    setting = table.pop("estimator")
    estimator = make("estimator", setting, plugins)
    rules = {f.name: f for f in fields(Stage)}
    if "drop" not in table:
        try:
            return [Stage(estimator, **{key: converted(rules[key], value, plugins) for key, value in table.items()})]
        except SettingError as error:
            raise PlanError(f"{where}: {error}") from error
    drop = typed(f"{where}: drop", "list of fractions", table.pop("drop"), list)
    if table.keys() & {"keep", "top", "above", "search", "budget"} or not hasattr(estimator, "epochs"):
        raise PlanError(
            f"{where}: `drop` needs an estimator with epochs, and cannot be combined with keep, top, above or search."
        )
    if not drop or not all(isinstance(d, int | float) and not isinstance(d, bool) and 0 <= d <= 1 for d in drop):
        raise PlanError(f"{where}: `drop` needs one fraction in 0..1 for each epoch, but got {drop}.")
    if isinstance(setting, dict) and setting.get("epochs", len(drop)) != len(drop):
        raise PlanError(
            f"{where}: `drop` trains one epoch for each fraction, here {len(drop)}, but the estimator has "
            f"epochs={setting['epochs']}: leave `epochs` out."
        )
    label = typed(f"{where}: label", "text", table.get("label", estimator.name.partition("[")[0]), str)
    return [
        Stage(replace(estimator, epochs=epoch), keep=float(1 - exact(d)), label=f"{label}, epoch {epoch}")
        for epoch, d in enumerate(drop, 1)
    ]


def _pool(value: Any, plugins: Collection[str]) -> Pool:
    if value == "all":
        return Pool()
    table = typed("pool", "'all' or a table with sample, or evolve and budget", value, dict)
    of_evolution = ("budget", "population", "tournament")
    check_keys(table, ("sample", "evolve", *of_evolution), "the pool")
    evolve = make("estimator", table["evolve"], plugins) if "evolve" in table else None
    if ("sample" in table) == (evolve is not None):
        raise PlanError(f"the pool needs either `sample` or `evolve`, but got {table}.")
    for key in of_evolution:
        if key in table and evolve is None:
            raise PlanError(f"the pool: `{key}` needs `evolve`.")
    names = ("sample", *of_evolution)
    numbers = {key: typed(key, "whole number", table[key], int) for key in names if key in table}
    return Pool(evolve=evolve, **numbers)


def _limits(value: Any, plugins: Collection[str]) -> tuple[Limits | None, Ceiling | None]:
    """Return the size limits and the measured limit; None for a kind without limits."""
    table, by_name = dict(typed("limits", "table", value, dict)), {f.name: f for f in fields(Limits)}
    check_keys(table, (*by_name, *_MEASURED_LIMITS), "the table of limits")
    measured = {key: table.pop(key) for key in _MEASURED_LIMITS if key in table}
    if measured and "max_latency_ms" not in measured:
        raise PlanError(f"the table of limits: {', '.join(measured)} needs `max_latency_ms`.")
    ceiling = None
    if measured:
        numbers: dict[str, Any] = {
            name: float(typed(key, "number", measured[key], int, float))
            for key, name in (("max_latency_ms", "most"), ("latency_edge", "edge"))
            if key in measured
        }
        named = {"estimator": make("estimator", measured["latency"], plugins)} if "latency" in measured else {}
        ceiling = Ceiling(**numbers, **named)
    if measured and not table:
        return None, ceiling
    return Limits(**{key: converted(by_name[key], limit, ()) for key, limit in table.items()}), ceiling
