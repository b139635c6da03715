"""Recomputation of scores in tables and runs."""

from __future__ import annotations

import math
import tempfile
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from archsieve._reading import quoted
from archsieve.errors import ArchsieveError, DataError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import identity
from archsieve.randomness import generator
from archsieve.registry import SPACES, TASKS
from archsieve.runs import score_tables
from archsieve.runs.session import Session
from archsieve.spaces.text import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task
    from archsieve.verifying.cards import Card

Figures = tuple["list[tuple[str, Any, Any]]", "list[str]"]
"""Figures with their recorded values and those computed again, and sentences on what was left out."""


def part_of(items: Sequence[Any], fraction: float, name: str) -> list[Any]:
    """Return a fraction of the items, at least one, fixed by the name."""
    count = min(len(items), max(1, math.ceil(fraction * len(items))))
    order = generator(0, "sample", "verify", name).permutation(len(items))
    return [items[i] for i in sorted(order[:count])]


def scores_again(card: Card, fraction: float, progress: Callable[[str, int, int], None]) -> Figures:
    """Return recomputed scores of a table, for a fraction of its networks.

    Raises:
        DataError: the card is of settings that this version does not know.
    """
    table = score_tables.ScoreTable(card.path.with_suffix(".npz"), score_tables.read_card(card.path))
    space = _space(table.card.space)
    task, sees = _task(table.card.task)
    estimators, left_out = _estimators(table.card.estimators, sees)
    archs = part_of(table.archs, fraction, card.name)
    if not estimators:
        return [], left_out
    scores = computed(space, task, table.card.seed, estimators, archs, progress)
    columns = {e.name: table.get(str(table.column_of(e)), archs) for e in estimators}
    figures = [
        (f"{e.name} of {encode(arch)}", columns[e.name][arch].score, float(scores[row, column]))
        for column, e in enumerate(estimators)
        for row, arch in enumerate(archs)
    ]
    return figures, left_out


def computed(
    space: SearchSpace,
    task: Task,
    seed: int,
    estimators: Sequence[AnyEstimator],
    archs: Sequence[Architecture],
    progress: Callable[[str, int, int], None],
) -> Any:
    """Return the scores, shape (n, k), computed in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(folder, space, task, seed=seed, tables=(), progress=progress) as session,
    ):
        return session.scores(estimators, archs)


def _space(recorded: dict[str, Any]) -> SearchSpace:
    for name in SPACES:
        if SPACES[name].__name__ == recorded.get("type"):
            space: SearchSpace = SPACES[name](**_settings(SPACES[name], recorded))
            if identity(space) == recorded:
                return space
    raise DataError(f"No space of this version has the settings of the card: {quoted(recorded)}.")


def _task(recorded: dict[str, Any]) -> tuple[Any, bool]:
    """Return the task, and whether its pictures are those of the card."""
    name = str(recorded.get("name"))
    if name not in TASKS:
        raise DataError(f"No task of this version is called {quoted(name)!r}.")
    task = TASKS[name](**_settings(TASKS[name], recorded))
    try:
        return task, identity(task) == recorded
    except ArchsieveError:  # there are no pictures here
        from archsieve.networks.form import Input
        from archsieve.tasks.noise import Noise

        return Noise((Input(tuple(task.input_shape)),), task.num_outputs), False


def _settings(kind: Any, recorded: dict[str, Any]) -> dict[str, Any]:
    known = {f.name for f in fields(kind) if f.init} if is_dataclass(kind) else set()
    settings = {key: value for key, value in recorded.items() if key in known}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}


def _estimators(recorded: dict[str, dict[str, Any]], sees: bool) -> tuple[list[AnyEstimator], list[str]]:
    """Return the card's estimators that can be computed here, and sentences on the others."""
    chosen: list[AnyEstimator] = []
    others: list[str] = []
    blind: list[str] = []
    for name, settings in recorded.items():
        estimator = _estimator(settings)
        if estimator is None:
            others.append(name)
        elif not sees and {"data", "labels"} & set(estimator.needs):
            blind.append(name)
        else:
            chosen.append(estimator)
    notes = [f"This version has no {', '.join(others)} as the card has it: not computed."] if others else []
    if blind:
        notes.append(f"The pictures of the card are not here, so that {', '.join(blind)} cannot be computed again.")
    return chosen, notes


def _estimator(settings: dict[str, Any]) -> ZeroCost | None:
    own = {key: value for key, value in settings.items() if key in {f.name for f in fields(ZeroCost)}}
    try:
        estimator = ZeroCost(**own)
    except (ArchsieveError, TypeError, ValueError):
        return None
    return estimator if identity(estimator) == settings else None
