"""Recomputation of the scores in a run folder, which serves as its own card."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import RunFolderError
from archsieve.estimators.contract import Fittable, is_measured, leaves_of
from archsieve.estimators.told import Told
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.read import load_plan
from archsieve.runs.arithmetic import CPU, EXACT
from archsieve.runs.folder import PLAN_FILE, RESULT_FILE, RESULTS_FILE, read_json, read_mark
from archsieve.runs.keys import Keys
from archsieve.runs.recorded_scores import RecordedScores
from archsieve.runs.store import Store
from archsieve.spaces.text import encode
from archsieve.verifying.cards import Card
from archsieve.verifying.scores import computed, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan
    from archsieve.runs.store import Key, Row
    from archsieve.verifying.scores import Figures


def card_of_run(folder: Path) -> Card:
    """Return the card of a finished run's scores, from its `result.json`.

    Raises:
        RunFolderError: it is no folder of a finished run.
    """
    result = read_json(folder / RESULT_FILE)
    made = result.get("provenance") if isinstance(result, dict) else None
    if not isinstance(made, dict) or not isinstance(made.get("versions"), dict):
        raise RunFolderError(f"The file {folder / RESULT_FILE} is no result of a search: it does not say what made it.")
    texts = [str(made.get(key, "")) for key in ("command", "processor")]
    return Card(folder, "run", texts[0], result.get("seed", 0), made["versions"], texts[1], "", {**result, **made})


def stored_again(
    card: Card, fraction: float, progress: Callable[[str, int, int], None], plugins: Collection[str] = ()
) -> Figures:
    """Return recomputed scores of a run, for a fraction of those of each estimator in its plan.

    Estimators that learn or measure, and scores that a person told, are left out.

    Raises:
        RunFolderError: the folder holds no run on a CPU with its plan.
    """
    folder = card.path
    if not (folder / PLAN_FILE).is_file() or not str(card.content.get("device", CPU)).startswith(CPU):
        raise RunFolderError(f"The folder {folder} holds no run on a CPU with its plan: its scores cannot be computed.")
    with commands_allowed():  # what measures is left out: none is run
        plan = load_plan(folder / PLAN_FILE, plugins)
    if plan.seed != card.seed:
        raise RunFolderError(
            f"The file {folder / PLAN_FILE} is of another search: its seed is {plan.seed}, and {RESULT_FILE} says "
            f"{card.seed}. Put back its own, or run the search again, which goes on from its scores."
        )
    chosen, left_out = _estimators(plan)
    prints = read_mark(folder)["fingerprints"]
    keys = Keys(plan.space, (prints["space"], prints["task"]), plan.seed, CPU, EXACT, RecordedScores())
    parts = _parts(folder, {keys.key(e, ()): e.name for e in chosen}, fraction, prints["space"], plan.seed)
    figures, absent = [], []
    for estimator in chosen:
        part = parts[keys.key(estimator, ())]
        if not part:
            absent.append(estimator.name)
            continue
        scores = computed(plan.space, plan.task, plan.seed, [estimator], [row.arch for row in part], progress)
        figures += [
            (f"{estimator.name} of {encode(row.arch)}", row.score, float(score))
            for row, score in zip(part, np.ravel(scores), strict=True)
        ]
    notes = [f"Not computed, since they learn, measure or were told: {', '.join(left_out)}."] if left_out else []
    if absent:
        notes.append(f"Not compared, since none is stored of the plan's task and seed: {', '.join(absent)}.")
    return figures, notes


def _estimators(plan: Plan) -> tuple[list[AnyEstimator], list[str]]:
    """Return the distinct estimators of a plan, and the names of those that cannot be computed for a few networks."""
    wholes = [stage.estimator for stage in plan.stages]
    wholes += [e for e in (plan.final, plan.pool.evolve) if e is not None]
    leaves = list(dict.fromkeys(leaf for whole in wholes for leaf in leaves_of(whole)))
    others = [leaf for leaf in leaves if isinstance(leaf, Fittable | Told) or is_measured(leaf)]
    return [leaf for leaf in leaves if leaf not in others], [leaf.name for leaf in others]


def _parts(folder: Path, names: Mapping[Key, str], fraction: float, space: str, seed: int) -> dict[Key, list[Row]]:
    """Return a fraction of each key's stored scores, chosen by the estimator's name."""
    store = Store(folder / RESULTS_FILE, read_only=True)
    try:
        store.refuse_another_search(space, seed)
        counts = Counter(row.key for row in _scores(store, names))
        store.refuse_damage()
        places = {key: set(part_of(range(counts[key]), fraction, names[key])) for key in counts}
        parts: dict[Key, list[Row]] = {key: [] for key in names}
        met: Counter[Key] = Counter()
        for row in _scores(store, names):
            if met[row.key] in places[row.key]:
                parts[row.key].append(row)
            met[row.key] += 1
        return parts
    finally:
        store.close()


def _scores(store: Store, keys: Collection[Key]) -> Iterator[Row]:
    """Yield the rows with a score under these keys."""
    return (row for row in store.rows() if row.key in keys and not math.isnan(row.score))
