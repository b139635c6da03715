"""Training, validation and test splits: given, or drawn by seed with class proportions preserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from archsieve.errors import DataError, SettingError
from archsieve.randomness import generator
from archsieve.registry import near_miss
from archsieve.tasks.contract import SPLITS
from archsieve.values import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from archsieve.tasks.contract import Split

POOL, VALIDATION, TEST = 0, 1, 2
"""Of an item whose split is given; those of the pool train, or are drawn for a split of which none are given."""

_WORDS = {"train": POOL, "training": POOL, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION}
_WORDS |= {"dev": VALIDATION, "test": TEST, "testing": TEST}


@dataclass(frozen=True, eq=False)
class Parts:
    """The indices of the items of each split."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def of(self, split: Split) -> NDArray[np.int64]:
        """Return the indices of a split.

        Raises:
            SettingError: an unknown split.
        """
        if split not in SPLITS:
            raise SettingError(f"There is no split {split!r}.{near_miss(str(split), SPLITS)}")
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


class Fractions(NamedTuple):
    """The settings for drawing splits: shares of the pool in [0, 1), and the seed."""

    validation: float
    test: float
    seed: int


def codes_of(words: Sequence[str], where: str, place: Callable[[int], str]) -> NDArray[np.int8]:
    """Return the split that each word names; "val" and "dev" mean validation.

    Raises:
        DataError: a word names none; `where` and `place(index)` are what the message calls column and item.
    """
    codes = np.empty(len(words), dtype=np.int8)
    for index, word in enumerate(words):
        code = _WORDS.get(str(word).strip().lower())
        if code is None:
            raise DataError(
                f"{where} must say train, validation or test, but says {str(word)!r} in {place(index)}."
                f"{near_miss(str(word), SPLITS)}"
            )
        codes[index] = code
    return codes


def parted(
    name: str,
    count: int,
    fractions: Fractions,
    *,
    given: NDArray[np.int8] | None = None,
    strata: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Parts:
    """Return the splits.

    A split that is given stays as it is. Of one that is not, the share `fractions` of the pool is drawn by seed.

    Args:
        name: what messages call the data.
        count: number of items.
        fractions: shares and seed.
        given: `POOL`, `VALIDATION` or `TEST` for each item; None: all are in the pool.
        strata: class of each item, so that each is drawn in its proportion; None: they are drawn alike.
        groups: a number for each item; items of one number come into the same split.

    Raises:
        SettingError: a split would have no or one item.

    >>> parts = parted("tens", 10, Fractions(0.2, 0.2, seed=0))
    >>> [len(parts.of(split)) for split in SPLITS]
    [6, 2, 2]
    """
    codes = np.zeros(count, dtype=np.int8) if given is None else given
    order = _order(np.flatnonzero(codes == POOL), fractions.seed, strata, groups)
    chosen: list[NDArray[np.int64]] = []
    begin = 0
    for code, share in ((TEST, fractions.test), (VALIDATION, fractions.validation)):
        part = np.flatnonzero(codes == code)
        if not len(part):
            length = round(exact(share) * len(order))
            part = _whole_groups(order[begin : begin + length], codes, groups)
            begin += length
        chosen.append(part)
    test, validation = chosen
    parts = Parts(_whole_groups(order[begin:], codes, groups), validation, test)
    _check(name, count, parts, fractions)
    return parts


def _order(
    pool: NDArray[np.int64], seed: int, strata: NDArray[np.int64] | None, groups: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return the pool, one item per group, in an order whose every prefix has the class proportions."""
    if groups is not None:
        pool = pool[np.sort(np.unique(groups[pool], return_index=True)[1])]
    order = generator(seed, "split").permutation(pool)
    if strata is None or not len(order):
        return order
    classes = strata[order]
    by_class = np.argsort(classes, kind="stable")
    _, starts, counts = np.unique(classes[by_class], return_index=True, return_counts=True)
    place = np.empty(len(order))
    place[by_class] = (np.arange(len(order)) - np.repeat(starts, counts) + 0.5) / np.repeat(counts, counts)
    return order[np.argsort(place, kind="stable")]


def _whole_groups(
    part: NDArray[np.int64], codes: NDArray[np.int8], groups: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return a part extended by the pool's other items of its groups."""
    if groups is None:
        return part
    more = np.flatnonzero((codes == POOL) & np.isin(groups, groups[part]))
    return np.concatenate([part, np.setdiff1d(more, part)])


def _check(name: str, count: int, parts: Parts, fractions: Fractions) -> None:
    if not len(parts.train):
        raise SettingError(f"No item of the {count:,} of {name} is left to train on: give more data, or lower shares.")
    for split, share in (("validation", fractions.validation), ("test", fractions.test)):
        size = len(parts.of(split))  # type: ignore[arg-type]
        if size == 1 or (share > 0 and not size):
            raise SettingError(
                f"The split {split!r} of the {count:,} items of {name} has {size} item{'s' * (size != 1)}, on which "
                f"nothing can be scored: raise {split}_fraction, which is {share:g}, or give more data."
            )
