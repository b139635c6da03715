"""How well estimators rank what has a known truth: a space with a table, or a file of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve import metrics
from archsieve.benchmark import find_benchmark
from archsieve.benchmarks.files import fault, read_columns, shown
from archsieve.errors import MissingDataError, SettingError, UnknownNameError
from archsieve.registry import near_miss

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.session import Session

TOP, BAND = 10, 20


@dataclass(frozen=True)
class Judgement:
    """An estimator against a table's truth, over `count` codes.

    `tau` is tau-b; `ndcg` that of the top hundredth, in [0, 1]; `precision_at_10` in [0, 1]; `best_rank_at_10` in
    1..count; `regret_at_10` in the truth's unit. `mkr` is the minimum keeping ratio, in [1/count, 1], lower is better,
    and `mkr_band` its least, median and greatest value had each of the twenty truly best been the optimum. `failures`
    could not be scored and rank last. A correlation is None where one side is constant.
    """

    estimator: str
    tau: float | None
    spearman: float | None
    weighted_tau: float | None
    ndcg: float
    precision_at_10: float
    best_rank_at_10: int
    regret_at_10: float
    mkr: float
    mkr_band: tuple[float, float, float]
    count: int
    failures: int
    benchmark: str
    truth: str


def judge(
    session: Session,
    estimators: Sequence[Any],
    *,
    truth: str | None = None,
    benchmark: str | None = None,
    distinct: bool = False,
) -> list[Judgement]:
    """Return a judgement of each estimator over all codes of the session's space that a table knows.

    Args:
        session: scores the codes.
        estimators: what to judge.
        truth: the column; the benchmark's own unless given.
        benchmark: the table; the first one present unless given.
        distinct: over one code a network, the canonical one, instead of all codes.

    Raises:
        UnknownNameError: no such benchmark or column.
        MissingDataError: the table's file is not there.
    """
    recipe = find_benchmark(session.space, truth, benchmark)
    table, column = recipe.load(), truth or str(recipe.truth)
    values = table.lookup(column, table.archs)
    archs = [
        arch
        for arch, value in zip(table.archs, values, strict=True)
        if not np.isnan(value) and (not distinct or session.space.canonical(arch) == arch)
    ]
    if len(archs) < TOP:
        raise SettingError(f"The column {column!r} of {recipe.name} knows {len(archs)} codes, but {TOP} are needed.")
    known = table.lookup(column, archs)
    scores = session.scores(estimators, archs)
    return [
        _judgement(estimator.name, column_scores, known, recipe.name, column)
        for estimator, column_scores in zip(estimators, scores.T, strict=True)
    ]


def judge_file(path: Path, truth: str) -> list[Judgement]:
    """Return a judgement of every column of numbers in a CSV or parquet file against its column `truth`.

    Columns of text name the rows and are left out, and so are rows without a truth; an empty field or "nan" in another
    column is an architecture that could not be scored.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file cannot be read, or a column holds numbers and text.
        UnknownNameError: there is no such column.
        SettingError: there are too few rows, or nothing to judge.
    """
    if not path.is_file():
        raise MissingDataError(f"There is no file {str(path)!r}.")
    raw = read_columns(path)
    if truth not in raw:
        raise UnknownNameError(f"The file {path} has no column {truth!r}.{near_miss(truth, raw)}")
    numbers = {name: column for name, values in raw.items() if (column := _numbers(path, name, values)) is not None}
    if truth not in numbers:
        raise fault(path, f"holds no numbers in its column {truth!r}")
    known = np.isfinite(numbers[truth])
    if known.sum() < TOP:
        raise SettingError(f"The column {truth!r} of {path} has {known.sum()} numbers, but {TOP} are needed.")
    if len(numbers) < 2:
        raise SettingError(f"The file {path} has no column of numbers beside {truth!r}: nothing to judge.")
    values = numbers.pop(truth)[known]
    return [_judgement(name, column[known], values, path.name, truth) for name, column in numbers.items()]


def _numbers(path: Path, name: str, values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return a column as numbers, what is empty as NaN; None where no field is a number."""
    found, wrong = np.full(len(values), np.nan), []
    for row, value in enumerate(values):
        try:
            found[row] = np.nan if value is None or value == "" else float(value)
        except (TypeError, ValueError):
            wrong.append(row)
    if wrong and np.isfinite(found).any():
        raise fault(path, f"holds {shown(values[wrong[0]])} in column {name!r}, item {wrong[0] + 1}, among numbers")
    return None if wrong else found


def _judgement(
    name: str, scores: NDArray[np.float64], known: NDArray[np.float64], benchmark: str, truth: str
) -> Judgement:
    ratios = metrics.keeping_ratios(scores, known, min(BAND, len(known)))
    return Judgement(
        estimator=name,
        tau=_number(metrics.kendall_tau(scores, known)),
        spearman=_number(metrics.spearman(scores, known)),
        weighted_tau=_number(metrics.weighted_tau(scores, known)),
        ndcg=metrics.ndcg_at_k(scores, known, max(1, len(known) // 100)),
        precision_at_10=metrics.precision_at_k(scores, known, TOP),
        best_rank_at_10=metrics.best_rank_at_k(scores, known, TOP),
        regret_at_10=metrics.regret_at_k(scores, known, TOP),
        mkr=metrics.minimum_keeping_ratio(scores, known),
        mkr_band=(float(ratios.min()), float(np.median(ratios)), float(ratios.max())),
        count=len(known),
        failures=int(np.isnan(scores).sum()),
        benchmark=benchmark,
        truth=truth,
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
