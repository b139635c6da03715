"""Notes printed beside the sizes in a command's output."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchsieveError
from archsieve.estimators.contract import leaves_of, lesson_of
from archsieve.estimators.size import Size
from archsieve.networks.form import inputs_of
from archsieve.spaces.sizes import SizeName, notes_on
from archsieve.spaces.within import Within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.searchers.contract import Stage
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_IN_TRAINING = ("auxiliary",)  # settings that change the training and not the final network


def cost_notes(
    estimators: Sequence[AnyEstimator], space: SearchSpace, archs: Sequence[Architecture], task: Task
) -> tuple[str, ...]:
    """Return sentences on what the sizes in these estimators and the space's limits leave out, each once."""
    names = dict.fromkeys(name for estimator in estimators for name in _sizes_of(estimator))
    names |= dict.fromkeys(_limited(space))
    notes: dict[str, None] = {}
    for name in names:
        for arch in archs:
            with suppress(ArchsieveError):  # a network that cannot be built has no size, and its failure is reported
                notes |= dict.fromkeys(notes_on(space, [arch], task, name))
    return tuple(notes)


def budget_notes(stages: Sequence[Stage], counts: Sequence[int]) -> tuple[str, ...]:
    """Return a sentence on each search that ended before its budget, given the candidates of each stage."""
    early = [
        (stage, getattr(stage.search, "name", type(stage.search).__name__), count)
        for stage, count in zip(stages, counts, strict=False)
        if stage.search is not None and stage.budget is not None and count < stage.budget
    ]
    return tuple(
        f"The search {name!r} of the stage {stage.label!r} scored {count} networks of its budget of {stage.budget}: it "
        f"had no other networks to ask for."
        for stage, name, count in early
    )


def weights_notes(estimators: Sequence[AnyEstimator], space: Any) -> tuple[str, ...]:
    """Return sentences on the initial weights if the space keeps those of its own code."""
    if not getattr(space, "keeps_weights", False):
        return ()
    leaves = [leaf for estimator in estimators for leaf in leaves_of(estimator)]
    fresh = [leaf.name for leaf in leaves if getattr(leaf, "init", "as_built") != "as_built"]
    notes = [f"Weights: every training starts from those that {space.factory} gives."]
    if fresh:
        notes.append(
            f"{', '.join(dict.fromkeys(fresh))} score freshly drawn weights, as zero-cost proxies are defined, and not "
            f'the given ones; init = "as_built" scores those.'
        )
    return tuple(notes)


def task_note(task: Any, named: str | Mapping[str, Any] | None, space: SearchSpace) -> str:
    """Return a sentence that states the task of the scores."""
    meant = space.default_task if named is None else named if isinstance(named, str) else str(named["name"])
    form = f"{' and '.join(map(str, inputs_of(task)))} to {task.num_outputs:,} outputs"
    own = "" if named is not None else f", the default of {space.name}"
    return f"Task: {meant}{own}: {form}{'' if task.name == meant else ', of noise'}."


def other_network_note(space: SearchSpace, task: Any, estimators: Sequence[AnyEstimator]) -> str:
    """Return a sentence on the network that `archsieve train` would build if it differs from the one counted here.

    Settings that the user changed are intended, and are not mentioned.
    """
    from archsieve.retraining.recipe_files import read_recipe, recipe_names  # `measure` needs no recipe

    recipes = [(name, dict(table)) for name in recipe_names() if (table := read_recipe(name).get("space", {}))]
    fitting = [(name, table) for name, table in recipes if table.pop("name", "") == space.name]
    if not fitting or not any(True for estimator in estimators for _ in _sizes_of(estimator)):
        return ""
    of_task = [candidate for candidate in fitting if read_recipe(candidate[0]).get("task", {}).get("name") == task.name]
    recipe, table = (of_task or fitting)[0]
    any_space: Any = space
    as_shipped = {
        f.name for f in fields(any_space) if f.name not in _IN_TRAINING and getattr(space, f.name) == f.default
    }
    differing = {key: value for key, value in table.items() if key in as_shipped and getattr(space, key) != value}
    if not differing:
        return ""
    settings_here = ", ".join(f"{key}={_toml(getattr(space, key))}" for key in differing)
    settings_there = ", ".join(f"{key}={_toml(value)}" for key, value in differing.items())
    change = " ".join(f"--set {key}={_toml(value)}" for key, value in differing.items())
    return (
        f"Costs are of the {space.name} network with {settings_here}; `archsieve train` by the recipe {recipe} builds "
        f"the one with {settings_there} ({change})."
    )


def _toml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sizes_of(estimator: AnyEstimator) -> Iterator[SizeName]:
    """Yield the sizes that an estimator uses, including those of its parts and teachers."""
    for leaf in leaves_of(estimator):
        if isinstance(leaf, Size):
            yield leaf.name
        if lesson := lesson_of(leaf):
            yield from _sizes_of(lesson[0])


def _limited(space: SearchSpace) -> Iterator[SizeName]:
    while isinstance(space, Within):
        yield from space.limits.bounds
        space = space.space
