"""Plan files: those shipped with the package, by name, and the user's, by path."""

from __future__ import annotations

import stat
from importlib.resources import files
from pathlib import Path

from archsieve._reading import quoted
from archsieve.errors import MissingDataError, UnknownNameError
from archsieve.plans.changes import read_plan
from archsieve.registry import near_miss
from archsieve.values import path_in


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
