"""A search run through its folder: it asks for architectures, and the user enters their scores.

The folder holds everything between two commands: the journal of what was asked for, the scores told, and in
`asked.json` what is waited for now.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archsieve._files import remove_file
from archsieve._reading import fits, quoted
from archsieve.errors import RunFolderError, SettingError, UntoldError
from archsieve.estimators.contract import leaves_of
from archsieve.estimators.told import Told
from archsieve.plans.contract import estimators_of
from archsieve.plans.run import run_plan
from archsieve.runs.folder import read_json, write_json
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import Measure, measure_of

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.plans.contract import Plan
    from archsieve.runs.results import Result
    from archsieve.runs.session import Session
    from archsieve.spaces.contract import Architecture

ASKED_FILE = "asked.json"


@dataclass(frozen=True)
class Asked:
    """The architectures that a search waits for, and the name of the estimator to score them by.

    `pace` is a sentence on how many it asks for at a time; empty where nothing is known of that. `measure` says which
    numbers are better: those of the task's metric where its values are told.
    """

    estimator: str
    archs: tuple[Architecture, ...]
    pace: str = ""
    measure: Measure = field(default_factory=Measure)


def go_on(plan: Plan, session: Session, command: str = "") -> Result | Asked:
    """Run a plan until it needs a score from the user, and return the request; at its end, return the result.

    Raises:
        SettingError: the plan has no estimator `told`.
    """
    if not _told_by_hand(plan):
        raise SettingError("No stage of this plan has the estimator `told`: add one, or run `archsieve search`.")
    path = session.folder / ASKED_FILE
    try:
        result = run_plan(plan, session, command=command)
    except UntoldError as error:
        digits = [as_digits(arch, session.space.choices) for arch in error.archs]
        write_json(path, {"estimator": error.name, "asked": digits})
        return Asked(error.name, error.archs, _pace(plan, error.name), _measure(plan, error.name))
    remove_file(path)
    return result


def tell(plan: Plan, session: Session, text: str, score: float | None, reason: str | None = None) -> None:
    """Store the score of a requested architecture, or the reason why it has none.

    A score is higher for a better network, unless the plan says that values of the task's metric are told
    (`archsieve.estimators.told.Told.is_metric`).

    Raises:
        ArchitectureError: `text` is not an architecture of the space.
        RunFolderError: the folder waits for nothing.
        SettingError: not exactly one of score and reason, a score that is not finite, an architecture that was not
            asked for, or one that was told another score.
    """
    if (score is None) == (reason is None):
        raise SettingError("Pass either a score, or --failed with the reason.")
    if score is not None and not math.isfinite(score):
        raise SettingError(f"A score must be a finite number, but got {score}: report a failure with --failed REASON.")
    waiting = _waiting(session.folder / ASKED_FILE)
    arch = session.space.canonical(session.space.parse(text))
    if as_digits(arch, session.space.choices) not in waiting["asked"]:
        shown = quoted(", ".join(waiting["asked"][:8]) + (", ..." if len(waiting["asked"]) > 8 else ""))
        raise SettingError(
            f"The architecture {text!r} was not requested. "
            + (f"Asked for: {shown}." if shown else "Nothing is asked for now: run `archsieve ask` on the folder.")
        )
    if waiting["estimator"] not in {leaf.name for leaf in _told_by_hand(plan)}:
        raise RunFolderError(
            f"The file {session.folder / ASKED_FILE} waits for scores of {quoted(waiting['estimator'])!r}, which is "
            f"not an estimator `told` of this plan: run `archsieve ask` on the folder."
        )
    estimator = _named(plan, waiting["estimator"])
    stored = math.nan if score is None else _measure(plan, estimator.name).value(score)
    session.tell(estimator, arch, stored, reason)


def _waiting(path: Path) -> dict[str, Any]:
    """Return the pending request: an estimator's name and architectures as digits; empty without the file.

    Raises:
        RunFolderError: the file is damaged.
    """
    waiting = read_json(path) if path.exists() else {"estimator": "", "asked": []}
    if not isinstance(waiting, dict) or not fits(waiting, "Waiting", _WAITING):
        raise RunFolderError(f"The file {path} is damaged: run `archsieve ask` on the folder, which writes it again.")
    return waiting


_WAITING = {"Waiting": {"estimator": "str", "asked": "tuple[str, ...]"}}


def _told_by_hand(plan: Plan) -> list[Told]:
    leaves = (leaf for estimator in estimators_of(plan) for leaf in leaves_of(estimator))
    return list(dict.fromkeys(leaf for leaf in leaves if isinstance(leaf, Told)))


def _named(plan: Plan, name: str) -> Told:
    """Return the plan's told estimator of that name.

    Raises:
        SettingError: several have it, with different settings.
    """
    named = [leaf for leaf in _told_by_hand(plan) if leaf.name == name]
    if len(named) != 1:
        raise SettingError(
            f"Estimators of this plan that are told as {name!r}, each with other settings: {len(named)}. Give each its "
            f"own `what`."
        )
    return named[0]


def _measure(plan: Plan, name: str) -> Measure:
    """Return the name and direction of the told value."""
    return measure_of(plan.task) if _named(plan, name).is_metric else Measure()


def _pace(plan: Plan, name: str) -> str:
    """Return the batch size of the search in that estimator's stage."""
    searches: list[Any] = [
        stage.search
        for stage in plan.stages
        if stage.search is not None and any(leaf.name == name for leaf in leaves_of(stage.estimator))
    ]
    if not searches or not hasattr(searches[0], "batch"):
        return ""
    searcher = searches[0]
    first = f" after its first {searcher.population}" if hasattr(searcher, "population") else ""
    return f"{getattr(searcher, 'name', 'The search')} asks for {searcher.batch} at a time{first} (setting `batch`)."
