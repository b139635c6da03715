"""How well the scores in a user's own file rank the truth in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.judging.judgement import TOP, Subject, check_settings, judgements_of
from archsieve.judging.score_files import read_scores
from archsieve.randomness import generator
from archsieve.runs.executors import Serial
from archsieve.values import check_whole, dense_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from archsieve.judging.judgement import Judgement


def judge_file(
    path: Path,
    truth: str,
    *,
    lower_is_better: Collection[str] = (),
    epsilon: float = 0.1,
    bootstraps: int = 0,
    seed: int = 0,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[Judgement]:
    """Return a judgement of every column of numbers in a CSV, TSV or parquet file against its column `truth`.

    Rows without a truth are left out; an empty field or "nan" in another column is an architecture that could not be
    scored. Partial correlations use a column "params", if there is one. Chance is judged too. `read_scores` of
    `archsieve.judging.score_files` says what else is left out; `note` is called with sentences on it.
    `lower_is_better` names columns of losses, latencies and the like, the truth among them or not. The rest is as in
    `judge`.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file cannot be read, or cannot be read in one way only.
        UnknownNameError: there is no such column.
        SettingError: there are too few rows, or there is nothing to judge.
    """
    check_settings(epsilon, bootstraps)
    check_whole("seed", seed, 0)
    table = read_scores(path, (truth, *lower_is_better))
    for sentence in table.notes:
        note(sentence)
    numbers = {name: -column if name in lower_is_better else column for name, column in table.numbers.items()}
    has_truth = np.isfinite(numbers[truth])
    if has_truth.sum() < TOP:
        raise SettingError(f"The column {truth!r} of {path} has {has_truth.sum()} numbers, but {TOP} are needed.")
    if len(numbers) < 2:
        raise SettingError(f"The file {path} has no column of numbers beside {truth!r}: there is nothing to judge.")
    values = numbers.pop(truth)[has_truth]
    numbers.setdefault("chance", generator(seed, "noise", "chance").random(len(has_truth)))
    scores = np.stack([column[has_truth] for column in numbers.values()], axis=1)
    params = numbers["params"][has_truth] if "params" in numbers else None
    subject = Subject(values, dense_ranks(values), path.name, truth, None, params, epsilon, bootstraps, seed)
    return judgements_of(list(numbers), scores, subject, Serial())
