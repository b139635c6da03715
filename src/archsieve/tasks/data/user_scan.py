"""One pass through all items of a user's data sets: hash, targets and form, cached if the user names a revision."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from archsieve._files import replace_file
from archsieve.errors import ArchsieveError, DataError, describe_error, line_of
from archsieve.networks.inputs import parts_of
from archsieve.notices import LongPass
from archsieve.tasks.data.array_cache import cache_folder
from archsieve.tasks.data.scenes import IGNORED
from archsieve.tasks.data.user_sets import named_parts, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.networks.form import Given
    from archsieve.tasks.data.user_sets import UserSet

T = TypeVar("T")
Form = list[tuple[str | None, tuple[int, ...], int | None]]
_BATCH = 64
_LAYOUT = 1


@dataclass(frozen=True, eq=False)
class Scan:
    """The result of one pass through all items.

    Attributes:
        content: hash of all inputs and targets.
        form: name, shape and greatest token of each input; None for real numbers.
        targets: all of them; none where each is a picture of labels, of which least and most are known.
        codes: split of each item, see `archsieve.tasks.data.splits`.
    """

    content: str
    form: Form
    targets: NDArray[Any] = field(repr=False)
    codes: NDArray[np.int8] = field(repr=False)
    least_target: int = 0
    most_target: int = -1


def guarded(batches: Iterator[T], where: str) -> Iterator[T]:
    """Yield the items of a user's data set, and turn errors in its code into one sentence.

    Raises:
        DataError: its code raised, or items of one batch differ in size.
    """
    try:
        yield from batches
    except ArchsieveError:
        raise
    except Exception as error:  # whatever the user's code raises
        reason, line = describe_error(error), line_of(error, where.partition(":")[0])
        reason += f" ({line})" if line else ""
        hint = " All items need one size." if "equal size" in reason else ""
        raise DataError(f"The items of {where} cannot be read: {reason}.{hint}") from error


def scanned(sets: list[UserSet], function: str, revision: str) -> Scan:
    """Return the scan of data sets, cached if the user names a revision.

    Raises:
        DataError: an item cannot be read, or has another form than the first; the cache folder cannot be written.
    """
    if not revision:
        return _scan(sets, function)
    path = _path(function, revision)
    kept = _kept(path)
    if kept is None or len(kept.codes) != sum(map(len, sets)):
        kept = _scan(sets, function)
        _keep(path, kept)
    return kept


def _scan(sets: list[UserSet], function: str) -> Scan:
    digest = hashlib.sha256()
    targets: list[NDArray[Any]] = []
    form: Form | None = None
    least, most = 0, -1
    for each in sets:
        keys = [[(i, i) for i in range(s, min(s + _BATCH, len(each)))] for s in range(0, len(each), _BATCH)]
        progress = LongPass(f"Reading each item of {function} once", len(each))
        for place, (inputs, answers) in enumerate(guarded(read(each, keys, function), function)):
            progress.reached(place * _BATCH)
            form = _joined(form, _form(inputs), function)
            for tensor in (*parts_of(inputs), answers):
                array = tensor.numpy()
                if array.dtype == np.float32 and not np.isfinite(array).all():
                    raise DataError(f"The items of {function} must be finite numbers, but one holds NaN or infinity.")
                digest.update(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())
            if answers.dim() > 2:
                used = answers[answers != IGNORED]
                least, most = (
                    (min(least, int(used.min())), max(most, int(used.max()))) if used.numel() else (least, most)
                )
            else:
                targets.append(answers.numpy())
    codes = np.concatenate([np.full(len(each), each.code, np.int8) for each in sets])
    digest.update(codes.tobytes())
    shapes = {array.shape[1:] for array in targets}
    if len(shapes) > 1:
        raise DataError(f"The targets of {function} must have one shape, but have {sorted(shapes)}.")
    return Scan(
        digest.hexdigest(),
        form or [],
        np.concatenate(targets) if targets else np.empty(0),
        codes,
        least,
        most,
    )


def _form(inputs: Given) -> Form:
    return [(name, tuple(tensor.shape[1:]), _most(tensor)) for name, tensor in named_parts(inputs)]


def _most(tensor: Tensor) -> int | None:
    if tensor.is_floating_point():
        return None
    if int(tensor.min()) < 0:
        raise DataError(f"Inputs that are whole numbers are token ids of at least 0, but {int(tensor.min())} is there.")
    return int(tensor.max())


def _joined(before: Form | None, new: Form, function: str) -> Form:
    """Return the form with the largest token numbers so far."""
    if before is None:
        return new
    if [entry[:2] for entry in before] != [entry[:2] for entry in new]:
        raise DataError(f"The items of {function} must have one form, but there are {before} and {new}.")
    return [
        (name, shape, None if most is None or other is None else max(most, other))
        for (name, shape, most), (_, _, other) in zip(before, new, strict=True)
    ]


def _path(function: str, revision: str) -> Path:
    key = hashlib.sha256(json.dumps([_LAYOUT, function, revision]).encode()).hexdigest()[:16]
    return cache_folder() / "tasks" / f"function-{key}.npz"


def _kept(path: Path) -> Scan | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError), np.load(path, allow_pickle=False) as archive:
        plain = json.loads(str(archive["plain"]))
        form = [(name, tuple(shape), most) for name, shape, most in plain.pop("form")]
        return Scan(**plain, form=form, targets=archive["targets"], codes=archive["codes"])
    return None


def _keep(path: Path, scan: Scan) -> None:
    plain = {name: value for name, value in asdict(scan).items() if name not in ("targets", "codes")}
    try:
        with replace_file(path) as temporary, temporary.open("xb") as stream:
            np.savez(stream, plain=np.array(json.dumps(plain)), targets=scan.targets, codes=scan.codes)
    except OSError as error:
        raise DataError(
            f"Cannot write the cache folder {cache_folder()}: {error.strerror or error}. Set ARCHSIEVE_CACHE to a "
            f"folder that can be written, or leave `revision` out."
        ) from error
