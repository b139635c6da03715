"""Changes of plan settings from the command line: `NAME=VALUE` or `PART.NAME=VALUE`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve._checksums import without_checksum_line
from archsieve._reading import LARGEST_TOML, parse_toml, quoted, read_text
from archsieve.errors import PlanError
from archsieve.runs.folder import RUN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


_PARTS = ("space", "task", "limits", "stands_for")  # of a plan, those whose settings can be changed
_PLAIN = ("seed", "title", "finds")


def apply_changes(parts: Mapping[str, dict[str, Any]], changes: Iterable[str], own: str) -> None:
    """Apply the changes to the tables of `parts`.

    A value is written as in TOML; text needs no quotation marks, which a shell takes away. "vary.width=[8, 16]" gives
    options of one argument of an own space.

    Args:
        parts: tables by the name that stands before the dot.
        changes: "NAME=VALUE" or "PART.NAME=VALUE".
        own: the part whose settings need no name before them.

    Raises:
        PlanError: a change is written otherwise.

    >>> parts = {"space": {"name": "topformer"}, "task": {}}
    >>> apply_changes(parts, ["family=tiny", "task.images=[1, 2]"], "space")
    >>> parts
    {'space': {'name': 'topformer', 'family': 'tiny'}, 'task': {'images': [1, 2]}}
    """
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        if not (key and equals and text):
            example = "epochs=10 or task.cutout=8" if own == "recipe" else "width=16 or task.images=100"
            raise PlanError(f"a change is written as key=value, e.g. {example}, but got {quoted(change)!r}.")
        part, dot, name = key.partition(".")
        if not (dot and part in parts):
            part, name = own, key
        table, argument = parts[part], name.removeprefix("vary.")
        if argument != name:  # the one setting of a space that is a table itself
            table, name = table.setdefault("vary", {}), argument
        table[name] = _value(text)


def part_in(text: str) -> dict[str, Any]:
    """Return the table of an estimator named on the command line, with settings after colons.

    Options of a proxy stand in brackets, as in the names that are printed. `repeats`, and a `calibration` beside it,
    are settings of `repeated`, which then has the named one as its proxy.

    Raises:
        PlanError: it names none, or a setting or option twice.

    >>> part_in("zen"), part_in("zen:batch_size=8")
    ({'name': 'zen'}, {'name': 'zen', 'batch_size': 8})
    >>> part_in("lswag[first=0.5, activations=relu]")
    {'name': 'lswag', 'options': {'first': 0.5, 'activations': 'relu'}}
    >>> part_in("snip:repeats=3")
    {'name': 'repeated', 'repeats': 3, 'estimator': {'name': 'snip'}}
    """
    first, *parts = text.split(":")
    while parts and "=" not in parts[0].partition("[")[0]:  # the class of "module:Class"
        first = f"{first}:{parts.pop(0)}"
    name, bracket, options = first.strip().partition("[")
    if not name.strip() or (bracket and not options.endswith("]")):
        raise PlanError(
            "An estimator is named as nwot, with a setting nwot:batch_size=32, with an option of the proxy "
            f"nwot[activations=relu], but got {quoted(text)!r}."
        )
    table: dict[str, Any] = {"name": name.strip()}
    if bracket:
        table["options"] = {}
        _add_each(table["options"], options[:-1].split(","), text)
    _add_each(table, parts, text)
    if "repeats" not in table or table["name"] == "repeated":
        return table
    outer: dict[str, Any] = {key: table.pop(key) for key in ("repeats", "calibration") if key in table}
    return {"name": "repeated", **outer, "estimator": table}


def _add_each(table: dict[str, Any], settings: Iterable[str], text: str) -> None:
    """Add the settings, "NAME=VALUE" each, to a table that has none of them."""
    for setting in settings:
        before = len(table)
        apply_changes({"it": table}, [setting], own="it")
        if len(table) == before:
            raise PlanError(f"{quoted(text)!r} gives {setting.partition('=')[0].strip()!r} twice.")


def read_plan(path: Path) -> dict[str, Any]:
    """Return the table of a plan file.

    Raises:
        PlanError: it is no TOML, or is that of a run folder and not what was written there.
    """
    try:
        text = read_text(path, LARGEST_TOML)
        if (path.parent / RUN_FILE).exists():  # a copy elsewhere may be changed
            without_checksum_line(text)
        return parse_toml(text)
    except (OSError, ValueError) as error:
        raise PlanError(f"The plan {path} cannot be read: {error}.") from error


def changed_plan(table: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return a plan's table with changes: to its space ("width=16"), to a part ("task.images=9"), or to its seed.

    Raises:
        PlanError: a change is not written so.
    """
    changed = dict(table)
    parts = {"limits": {}} | {key: _table(table[key]) for key in _PARTS if key in table}
    if "space" not in parts:
        return changed  # the reader of the plan reports that the space is missing
    of_plan = [change for change in changes if change.partition("=")[0].strip() in _PLAIN]
    apply_changes({"plan": changed}, of_plan, own="plan")
    apply_changes(parts, [change for change in changes if change not in of_plan], own="space")
    return {**changed, **{key: part for key, part in parts.items() if part != _table(table.get(key, {}))}}


def _table(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else dict(value) if isinstance(value, dict) else value


def _value(text: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text
