"""Reading of a finished search: its plan, and one of its architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import ArchsieveError, RunFolderError
from archsieve.plans.changes import read_plan
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.read import load_plan
from archsieve.plans.trained import Finished
from archsieve.runs.folder import (
    PLAN_FILE,
    RESULT_FILE,
    RESULTS_FILE,
    RUN_FILE,
    claim,
    read_outcome,
    rounds_of,
)
from archsieve.runs.store import Store
from archsieve.searchers.contract import order_best_first
from archsieve.spaces.contract import check
from archsieve.spaces.text import as_digits

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from archsieve.plans.contract import Plan
    from archsieve.spaces.contract import Architecture


def code_of_rank(folder: Path, rank: int) -> Architecture:
    """Return the architecture of a rank in the last round of a finished search.

    Raises:
        RunFolderError: the folder holds no finished search, or no architecture of this rank.
    """
    result = read_outcome(folder)
    if rank == 1 and result["code"] is not None:
        return tuple(result["code"])
    labels = [stage["label"] for stage in result["stages"]]
    rounds, _ = rounds_of(folder, result) if labels else ([], {})
    archs, scores = (rounds[-1].archs, rounds[-1].scores) if rounds else (np.empty((0, 0), dtype=int), np.empty(0))
    count = max(int(np.isfinite(scores).sum()), int(result["code"] is not None))
    if rank > count:
        last = f"the last stage, {labels[-1]!r}," if labels else "the search"
        raise RunFolderError(f"There is no rank {rank} in {folder}: {last} has scores of {count} architectures.")
    return tuple(archs[order_best_first(scores)[rank - 1]].tolist())


def plan_table(folder: Path) -> dict[str, Any]:
    """Return the table of the plan stored in a run folder.

    Raises:
        RunFolderError: there is none, or it names no space and task.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        raise RunFolderError(
            f"There is no {path.name} in {folder}, so the settings of its space are unknown: give the space and the "
            f"architecture by name."
        )
    table = read_plan(path)
    if not {"space", "task"} <= table.keys():
        raise RunFolderError(f"The file {path} names no space and no task: restore the plan of the search.")
    return table


def read_finished(folder: Path, rank: int = 1, plugins: Collection[str] = ()) -> Finished:
    """Return an architecture of a finished search, after checking that the folder's files agree on it.

    Raises:
        RunFolderError: the search is not finished, or its files were changed or cut.
        PlanError: its plan names code of a file that `plugins` does not.
        MissingDataError: data are needed to tell whether the task is that of the folder.
    """
    code = code_of_rank(folder, rank)
    plan_table(folder)
    with commands_allowed():  # whoever reads a finished search runs none
        plan = load_plan(folder / PLAN_FILE, plugins)
    result = read_outcome(folder)
    if not (folder / RUN_FILE).exists():
        raise RunFolderError(f"There is no {RUN_FILE} in {folder}: put back a whole copy of the run folder.")
    space_print, _ = claim(folder, plan.space, plan.task)
    _check_result(folder, plan, result, space_print)
    try:
        code = check(plan.space, code)
    except ArchsieveError as error:
        raise RunFolderError(f"The files of {folder} do not agree: {error} Run the search again.") from error
    return Finished(folder, plan, result, code, rank)


def _stored_scores(folder: Path, plan: Plan, name: str, space: str) -> dict[Architecture, float]:
    """Return the stored scores of a named estimator by architecture; damaged rows are an error."""
    path = folder / RESULTS_FILE
    if not path.exists():
        raise RunFolderError(f"There is no {RESULTS_FILE} in {folder}: put back a whole copy of the run folder.")
    store = Store(path, read_only=True)
    try:
        store.refuse_another_search(space, plan.seed)
        scores = {row.arch: row.score for row in store.rows() if row.name == name and row.key.seed == plan.seed}
        store.refuse_damage()
        return scores
    finally:
        store.close()


def _check_result(folder: Path, plan: Plan, result: dict[str, Any], space_print: str) -> None:
    """Check that the result's winner is one architecture, kept by the last stage, with the stored score.

    Raises:
        RunFolderError: it is not.
    """
    if (seed := result.get("seed", plan.seed)) != plan.seed:
        raise RunFolderError(
            f"The file {folder / PLAN_FILE} is of another search: its seed is {plan.seed}, and {RESULT_FILE} says "
            f"{seed}. Put back its own, or run the search again, which goes on from its scores."
        )
    code, labels = result.get("code"), [stage["label"] for stage in result["stages"]]
    if code is None:
        raise RunFolderError(f"The search in {folder} found no network: {result.get('failure') or 'see its report'}")
    space, best = plan.space, tuple(code)
    agrees = len(best) == len(space.choices) and all(0 <= o < n for o, n in zip(best, space.choices, strict=True))
    agrees = agrees and space.describe(best) == result.get("best")
    agrees = agrees and result.get("digits") == as_digits(best, space.choices)
    stored = _stored_scores(folder, plan, plan.stages[len(labels) - 1].estimator.name if labels else "", space_print)
    if labels and agrees:
        rounds, _ = rounds_of(folder, result)
        archs = [tuple(arch) for arch in rounds[-1].archs.tolist()]
        kept, score = {archs[place] for place in rounds[-1].kept}, result.get("best_score")
        own = rounds[-1].scores[archs.index(best)] if best in kept else np.nan
        agrees = best in kept and (score is None or (own == score and stored.get(best, score) == score))
    if not agrees:
        raise RunFolderError(
            f"The files of {folder} do not agree on the winner {result.get('best')!r}: one of {RESULT_FILE}, "
            f"{RESULTS_FILE} and the rounds was changed. Run the search again, which goes on from its scores."
        )
