"""Parts by name: a space, task, estimator or searcher from its name and its settings in a plan."""

from __future__ import annotations

import importlib
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from archsieve.errors import PlanError, SettingError, UnknownNameError
from archsieve.fingerprints import frozen
from archsieve.plans.named_code import check_command, check_named
from archsieve.registry import SEARCHERS, SPACES, TASKS, estimator_named, near_miss, near_miss_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from archsieve.spaces.contract import SearchSpace

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


def make(kind: str, value: Any, plugins: Collection[str] = ()) -> Any:
    """Return the space, task, estimator or searcher given by a name, or by a table of a name and settings.

    A proxy's name is an estimator's. "module:Name" is honoured only for a module among `plugins`. As a space it may
    also be a class or function that returns a network: it stands for the space `own` with that factory.

    Raises:
        UnknownNameError: nobody registered the name.
        PlanError: a setting is unknown, or the module is not among `plugins`.
        SettingError: a setting is out of range.
    """
    table = {"name": value} if isinstance(value, str) else dict(typed(kind, "name or table", value, dict))
    name = typed(f"name of the {kind}", "text", table.pop("name", None), str)
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
    check_keys(table, by_name, where, hint if has_options else "")
    for name, f in by_name.items():
        if name not in table and f.default is MISSING and f.default_factory is MISSING:
            raise PlanError(f"{where} needs the setting {name!r}.")
    return {key: converted(by_name[key], setting, plugins) for key, setting in table.items()}


def _entry(kind: str, name: str, plugins: Collection[str]) -> Any:
    module, colon, attribute = name.partition(":")
    if colon:
        check_named(name, plugins)
        namespace = vars(importlib.import_module(module))
        if attribute not in namespace:
            raise UnknownNameError(f"The module {module!r} has no {attribute!r}.{near_miss_in(attribute, namespace)}")
        return namespace[attribute]
    return estimator_named(name) if kind == "estimator" else _CATALOGUES[kind][name]


def converted(field: Any, value: Any, plugins: Collection[str]) -> Any:
    """Return a setting converted to its field's type, hashable; estimator names become estimators."""
    if kind := field.metadata.get("catalogue"):
        if not str(field.type).startswith("tuple"):
            return make(kind, value, plugins)
        return tuple(make(kind, part, plugins) for part in typed(field.name, "list", value, list))
    if field.metadata.get("code"):
        check_named(typed(field.name, "text", value, str), plugins)
    if field.metadata.get("runs"):
        check_command(typed(field.name, "text", value, str))
    declared = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    base = declared.removesuffix(" | None")
    for start, wanted, kinds in _TUPLES:
        if base.startswith(start):
            return tuple(typed(field.name, wanted, v, *kinds) for v in typed(field.name, wanted, value, list))
    if base in _PLAIN:
        wanted, kinds = _PLAIN[base]
        return typed(field.name, wanted, value, *kinds)
    return frozen(value)


def typed(what: str, wanted: str, value: Any, *kinds: type) -> Any:
    """Return a value that is of one of these types.

    Raises:
        SettingError: it is not, or NaN; the message calls it `what` and says that it must be a `wanted`.
    """
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds) or value != value:  # NaN
        raise SettingError(f"{what} must be a {wanted}, but is {value!r}.")
    return value


def check_keys(table: Mapping[str, Any], known: Collection[str], where: str, hint: str = "") -> None:
    """Check that a table, called `where` in messages, has only known keys.

    Raises:
        PlanError: it has another; the message ends with `hint`.
    """
    for key in table:
        if key not in known:
            raise PlanError(f"{where} has no key {key!r}.{near_miss(key, known)}{hint}")
