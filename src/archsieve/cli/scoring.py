"""The command that scores architectures of a space, and the printing of scores."""

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from archsieve.cli import printing as console
from archsieve.cli.notes import cost_notes, other_network_note, task_note
from archsieve.cli.options import (
    Changes,
    Device,
    Json,
    OnRay,
    Plugins,
    Proxies,
    Recompute,
    Seed,
    TaskName,
    Workers,
    WorkerTimeout,
    estimators_named,
    load,
    shared_by_all,
    space_and_task,
    task_for,
)
from archsieve.errors import EstimatorError
from archsieve.estimators.contract import is_relative, scores_metric
from archsieve.estimators.size import Size
from archsieve.runs.session import Session
from archsieve.tasks.contract import measure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import Architecture


def score(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    archs: Annotated[list[str], typer.Argument(help="Architectures, in the notation of the space.")],
    proxy: Proxies = None,
    task: TaskName = None,
    change: Changes = None,
    seed: Seed = 0,
    device: Device = "cpu",
    workers: Workers = 1,
    worker_timeout: WorkerTimeout = None,
    ray: OnRay = False,
    recompute: Recompute = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Score architectures of a space with proxies and costs."""
    with console.guarded(), ExitStack() as stack:
        plugins, shared = load(plugin), shared_by_all(stack, workers, ray, recompute, worker_timeout)
        estimators = estimators_named(proxy or ["params", "macs"], plugins)
        the_space, chosen_task = space_and_task(space, task, change, plugins)
        codes = [the_space.parse(text) for text in archs]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        the_task = task_for(chosen_task, estimators, plugins, the_space, None if recompute else seed, device=device)
        session = Session(folder, the_space, the_task, seed=seed, device=device, plugins=plugins, **shared)
        console.note(task_note(the_task, chosen_task, the_space))
        if note := other_network_note(the_space, the_task, estimators):
            console.note(note)
        score_and_print(stack, session, estimators, codes, as_json)


def _score_of(estimator: AnyEstimator, value: float) -> float:
    """Return a score; counts are converted to whole numbers."""
    return int(value) if isinstance(estimator, Size) and math.isfinite(value) else value


def _relative_note(estimators: Sequence[AnyEstimator], codes: Sequence[Architecture]) -> str:
    """Return a sentence on estimators whose scores depend on the networks scored with them; empty if there are none."""
    names = ", ".join(estimator.name for estimator in estimators if is_relative(estimator))
    if not names:
        return ""
    if len(set(codes)) > 1:
        return (
            f"Scores of {names} compare the networks of this command with each other, not with those of another call."
        )
    return (
        f"Scores of {names} compare the networks of this command with each other, and there is only one: such a score "
        f"tells nothing. Name more networks, or give the setting `calibration`, as in nwot:repeats=5:calibration=64."
    )


def score_and_print(
    stack: ExitStack, session: Session, estimators: Sequence[AnyEstimator], codes: Sequence[Architecture], as_json: bool
) -> None:
    """Score architectures and print one row for each, then the failures.

    In JSON, the key `pictures` says which scores were not made on the user's pictures.
    """
    stack.enter_context(session)
    scores = session.scores(estimators, codes)
    errors = {e.name: session.failures(e, codes) for e in estimators}
    is_mistake = bool(np.isnan(scores).all() and session.tracebacks)  # all scores failed, by unforeseen errors
    sentences = " ".join(session.explain(e, codes) for e in estimators) if is_mistake else ""
    stack.close()
    describe, names = session.space.describe, [e.name for e in estimators]
    rows = [
        {"architecture": describe(code), **{e.name: _score_of(e, v) for e, v in zip(estimators, row, strict=True)}}
        for code, row in zip(codes, scores.tolist(), strict=True)
    ]
    if as_json:
        picture_notes = {e.name: " ".join(session.pictures(e)) for e in estimators}
        pictures = {"pictures": {name: sentence for name, sentence in picture_notes.items() if sentence}}
        console.out_json([row | pictures for row in rows] if any(picture_notes.values()) else rows)
    else:
        measure = measure_of(session.task)
        are_values = [e.name for e in estimators if scores_metric(e)]
        shown: list[list[Any]] = [list(row.values()) for row in rows]
        for at in (1 + i for i, name in enumerate(names) if name in are_values):
            for cells in shown:
                cells[at] = measure.value(cells[at])
        console.table(list(rows[0]), shown)
        if are_values:
            console.note(f"Values of {', '.join(are_values)}: {measure.title}.")
        for sentence in session.pictures():
            console.out(sentence)
    if note := _relative_note(estimators, codes):
        console.note(note)
    for note in cost_notes(estimators, session.space, codes, session.task):
        console.note(note)
    for name, reasons in errors.items():
        for code, reason in reasons.items():
            by_part = "" if np.isnan(scores[codes.index(code), names.index(name)]) else "A part of "
            console.note(f"{by_part}{name} could not score {describe(code)}: {reason}")
    if is_mistake:
        raise EstimatorError(sentences, session.tracebacks)
