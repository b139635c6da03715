"""The result of a finished search as arguments of `archsieve train`: space, architecture, task and settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchsieveError
from archsieve.plans.finished import code_of_rank, plan_table
from archsieve.plans.parts import make
from archsieve.retraining.recipe_files import read_recipe, recipe_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from archsieve.spaces.contract import Architecture, SearchSpace


@dataclass(frozen=True)
class Found:
    """An architecture of a run, with the arguments for its training.

    Attributes:
        space: name of the space.
        arch: the architecture in its notation.
        task: name of the task; None for the recipe's.
        changes: settings of space and task, as "space.width=16".
        note: a sentence that says all this.
    """

    space: str
    arch: str
    task: str | None
    changes: tuple[str, ...]
    note: str


def found_by(folder: Path, rank: int, recipe: str | None, task: str | None, plugins: Collection[str] = ()) -> Found:
    """Return the architecture of a rank in a run's last round (1 is the winner), and its training settings.

    The space has the run's settings. Where the recipe has others of the same space it keeps them, as long as the
    architecture stays the same: cells are searched in small networks and trained in large ones. The task is that which
    the search was for, with the run's settings where the recipe is about another task.

    Args:
        folder: of a finished run.
        rank: 1 is the winner.
        recipe: by which it is trained; None for the space's.
        task: name of another task to train for.
        plugins: modules that the plan may name.

    Raises:
        RunFolderError: the folder holds no finished run, or no architecture of this rank.
    """
    code = code_of_rank(folder, rank)
    table = plan_table(folder)
    settings = _named(table["space"])
    searched = make("space", settings, plugins)
    name = str(settings.pop("name"))
    own = read_recipe(recipe or recipe_for(name))
    kept = _kept(searched, code, settings, _named(own.get("space", {})), plugins)
    changes = [f"space.{key}={_as_toml(settings[key])}" for key in kept]
    arch, hint = searched.describe(code), ""
    final = table.get("stands_for", table["task"])
    if task is None and _named(final)["name"] != _named(own.get("task", {})).get("name"):
        if getattr(make("task", final, plugins), "validation_fraction", 0):
            hint = " The validation part of the task is not trained on: --set task.validation_fraction=0 trains on all."
        settings_of_task = _named(final)
        task = str(settings_of_task.pop("name"))
        changes += [f"task.{key}={_as_toml(value)}" for key, value in settings_of_task.items()]
    if lost := [key for key in settings if key not in kept]:
        hint = f" The recipe has its own {', '.join(lost)}: set them with --set space.KEY=VALUE.{hint}"
    change_note = f" with {', '.join(changes)}" if changes else ""
    return Found(name, arch, task, tuple(changes), f"Rank {rank} of {folder}: {arch} of {name}{change_note}.{hint}")


def _as_toml(value: Any) -> str:
    """Return a setting as one line of TOML.

    >>> print(_as_toml({"width": [8, 16], "label": "a b"}))
    {"width" = [8, 16], "label" = "a b"}
    """
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {_as_toml(part)}' for key, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _kept(
    searched: SearchSpace,
    code: Architecture,
    settings: Mapping[str, Any],
    own: Mapping[str, Any],
    plugins: Collection[str],
) -> list[str]:
    """Return the run's settings for the training; the recipe's replace others if the architecture is unchanged."""
    if own.get("name") != searched.name:
        return list(settings)
    merged = make("space", {**settings, **own}, plugins)
    text = searched.describe(code)
    try:
        is_same = merged.choices == searched.choices and merged.parse(text) == code and merged.describe(code) == text
    except ArchsieveError:
        is_same = False
    return [key for key in settings if not (is_same and key in own)]


def _named(value: Any) -> dict[str, Any]:
    return {"name": value} if isinstance(value, str) else dict(value)
