"""The front of a search with several objectives: the last stage's networks, and the non-dominated ones."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._reading import fits
from archsieve.errors import RunFolderError, SettingError
from archsieve.estimators.contract import scores_metric
from archsieve.fronts import fronts_of
from archsieve.runs.folder import RESULT_FILE, read_json, read_outcome, rounds_of
from archsieve.runs.results import Front, Objective, Trade
from archsieve.searchers.contract import order_best_first
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import Measure, measure_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.session import Session
    from archsieve.searchers.contract import Round, Stage
    from archsieve.tasks.contract import Task

_BOUND = re.compile(
    r"\s*([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)\s*([a-zA-Z\u00b5\u03bc]*)((?:\s+\S+)*)\s*", re.ASCII
)
_UNITS = {
    "us": ("ms", 1e-3),
    "\u00b5s": ("ms", 1e-3),
    "\u03bcs": ("ms", 1e-3),
    "ms": ("ms", 1.0),
    "s": ("ms", 1e3),
    "kB": ("MB", 1e-3),
    "MB": ("MB", 1.0),
    "GB": ("MB", 1e3),
}
"""Units of a bound: the unit that an objective is read in, and how many of it."""


def measure_of_objective(objective: AnyEstimator, task: Task) -> Measure:
    """Return the measure of an objective as shown to readers."""
    own = getattr(objective, "measure", None)
    if isinstance(own, Measure):
        return own
    return measure_of(task) if scores_metric(objective) else Measure(objective.name)


def front_of(stage: Stage, latest: Round, session: Session) -> Front | None:
    """Return the front of a multi-objective stage: every network of its round with all objectives scored.

    The non-dominated networks come first, by their first objective; None where the stage has no objectives.
    """
    objectives: tuple[AnyEstimator, ...] = tuple(getattr(stage.estimator, "objectives", ()))
    if not objectives:
        return None
    codes = [tuple(code) for code in latest.archs.tolist()]
    scores = session.scores(objectives, codes)
    fronts = fronts_of(scores)
    order = order_best_first(latest.scores)
    measures = _told_apart(objectives, session.task)
    networks = [
        Trade(
            architecture=as_digits(codes[place], session.space.choices),
            code=codes[place],
            values=tuple(m.value(float(score)) for m, score in zip(measures, scores[place], strict=True)),
            is_best=bool(fronts[place] == 0),
            rank=rank,
        )
        for rank, place in enumerate(order.tolist(), 1)
        if np.isfinite(scores[place]).all()
    ]
    named = zip(objectives, measures, strict=True)
    return Front(
        tuple(Objective(each.name, measure.name, measure.higher_is_better) for each, measure in named),
        tuple(sorted(networks, key=lambda network: not network.is_best)),
    )


def _told_apart(objectives: tuple[AnyEstimator, ...], task: Task) -> list[Measure]:
    """Return what the scores of each objective are to a reader; titles that are alike get the estimator's name."""
    measures = [measure_of_objective(objective, task) for objective in objectives]
    counts = Counter(measure.name for measure in measures)
    return [
        replace(measure, name=f"{measure.name}, {objective.name}") if counts[measure.name] > 1 else measure
        for objective, measure in zip(objectives, measures, strict=True)
    ]


def on_front(stage: Stage, latest: Round) -> set[int]:
    """Return the positions of a round's non-dominated networks, whose weights are kept."""
    if not getattr(stage.estimator, "objectives", ()):
        return set()
    return set(np.flatnonzero(latest.scores >= 0).tolist())


def rank_under(folder: Path, bound: str) -> int:
    """Return the last-stage rank of the best network by the first objective within a bound such as "8ms".

    Of a search without objectives under a measured limit, it is the best network of the last stage within the bound.

    Raises:
        RunFolderError: the folder holds no finished search with objectives or a measured limit.
        SettingError: the bound is no number with a unit of one of the objectives, or no network is within.
    """
    result = read_json(folder / RESULT_FILE)
    if isinstance(result, dict) and result.get("front") is None and result.get("limit") is not None:
        return _rank_within_limit(folder, bound)
    front = _front_in(folder, result)
    number, place, word = _bound(bound, front["objectives"])
    within = [network for network in front["networks"] if network["values"][place] <= number]
    if not within:
        lowest = min((network["values"][place] for network in front["networks"]), default=float("nan"))
        raise _none_under(folder, bound, lowest, word)
    first = front["objectives"][0]["higher_is_better"]
    best = max(within, key=lambda network: (network["values"][0] * (1 if first else -1), -network["values"][place]))
    return int(best["rank"])


def _none_under(folder: Path, bound: str, lowest: float, word: str) -> SettingError:
    return SettingError(f"No network of {folder} is under {bound.strip()}: the lowest has {lowest:.4g} {word}.")


def _rank_within_limit(folder: Path, bound: str) -> int:
    """Return the rank of the best network of the last stage that took no longer than a bound."""
    result = read_outcome(folder)
    values: Any = result["limit"].get("values") if isinstance(result["limit"], dict) else None
    if not fits(values, "dict[str, float]", {}):
        raise RunFolderError(
            f"The result of {folder} does not say what each network takes: run the search again, which recalls it."
        )
    number, _, word = _bound(bound, [{"title": "latency in ms", "higher_is_better": False}])
    rounds, _ = rounds_of(folder, result) if result["stages"] else ([], {})
    ranked = [result["code"] or ()]  # a single candidate is not scored
    if rounds:
        count = int(np.isfinite(rounds[-1].scores).sum())
        ranked = rounds[-1].archs[order_best_first(rounds[-1].scores)[:count]].tolist()
    taken = [values.get(_digits_in(values, arch), math.nan) for arch in ranked]
    within = [rank for rank, value in enumerate(taken, 1) if value <= number]
    if not within:
        raise _none_under(folder, bound, min((v for v in taken if not math.isnan(v)), default=math.nan), word)
    return within[0]


def _digits_in(values: Mapping[str, float], arch: Sequence[int]) -> str:
    """Return an architecture in the notation that the keys have: options of one digit without a mark between them."""
    joined = "".join(map(str, arch))
    return joined if joined in values else "-".join(map(str, arch))


def _front_in(folder: Path, result: Any) -> Mapping[str, Any]:
    front = result.get("front") if isinstance(result, dict) else None
    if front is None:
        raise RunFolderError(
            f"The search in {folder} had no `objectives` and no limit of latency, or one network only, so a bound "
            f"cannot choose: use --rank."
        )
    if not fits(front, "Front", _RECORDS) or not all(
        len(network["values"]) == len(front["objectives"]) for network in front["networks"]
    ):
        raise RunFolderError(f"The file {folder / RESULT_FILE} is damaged. Delete it and run the search again.")
    return front  # type: ignore[no-any-return]


_RECORDS = {
    "Front": {"objectives": "tuple[Objective, ...]", "networks": "tuple[Trade, ...]"},
    "Objective": {"estimator": "str", "title": "str", "higher_is_better": "bool"},
    "Trade": {
        "architecture": "str",
        "code": "tuple[int, ...]",
        "values": "tuple[float, ...]",
        "is_best": "bool",
        "rank": "int",
    },
}


def _bound(text: str, objectives: list[dict[str, Any]]) -> tuple[float, int, str]:
    """Return a bound in the unit of its objective, that objective's index, and the unit.

    Raises:
        SettingError: it is no number with the unit of an objective of which lower is better.
    """
    match = _BOUND.fullmatch(text)
    unit, factor = _UNITS.get(match[2], (match[2], 1.0)) if match else ("", 1.0)
    lower = [place for place, objective in enumerate(objectives) if not objective["higher_is_better"]]
    words = {unit, *(_words(match[3]) if match else ())}
    fitting = [place for place in lower if unit and words <= _words(objectives[place]["title"])]
    titles = ", ".join(objectives[place]["title"] for place in lower) or "none"
    if len(fitting) > 1:
        raise SettingError(
            f"--under {text.strip()!r:.100} may be of {len(fitting)} objectives (here: {titles}): add a word of the "
            f"one that you mean, e.g. {_example(text, objectives, fitting)!r}."
        )
    if match is None or not fitting:
        raise SettingError(
            f"--under must be a number with a unit, e.g. 8ms, of an objective of which lower is better (here: "
            f"{titles}), but got {text!r:.100}."
        )
    return float(match[1]) * factor, fitting[0], unit


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^\w\u00b5\u03bc]+", text) if word}


def _example(text: str, objectives: list[dict[str, Any]], fitting: list[int]) -> str:
    """Return a bound with the words that the last of several objectives alone has."""
    *others, last = (_words(objectives[place]["title"]) for place in fitting)
    own = sorted(last.difference(*others), key=len)
    return " ".join([text.strip(), *own[-1:]])
