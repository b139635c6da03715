"""Reading of plans in TOML: names and settings become dataclasses; unknown keys are errors."""

from __future__ import annotations

import importlib
import stat
import sys
import traceback
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve._reading import quoted
from archsieve.errors import ArchsieveError, MissingDataError, PlanError, SettingError, UnknownNameError, line_of
from archsieve.fingerprints import frozen
from archsieve.plans.ceiling import Ceiling
from archsieve.plans.changes import changed_plan, read_plan
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.named_code import check_command, check_named, check_plugin_name
from archsieve.registry import SEARCHERS, SPACES, TASKS, estimator_named, near_miss, near_miss_in
from archsieve.searchers.contract import Stage
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within
from archsieve.values import check_list, exact, path_in, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from archsieve.spaces.contract import SearchSpace

_PLAN_KEYS = ("title", "finds", "seed", "space", "limits", "task", "stands_for", "pool", "stage", "final", "objectives")
_STAGE_KEYS = ("label", "estimator", "keep", "top", "above", "drop", "search", "budget")
_MEASURED_LIMITS = ("max_latency_ms", "latency", "latency_edge")
_TUPLES: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("tuple[int", "list of whole numbers", (int,)),
    ("tuple[float", "list of numbers", (int, float)),
)
_PLAIN: dict[str, tuple[str, tuple[type, ...]]] = {
    "int": ("whole number", (int,)),
    "float": ("number", (int, float)),
    "str": ("text", (str,)),
    "bool": ("truth value", (bool,)),
}
_CATALOGUES = {"space": SPACES, "task": TASKS, "searcher": SEARCHERS}


def plan_names() -> list[str]:
    """Return the names of the plans shipped with the package."""
    return sorted(p.name.removesuffix(".toml") for p in files("archsieve.plans").iterdir() if p.name.endswith(".toml"))


def about_plans() -> dict[str, str]:
    """Return the title and `finds` of the shipped plans by name."""
    tables = {name: read_plan(find_plan(name)) for name in plan_names()}
    told = {name: (table.get("title", ""), table.get("finds", "")) for name, table in tables.items()}
    return {name: ". ".join(part.rstrip(".") for part in parts if part) for name, parts in told.items()}


def find_plan(name: str, what: str = "plan file") -> Path:
    """Return the path of a plan file, or of the shipped plan of that name.

    Args:
        name: the path or the name.
        what: what else the name could be, for the message.

    Raises:
        UnknownNameError: there is neither.
    """
    if _can_be_read(name):
        return Path(name)
    if name in plan_names():
        return Path(str(files("archsieve.plans") / f"{name}.toml"))
    if kind := _other_kind(name):
        raise UnknownNameError(f"{quoted(name)!r} is no {what}, but {kind}: name a file, or a shipped plan.")
    raise UnknownNameError(
        f"There is no {what} {name!r}, nor a shipped plan of that name."
        f"{near_miss(name, plan_names(), 'archsieve list plans')}"
    )


def _can_be_read(name: str) -> bool:
    try:
        return path_in(name).is_file()
    except MissingDataError:
        return False


def _other_kind(name: str) -> str:
    """Return what a path leads to where it is no file; empty where there is nothing."""
    try:
        path = path_in(name)
        mode = path.stat().st_mode
    except (MissingDataError, FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:  # a loop of links, a folder that may not be read
        return f"a path that cannot be followed ({error.strerror})"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"


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
    _check_keys(table, _PLAN_KEYS, "the plan")
    for key in ("space", "task", "stage"):
        if key not in table:
            raise PlanError(f"the key {key!r} is missing.")
    stages = _with_objectives(_typed("stage", "list of tables [[stage]]", table["stage"], list), table)
    space, task = make("space", table["space"], plugins), make("task", table["task"], plugins)
    limits, ceiling = _limits(table["limits"], plugins) if "limits" in table else (None, None)
    return Plan(
        space=space if limits is None else Within(space, task, limits),
        task=task,
        stages=tuple(s for i, row in enumerate(stages, 1) for s in _stages(row, f"stage {i}", plugins)),
        pool=_pool(table.get("pool", "all"), plugins),
        final=make("estimator", table["final"], plugins) if "final" in table else None,
        seed=_typed("seed", "whole number", table.get("seed", 0), int),
        title=_typed("title", "text", table.get("title", ""), str),
        stands_for=make("task", table["stands_for"], plugins) if "stands_for" in table else None,
        finds=_typed("finds", "text", table.get("finds", ""), str),
        ceiling=ceiling,
    )


def _with_objectives(stages: list[Any], table: Mapping[str, Any]) -> list[Any]:
    """Return the stage tables, with the plan's `objectives` as the last stage's estimator."""
    if "objectives" not in table:
        return stages
    parts = [_objective(part) for part in _typed("objectives", "list of estimators", table["objectives"], list)]
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


def make(kind: str, value: Any, plugins: Collection[str] = ()) -> Any:
    """Return the space, task, estimator or searcher given by a name, or by a table of a name and settings.

    A proxy's name is an estimator's. "module:Name" is honoured only for a module among `plugins`. As a space it may
    also be a class or function that returns a network: it stands for the space `own` with that factory.

    Raises:
        UnknownNameError: nobody registered the name.
        PlanError: a setting is unknown, or the module is not among `plugins`.
        SettingError: a setting is out of range.
    """
    table = {"name": value} if isinstance(value, str) else dict(_typed(kind, "name or table", value, dict))
    name = _typed(f"name of the {kind}", "text", table.pop("name", None), str)
    entry = _entry(kind, name, plugins)
    bound = entry.args if isinstance(entry, partial) else ()
    cls = entry.func if isinstance(entry, partial) else entry
    if not is_dataclass(cls):
        if kind == "space" and "factory" not in table:
            return make(kind, {**table, "name": "own", "factory": name}, plugins)
        raise PlanError(f"the {kind} {name!r} is not a dataclass, so a plan cannot set it.")
    instance = entry(**settings_of(fields(cls)[len(bound) :], table, f"the {kind} {name!r}", plugins))
    if kind == "space" and ":" not in name and instance.name != name:  # another name of the class
        object.__setattr__(instance, "name", name)
    return instance


def is_called(space: SearchSpace, name: str, plugins: Collection[str] = ()) -> bool:
    """Whether a name in a plan is that of a space's kind; raises as `make` for an unknown name."""
    entry = _entry("space", name, plugins)
    return space.whole.name == name or entry is type(space.whole)


def settings_of(
    known: Sequence[Any], table: Mapping[str, Any], where: str, plugins: Collection[str] = ()
) -> dict[str, Any]:
    """Return a table's settings in the types of a dataclass's fields; `where` names the table in messages.

    Raises:
        PlanError: a key is unknown, or one is missing.
        SettingError: a value is of the wrong type.
    """
    by_name = {f.name: f for f in known if f.init}
    has_options = any(f.metadata.get("pairs") for f in by_name.values())
    hint = " Write options of the proxy as options = { KEY = VALUE }, on the command line as NAME[KEY=VALUE]."
    _check_keys(table, by_name, where, hint if has_options else "")
    for name, f in by_name.items():
        if name not in table and f.default is MISSING and f.default_factory is MISSING:
            raise PlanError(f"{where} needs the setting {name!r}.")
    return {key: _setting(by_name[key], setting, plugins) for key, setting in table.items()}


def load_plugin(name: str) -> str:
    """Import a user's file or module, which registers its objects, and return the module's name.

    Raises:
        PlanError: it is not there, its name is taken by another module, or it fails.
    """
    check_plugin_name(name)
    path = Path(name)
    module = path.stem if path.suffix == ".py" else name
    if path.suffix == ".py":
        if not path.is_file():
            raise PlanError(f"There is no plugin file {name!r}.")
        sys.path.insert(0, str(path.resolve().parent))
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script that runs and ends, too
        place = f" ({line})" if (line := line_of(error, module)) else ""
        failed = PlanError(f"The plugin {name!r} cannot be imported: {type(error).__name__}: {error}{place}")
        failed.details = traceback.format_exc()
        raise failed from error
    origin = getattr(loaded, "__file__", None)
    if path.suffix == ".py" and (origin is None or Path(origin).resolve() != path.resolve()):
        raise PlanError(f"The plugin {name!r} has the name of the module {origin}: rename the file.")
    return module


def load_model(name: str) -> str:
    """Import the module of "module:function" (preferring `module.py` in the current folder), and return the name.

    Raises:
        PlanError: it is no such name, or the module cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise PlanError(f"A model is named as module:function, e.g. my_model:build, but got {name!r}.")
    file = Path(module if module.endswith(".py") else f"{module}.py")
    return f"{load_plugin(str(file) if file.is_file() else module)}:{attribute}"


def _entry(kind: str, name: str, plugins: Collection[str]) -> Any:
    module, colon, attribute = name.partition(":")
    if colon:
        check_named(name, plugins)
        namespace = vars(importlib.import_module(module))
        if attribute not in namespace:
            raise UnknownNameError(f"The module {module!r} has no {attribute!r}.{near_miss_in(attribute, namespace)}")
        return namespace[attribute]
    return estimator_named(name) if kind == "estimator" else _CATALOGUES[kind][name]


def _stages(row: Any, where: str, plugins: Collection[str]) -> list[Stage]:
    """Return the stage of a table, or one stage per epoch if the table has the key `drop`."""
    table = dict(_typed(where, "table", row, dict))
    _check_keys(table, _STAGE_KEYS, where)
    if "estimator" not in table:
        raise PlanError(f"{where} needs an estimator.")
    setting = table.pop("estimator")
    estimator = make("estimator", setting, plugins)
    rules = {f.name: f for f in fields(Stage)}
    if "drop" not in table:
        try:
            return [Stage(estimator, **{key: _setting(rules[key], value, plugins) for key, value in table.items()})]
        except SettingError as error:
            raise PlanError(f"{where}: {error}") from error
    drop = _typed(f"{where}: drop", "list of fractions", table.pop("drop"), list)
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
    label = _typed(f"{where}: label", "text", table.get("label", estimator.name.partition("[")[0]), str)
    return [
        Stage(replace(estimator, epochs=epoch), keep=float(1 - exact(d)), label=f"{label}, epoch {epoch}")
        for epoch, d in enumerate(drop, 1)
    ]


def _pool(value: Any, plugins: Collection[str]) -> Pool:
    if value == "all":
        return Pool()
    table = _typed("pool", "'all' or a table with sample, or evolve and budget", value, dict)
    of_evolution = ("budget", "population", "tournament")
    _check_keys(table, ("sample", "evolve", *of_evolution), "the pool")
    evolve = make("estimator", table["evolve"], plugins) if "evolve" in table else None
    if ("sample" in table) == (evolve is not None):
        raise PlanError(f"the pool needs either `sample` or `evolve`, but got {table}.")
    for key in of_evolution:
        if key in table and evolve is None:
            raise PlanError(f"the pool: `{key}` needs `evolve`.")
    names = ("sample", *of_evolution)
    numbers = {key: _typed(key, "whole number", table[key], int) for key in names if key in table}
    return Pool(evolve=evolve, **numbers)


def _limits(value: Any, plugins: Collection[str]) -> tuple[Limits | None, Ceiling | None]:
    """Return the size limits and the measured limit; None for a kind without limits."""
    table, by_name = dict(_typed("limits", "table", value, dict)), {f.name: f for f in fields(Limits)}
    _check_keys(table, (*by_name, *_MEASURED_LIMITS), "the table of limits")
    measured = {key: table.pop(key) for key in _MEASURED_LIMITS if key in table}
    if measured and "max_latency_ms" not in measured:
        raise PlanError(f"the table of limits: {', '.join(measured)} needs `max_latency_ms`.")
    ceiling = None
    if measured:
        numbers: dict[str, Any] = {
            name: float(_typed(key, "number", measured[key], int, float))
            for key, name in (("max_latency_ms", "most"), ("latency_edge", "edge"))
            if key in measured
        }
        named = {"estimator": make("estimator", measured["latency"], plugins)} if "latency" in measured else {}
        ceiling = Ceiling(**numbers, **named)
    if measured and not table:
        return None, ceiling
    return Limits(**{key: _setting(by_name[key], limit, ()) for key, limit in table.items()}), ceiling


def _setting(field: Any, value: Any, plugins: Collection[str]) -> Any:
    """Return a setting converted to its field's type, hashable; estimator names become estimators."""
    if kind := field.metadata.get("catalogue"):
        if not str(field.type).startswith("tuple"):
            return make(kind, value, plugins)
        return tuple(make(kind, part, plugins) for part in _typed(field.name, "list", value, list))
    if field.metadata.get("code"):
        check_named(_typed(field.name, "text", value, str), plugins)
    if field.metadata.get("runs"):
        check_command(_typed(field.name, "text", value, str))
    declared = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    base = declared.removesuffix(" | None")
    for start, wanted, kinds in _TUPLES:
        if base.startswith(start):
            return tuple(_typed(field.name, wanted, v, *kinds) for v in _typed(field.name, wanted, value, list))
    if base in _PLAIN:
        wanted, kinds = _PLAIN[base]
        return _typed(field.name, wanted, value, *kinds)
    return frozen(value)


def _typed(what: str, wanted: str, value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds) or value != value:  # NaN
        raise SettingError(f"{what} must be a {wanted}, but is {value!r}.")
    return value


def _check_keys(table: Mapping[str, Any], known: Collection[str], where: str, hint: str = "") -> None:
    for key in table:
        if key not in known:
            raise PlanError(f"{where} has no key {key!r}.{near_miss(key, known)}{hint}")
