"""Writing of plan files that `archsieve.plans.read` reads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from archsieve._checksums import with_checksum_line
from archsieve._files import remove_file, write_text
from archsieve.errors import MissingPackageError, SettingError
from archsieve.plans.ceiling import Ceiling
from archsieve.plans.contract import Pool
from archsieve.registry import ESTIMATORS, SEARCHERS, SPACES, TASKS
from archsieve.runs.folder import PLAN_FILE
from archsieve.spaces.form import form_of
from archsieve.spaces.within import Within

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.plans.contract import Plan
    from archsieve.registry import Registry
    from archsieve.searchers.contract import Stage
    from archsieve.spaces.contract import SearchSpace

_OF_PYTHON = "Made in Python, and written by run_plan."


def plan_text(plan: Plan, comments: Sequence[str] = ()) -> str:
    """Return the plan as TOML after comments, omitting defaults; reading it gives the same plan.

    Raises:
        SettingError: a setting cannot be written to a plan file.
    """
    import tomli_w

    table: dict[str, Any] = {key: text for key in ("title", "finds") if (text := getattr(plan, key))}
    space, limits = _space(plan)
    if plan.ceiling is not None:
        limits = {"limits": {**limits.get("limits", {}), **_ceiling(plan.ceiling)}}
    table |= {"seed": plan.seed, "space": _table(SPACES, space), **limits, "task": _table(TASKS, plan.task)}
    if plan.stands_for is not None:
        table["stands_for"] = _table(TASKS, plan.stands_for)
    if plan.pool != Pool():
        table["pool"] = _settings(plan.pool)
    stages = [{"stage": _stage(stage)} for stage in plan.stages]
    final = [] if plan.final is None else [{"final": _table(ESTIMATORS, plan.final)}]
    lines = [f"# {line}\n" for comment in comments for line in comment.split("\n")]
    parts = [tomli_w.dumps(table)]
    parts += [tomli_w.dumps(stage).replace("[stage]", "[[stage]]", 1) for stage in stages]  # never in one line
    parts += [tomli_w.dumps(each) for each in final]
    return "".join(lines) + "\n".join(parts)


def _stage(stage: Stage) -> dict[str, Any]:
    """Return the table of a stage."""
    table: dict[str, Any] = {"label": stage.label, "estimator": _table(ESTIMATORS, stage.estimator)}
    if stage.search is not None:
        table |= {"search": _table(SEARCHERS, stage.search), "budget": stage.budget}
    return table | {rule: value for rule in ("keep", "top", "above") if (value := getattr(stage, rule)) is not None}


def keep_plan(plan: Plan, folder: Path) -> None:
    """Write a plan made in Python into its run folder for export and audit; an existing file is kept.

    A plan that has things which no file can name is not written.
    """
    path = folder / PLAN_FILE
    if path.is_file() and f"# {_OF_PYTHON}" not in path.read_text(encoding="utf-8", errors="replace").splitlines()[:2]:
        return
    remove_file(path)
    with suppress(SettingError, ImportError):
        text = plan_text(plan, [_OF_PYTHON])
        write_text(path, with_checksum_line(text))


def _space(plan: Plan) -> tuple[SearchSpace, dict[str, Any]]:
    """Return the space without its limits, and the table of the limits."""
    if not isinstance(plan.space, Within):
        return plan.space, {}
    if plan.space.task != form_of(plan.task):
        raise SettingError(f"Limits of the form {plan.space.task} cannot be written to a plan of another task.")
    return plan.space.space, {"limits": _settings(plan.space.limits)}


def _ceiling(ceiling: Ceiling) -> dict[str, Any]:
    """Return the keys of a measured limit."""
    keys = {"max_latency_ms": ceiling.most, "latency": _table(ESTIMATORS, ceiling.estimator)}
    return keys if ceiling.edge == Ceiling.edge else {**keys, "latency_edge": ceiling.edge}


def _table(catalogue: Registry[Any], thing: Any) -> dict[str, Any]:
    """Return the table from which `archsieve.plans.parts.make` makes this space, task, estimator or searcher."""
    for name in catalogue.all_names:
        try:
            entry = catalogue[name]
        except MissingPackageError:  # then it is not of that kind
            continue
        cls, bound = (entry.func, entry.args) if isinstance(entry, partial) else (entry, ())
        if type(thing) is cls and bound == tuple(getattr(thing, f.name) for f in fields(cls)[: len(bound)]):
            settings = _settings(thing, len(bound))
            if name == "zero_cost":
                return {"name": settings.pop("proxy"), **settings}
            return {"name": name, **settings}
    return {"name": f"{type(thing).__module__}:{type(thing).__qualname__}", **_settings(thing)}


def _settings(thing: Any, begin: int = 0) -> dict[str, Any]:
    """Return the settings that differ from their defaults, as TOML values."""
    settings = {}
    for field in fields(thing)[begin:]:
        value = getattr(thing, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.init and (default is MISSING or value != default):
            settings[field.name] = _value(value, field)
    return settings


def _value(value: Any, field: Any) -> Any:
    if field.metadata.get("catalogue"):  # of estimators: no setting of a part of a plan is of another
        return [_estimator(v) for v in value] if isinstance(value, tuple) else _estimator(value)
    if field.metadata.get("pairs"):
        return {name: _plain(part, field.name) for name, part in value}
    return _plain(value, field.name)


def _estimator(value: Any) -> Any:
    """Return the table of an estimator; a searcher may hold a name instead."""
    return value if isinstance(value, str) else _table(ESTIMATORS, value)


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(part, name) for part in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(part, name) for key, part in value.items()}
    if isinstance(value, bool | int | float | str):
        return value
    raise SettingError(f"The setting {name}={value!r} cannot be written to a plan file.")
