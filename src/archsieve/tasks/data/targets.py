"""Checking of targets, and their conversion to numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve.errors import DataError, SettingError
from archsieve.registry import near_miss
from archsieve.tasks.data.scenes import IGNORED
from archsieve.values import number_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_FEW = 20  # different numbers, from which on half as many as items look like no classes


class Targets(NamedTuple):
    """The targets, and the names of the classes, labels or values.

    `values` are int64 (n,) for classes, whole numbers (n, H, W) for pixels, else float32 (n, k).
    """

    values: NDArray[Any]
    names: tuple[str, ...]


class Place(NamedTuple):
    """The names of the targets and of one item, for messages."""

    where: str
    item: Callable[[int], str]


def targets_of(raw: NDArray[Any], kind: str, place: Place, *, classes: int = 0, positive: str = "") -> Targets:
    """Return the targets for a task of the given kind.

    Args:
        raw: numbers or texts, shape (n,), (n, k) or (n, H, W).
        kind: see `archsieve.tasks.metrics.Kind`.
        place: for messages.
        classes: how many there are, if class numbers must be in 0..classes-1; 0: as many as there are different values.
        positive: of a binary task, the value that counts as yes; empty: the greater one.

    Raises:
        DataError: they are not of this kind; names the first that is not.
        SettingError: there is no such positive value.
    """
    if kind == "regression":
        return Targets(*_numbers(raw, place))
    if kind == "multi-label":
        return Targets(*_labels(raw, place))
    if kind == "segmentation":
        return _pixels(raw, place, classes)
    if raw.ndim != 1:
        raise DataError(
            f"{place.where} must be one class for each item, but has the shape {raw.shape}: set kind = "
            f"'multi-label' for "
            f"several zeros and ones, 'regression' for numbers, or 'segmentation' for a class of each pixel."
        )
    targets = _classes(raw, place, classes)
    return _binary(targets, place, positive) if kind == "binary" else targets


def _numbers(raw: NDArray[Any], place: Place) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    numbers = _real(raw.reshape(len(raw), -1), place, "for classes, set kind = 'classification'").astype(np.float32)
    if not np.isfinite(numbers).all():
        index = int(np.flatnonzero(~np.isfinite(numbers).all(1))[0])
        raise DataError(f"{place.where} must be finite numbers, but {_shown(raw[index])} is in {place.item(index)}.")
    return numbers, tuple(map(str, range(numbers.shape[1])))


def _labels(raw: NDArray[Any], place: Place) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    numbers = _real(raw.reshape(len(raw), -1), place, "each label is 0 or 1")
    wrong = ~np.isin(numbers, (0, 1)).all(1)
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{place.where} must be zeros and ones, but {_shown(raw[index])} is in {place.item(index)}.")
    return numbers.astype(np.float32), tuple(map(str, range(numbers.shape[1])))


def _real(raw: NDArray[Any], place: Place, advice: str) -> NDArray[Any]:
    if raw.dtype.kind in "biuf":
        return raw
    for index, text in enumerate(raw.ravel().tolist()):
        try:
            number_in(text.decode() if isinstance(text, bytes) else str(text))
        except (TypeError, ValueError):
            item = place.item(index // max(1, raw.shape[1]))
            raise DataError(f"{place.where} must be numbers, but {text!r} is in {item}: {advice}.") from None
    return raw.astype(np.float64)


def _classes(raw: NDArray[Any], place: Place, classes: int) -> Targets:
    """Return class numbers: the given ones, or the indices of the sorted values."""
    values = _whole(raw, place) if raw.dtype.kind == "f" else raw
    names, numbers = np.unique(values, return_inverse=True)
    if classes:
        if values.dtype.kind not in "biu":
            raise DataError(
                f"{place.where} must be whole numbers where `classes` is given, but {_shown(names[0])} is there."
            )
        wrong = np.flatnonzero((values < 0) | (values >= classes))
        if len(wrong):
            raise DataError(
                f"The label {values[wrong[0]]} in {place.item(int(wrong[0]))} is not in 0..{classes - 1}, which "
                f"classes={classes} says of {place.where}."
            )
        return Targets(values.astype(np.int64), tuple(map(str, range(classes))))
    if len(names) == 1:
        raise DataError(
            f"{place.where} must be of several classes, but {_shown(names[0])} is the only one: there is nothing to "
            f"tell apart."
        )
    if raw.dtype.kind != "b" and len(names) > max(_FEW, len(values) // 2):
        raise DataError(
            f"{place.where} has {len(names):,} different values in {len(values):,} items, too many for classes: set "
            f"kind = 'regression' if they are numbers to predict, or name another target."
        )
    return Targets(numbers.astype(np.int64).reshape(-1), tuple(map(str, names.tolist())))


def _whole(raw: NDArray[Any], place: Place) -> NDArray[np.int64]:
    """Return class numbers given as floats, such as 2.0, as integers."""
    wrong = np.flatnonzero(~np.isfinite(raw) | (raw != np.round(raw)) | (np.abs(raw) > 2**53))
    if len(wrong):
        index = int(wrong[0])
        raise DataError(
            f"{place.where} must be classes, but {_shown(raw[index])} is in {place.item(index)}: set "
            f"kind = 'regression' if numbers are to be predicted."
        )
    return raw.astype(np.int64)


def _binary(targets: Targets, place: Place, positive: str) -> Targets:
    names = targets.names
    if len(names) != 2:
        listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(f"{place.where} must have two values for kind = 'binary', but has {len(names)}: {listed}.")
    if positive and positive not in names:
        raise SettingError(f"There is no class {positive!r} in {place.where} to be the positive one: it has {names}.")
    values = targets.values if not positive or positive == names[1] else 1 - targets.values
    ordered = names if not positive or positive == names[1] else names[::-1]
    return Targets(values.astype(np.float32)[:, np.newaxis], ordered)


def _pixels(raw: NDArray[Any], place: Place, classes: int) -> Targets:
    if raw.ndim != 3 or raw.dtype.kind not in "biu":
        raise DataError(
            f"{place.where} must be whole numbers of the shape (n, height, width), a class for each pixel and "
            f"{IGNORED} for none, but has the shape {raw.shape} of {raw.dtype}."
        )
    used = raw[raw != IGNORED]
    most = classes or (int(used.max()) + 1 if used.size else 0)
    wrong = ((raw < 0) | (raw >= most)) & (raw != IGNORED)
    if wrong.any():
        index = int(np.flatnonzero(wrong.any((1, 2)))[0])
        number = raw[index][wrong[index]][0]
        raise DataError(f"The label {number} in {place.item(index)} of {place.where} is not in 0..{most - 1}.")
    if most < 2:
        raise DataError(f"{place.where} has {most} classes: there is nothing to tell apart.")
    return Targets(raw, tuple(map(str, range(most))))


def _shown(value: Any) -> str:
    """Return a value as text for people."""
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return repr(plain[0] if isinstance(plain, list) and len(plain) == 1 else plain)[:100]


def missing(name: str, names: Sequence[str], where: str) -> DataError:
    """Return the error for a missing column or array, with the nearest names."""
    hint = near_miss(name, names)
    if hint.startswith(" Known"):
        hint = f" It has {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}."
    return DataError(f"There is no {name!r} in {where}.{hint}")
