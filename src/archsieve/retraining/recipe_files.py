"""Recipes in TOML: how networks of a space are trained on a task; shipped by name, or the user's own file."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve._reading import LARGEST_TOML, parse_toml, read_text
from archsieve.errors import ArchsieveError, PlanError, UnknownNameError
from archsieve.plans.changes import apply_changes
from archsieve.plans.parts import make, settings_of
from archsieve.registry import SPACES, near_miss
from archsieve.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from archsieve.spaces.contract import SearchSpace

_TABLES = ("space", "task")
_TEXTS = ("title", "pretrained")
_EPOCHS = "epochs"  # the key of a file for the horizon: a recipe is trained to its end


@dataclass(frozen=True)
class Training:
    """The training of networks of a space on a task. `notes` list recipe settings that do not apply.

    Attributes:
        recipe_name: of the file.
        notes: sentences.
        pretrained: what the weights were trained on that the recipe starts from; empty if it starts from none.
    """

    space: SearchSpace
    task: Any
    recipe: Recipe
    recipe_name: str = ""
    notes: tuple[str, ...] = ()
    pretrained: str = ""


def recipe_names() -> list[str]:
    """Return the names of the recipes shipped with the package."""
    folder = files("archsieve.training.recipes")
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """Return the table of a recipe file, or of the shipped recipe of that name.

    Raises:
        UnknownNameError: there is neither.
        PlanError: it is no TOML.
    """
    path = Path(name)
    if not path.is_file():
        if name not in recipe_names():
            raise UnknownNameError(
                f"There is no recipe file {name!r}, nor a shipped recipe of that name."
                f"{near_miss(name, recipe_names(), 'archsieve list recipes')}"
            )
        path = Path(str(files("archsieve.training.recipes") / f"{name}.toml"))
    try:
        return parse_toml(read_text(path, LARGEST_TOML))
    except (OSError, ValueError) as error:
        raise PlanError(f"The recipe {path} cannot be read: {error}.") from error


def recipe_for(space: str) -> str:
    """Return the name of the first shipped recipe for a space.

    Raises:
        UnknownNameError: there is none.
    """
    for name in recipe_names():
        if read_recipe(name).get("space", {}).get("name") == space:
            return name
    raise UnknownNameError(
        f"No shipped recipe is made for the space {space!r}: name one (`archsieve list recipes`) or a TOML file of "
        "your own with --recipe."
    )


def training_of(
    space: str, recipe: str, *, task: str | None = None, changes: Sequence[str] = (), plugins: Collection[str] = ()
) -> Training:
    """Return the training of a space's networks by a recipe.

    A recipe's settings of space and task apply to those only: another space or task has its own defaults.

    Args:
        space: name of the space.
        recipe: name of a shipped recipe, or a TOML file.
        task: name of the task; the recipe's if None.
        changes: settings to change, as "epochs=10", "space.width=16" or "task.cutout=8".
        plugins: modules that may be named as "module:Name".

    Raises:
        UnknownNameError: nobody knows a name.
        PlanError: a key is unknown, or missing.
        SettingError: a setting is out of range.
    """
    table = read_recipe(recipe)
    try:
        parts = {kind: _part(table.pop(kind, {}), kind) for kind in _TABLES}
        notes = [_take(parts, "space", space), _take(parts, "task", task or parts["task"].get("name"))]
        _check_keys(table, "the recipe")
        _change(table, parts, changes)
        texts = {key: str(table.pop(key, "")) for key in _TEXTS}
        if _EPOCHS not in table:
            raise PlanError(f"it needs the setting {_EPOCHS!r}.")
        table = {("horizon" if key == _EPOCHS else key): value for key, value in table.items()}
        return Training(
            space=make("space", parts["space"], plugins),
            task=make("task", parts["task"], plugins),
            recipe=Recipe(**settings_of(fields(Recipe), table, "the recipe", plugins)),
            recipe_name=Path(recipe).stem,
            notes=tuple(note for note in notes if note),
            pretrained=texts["pretrained"],
        )
    except UnknownNameError as error:
        raise UnknownNameError(f"In the recipe {recipe}: {error}") from error
    except (ArchsieveError, TypeError, AttributeError) as error:
        raise PlanError(f"In the recipe {recipe}: {error}") from error


def _part(value: Any, kind: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PlanError(f"the {kind} must be a table with a name, but is {value!r}.")
    return dict(value)


def _take(parts: dict[str, dict[str, Any]], kind: str, name: str | None) -> str:
    """Set the name of a part; return a note on the settings that this discards, empty if there are none."""
    if name is None:
        raise PlanError(f"it names no {kind}: name one with --{kind}.")
    own = parts[kind].get("name")
    if own == name:
        return ""
    keys = [key for key in parts[kind] if key != "name"]
    parts[kind] = {"name": name}
    if not keys:
        return ""
    return (
        f"The recipe's settings of the {kind} {own} ({', '.join(keys)}) do not go for {name}: "
        f"its own settings are set with --set {kind}.KEY=VALUE."
    )


def _change(table: dict[str, Any], parts: Mapping[str, dict[str, Any]], changes: Sequence[str]) -> None:
    """Apply the changes to the recipe and its parts."""
    own: dict[str, Any] = {}
    apply_changes({**parts, "recipe": own}, changes, own="recipe")
    spaces = [SPACES[name] for name in SPACES if name == parts["space"].get("name")]
    settings = [f"space.{f.name}" for space in spaces if is_dataclass(space) for f in fields(space)]
    _check_keys(own, "the recipe", settings)
    table |= own


def _check_keys(table: Mapping[str, Any], where: str, others: Sequence[str] = ()) -> None:
    names = [*_TEXTS, *(_EPOCHS if f.name == "horizon" else f.name for f in fields(Recipe))]
    for key in table:
        if key not in names:
            raise PlanError(f"{where} has no key {key!r}.{near_miss(key, [*names, *_TABLES, *others])}")
