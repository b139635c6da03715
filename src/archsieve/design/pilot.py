"""A pilot: a sample of networks with known truth, used to test which of its best networks a chain of cuts keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsieve.benchmarks.files import code, fault
from archsieve.errors import SettingError, UnknownNameError
from archsieve.judging.number_text import read_numbers
from archsieve.judging.score_files import read_table
from archsieve.registry import listed, near_miss
from archsieve.searchers.contract import count_kept
from archsieve.values import dense_ranks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

CODES = "architecture"
_DIGITS = 10_000  # fractions kept are rounded up to a ten-thousandth

Chain: TypeAlias = "tuple[tuple[int, float], ...]"
"""Stages as (column of the estimator, fraction it keeps)."""


def read_pilot(path: Path, space: SearchSpace, truth: str | None) -> tuple[list[Architecture], NDArray[np.float64]]:
    """Return the codes and truth, shape (n,), of a file with an "architecture" column in the space's notation.

    Rows without a truth are left out. The truth is the column of that name, or the only other one.

    Raises:
        MissingDataError: there is no such file.
        UnknownNameError: it has no such column.
        DataError: a field is no architecture or no number, or a network is there twice.
    """
    table = read_table(path)
    columns = {title: table.values[title] for title in table.titles}
    for needed in (CODES,) if truth is None else (CODES, truth):
        if needed not in columns:
            raise UnknownNameError(f"The file {path} has no column {needed!r}.{near_miss(needed, columns)}")
    others = [name for name in columns if name != CODES]
    if truth is None and len(others) != 1:
        which = "name the one with the truth with --truth" if others else "one with the truth is needed"
        raise SettingError(f"The file {path} has the columns {listed(columns)}: {which}.")
    name = others[0] if truth is None else truth
    numbers = read_numbers(path, {name: columns[name]}, table.places).get(name)
    if numbers is None:
        raise fault(path, f"holds no numbers in its column {name!r}")
    values: dict[Architecture, float] = {}
    for text, value in zip(columns[CODES], numbers.tolist(), strict=True):
        if math.isnan(value):
            continue
        arch = space.canonical(code(path, space.parse, text))
        if arch in values:
            raise fault(path, f"holds the network {text} twice")
        values[arch] = value
    return list(values), np.array(list(values.values()))


class Pilot:
    """A pilot, sorted best first; `alive` (b, n) marks the networks that remain in the copy of each stand-in."""

    def __init__(self, scores: NDArray[np.float64], truth: NDArray[np.float64]) -> None:
        order = np.argsort(-truth, kind="stable")
        self.truth = truth[order]
        self._ranks = np.stack([dense_ranks(column) for column in scores[order].T])
        self._orders = np.argsort(-self._ranks, axis=1, kind="stable")
        self._places = np.argsort(self._orders, axis=1, kind="stable")

    def below(self, stand_ins: NDArray[np.intp], without: int | None = None) -> NDArray[np.bool_]:
        """Return the networks no better than each stand-in, itself included, without the network `without`."""
        alive: NDArray[np.bool_] = self.truth[None, :] <= self.truth[stand_ins][:, None]
        if without is not None:
            alive[:, without] = False
        return alive

    def tightest(self, alive: NDArray[np.bool_], stand_ins: NDArray[np.intp], estimator: int) -> float:
        """Return the smallest fraction to keep at which every stand-in survives; ties count against it."""
        shares = self._better(alive, stand_ins, estimator) / alive.sum(axis=1)
        return math.ceil(float(shares.max()) * _DIGITS - 1e-6) / _DIGITS

    def cut(
        self, alive: NDArray[np.bool_], stand_ins: NDArray[np.intp], estimator: int, keep: float
    ) -> NDArray[np.bool_]:
        """Return the survivors when that fraction is kept; the stand-in always survives, even in a tie."""
        in_order = alive[:, self._orders[estimator]]
        survivors_in_order = in_order & (in_order.cumsum(axis=1) <= _counts(alive, keep)[:, None])
        survivors = survivors_in_order[:, self._places[estimator]]
        survivors[np.arange(len(stand_ins)), stand_ins] = True
        return survivors

    def keeps(self, stand_in: int, chain: Chain) -> bool:
        """Return whether a chain keeps a stand-in."""
        who = np.array([stand_in])
        alive = self.below(who)
        for estimator, keep in chain:
            if self._better(alive, who, estimator)[0] > _counts(alive, keep)[0]:
                return False
            alive = self.cut(alive, who, estimator, keep)
        return True

    def _better(self, alive: NDArray[np.bool_], stand_ins: NDArray[np.intp], estimator: int) -> NDArray[np.intp]:
        """Return how many remaining networks score at least as high as each stand-in."""
        ranks = self._ranks[estimator]
        better: NDArray[np.intp] = ((ranks[None, :] >= ranks[stand_ins][:, None]) & alive).sum(axis=1)
        return better


def _counts(alive: NDArray[np.bool_], keep: float) -> NDArray[np.intp]:
    """Return how many networks a stage keeps in the copy of each stand-in."""
    present, places = np.unique(alive.sum(axis=1), return_inverse=True)
    return np.array([count_kept(keep, int(n)) for n in present], dtype=np.intp)[places]
