"""The column of architectures of a foreign file, in all its notations, and what columns of sizes say of it."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.files import fault, shown
from archsieve.errors import ArchitectureError
from archsieve.spaces.contract import check
from archsieve.spaces.sizes import size_of
from archsieve.values import field_values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture, SearchSpace

NOTATIONS = ("space", "own")
"""Of codes, beside the names of the space's `number_orders`."""
_BRACKETS = re.compile(r"\s*[(\[]\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*,?\s*[)\]]\s*")


def numbers_of(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return a column as numbers, empty fields as NaN; None where it is one of text."""
    try:
        column = field_values(values)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if np.isnan(column).all() else column


def read_codes(path: Path, space: SearchSpace, values: Sequence[Any], notation: str) -> list[Architecture]:
    """Return the codes of a column written in the space's notation, as digits, or as numbers in brackets or lists.

    Raises:
        DataError: one is no architecture, or nothing says whose order of edges numbers in brackets have.
    """
    has_brackets = any(_BRACKETS.fullmatch(v) if isinstance(v, str) else isinstance(v, list | tuple) for v in values)
    orders = space.number_orders
    if has_brackets and not notation and orders:
        others = " or ".join(order.title for order in orders.values())
        raise fault(
            path,
            f"writes networks as numbers in brackets, whose order of decisions and options may be {others} or this "
            f"space's own ({_hint(path, space, values)}): pass --notation {' or --notation '.join([*orders, 'own'])}",
        )
    if notation and notation not in (*NOTATIONS, *orders):
        raise fault(path, f"cannot be read with the notation {notation!r}: {space.name} has none of that name")
    width = max((len(t) for v in values if (t := str(v).strip()).isdigit()), default=0)
    return [_code(path, space, value, notation, width, row) for row, value in enumerate(values, 1)]


def _code(path: Path, space: SearchSpace, value: Any, notation: str, width: int, row: int) -> Architecture:
    """Return one code; leading zeros that a spreadsheet removed are restored."""
    text = str(list(value)) if isinstance(value, list | tuple | np.ndarray) else str(value).strip()
    length, order = len(space.choices), space.number_orders.get(notation)
    try:
        if numbers := _BRACKETS.fullmatch(text):
            options = tuple(int(number) for number in numbers[1].split(","))
            return order.read(options) if order else check(space, options, text)
        if text.isdigit() and order:
            return order.read([int(digit) for digit in text.zfill(width)])
        if text.isdigit() and len(text) < width == length:
            text = text.zfill(length)
        return space.parse(text)
    except ArchitectureError as error:
        raise fault(path, f"holds {shown(value)} in row {row}, which is wrong: {str(error).rstrip('.')}") from error


def _hint(path: Path, space: SearchSpace, values: Sequence[Any]) -> str:
    """Return a sentence on which of two notations the size columns support."""
    raw = read_columns(path)
    for title in raw:
        if is_size(title) and (column := numbers_of(raw[title])) is not None:
            names = (*space.number_orders, "own")
            agreed = {n: _agreement(space, read_codes(path, space, values, n), column) for n in names}
            best, *others = sorted(agreed, key=lambda name: -agreed[name])
            if agreed[best] - agreed[others[0]] > 0.05:
                return f"its column {title!r} speaks for {best}"
    return "nothing in it tells"


def is_size(title: str) -> bool:
    """Whether a column with this title holds parameters or multiply-adds."""
    return re.search(r"param|flop|macs", title.lower()) is not None


def _agreement(space: SearchSpace, archs: Sequence[Architecture], sizes: NDArray[np.float64]) -> float:
    """Return the rank correlation of a size column with the multiply-adds of these codes."""
    from scipy.stats import spearmanr

    task: Any = SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10)  # the ranking is the same for other forms
    macs = np.array([size_of(space, arch, task, "macs") for arch in archs], dtype=float)
    known = np.isfinite(sizes)
    if known.sum() < 20 or np.ptp(macs[known]) == 0 or np.ptp(sizes[known]) == 0:
        return float("nan")
    return float(spearmanr(macs[known], sizes[known]).statistic)


def check_sizes(path: Path, space: SearchSpace, table: Table) -> None:
    """Check that columns of parameters or multiply-adds match the codes; a wrong notation fails this.

    Raises:
        DataError: they are not.
    """
    if not space.number_orders:
        return
    for title, column in table.columns.items():
        known = column[np.isfinite(column)]
        if is_size(title) and len(known) > 1 and np.ptp(known) == 0:
            raise fault(path, f"holds the same size for all of its networks in its column {title!r}")
        if is_size(title) and (agreed := _agreement(space, table.archs, column)) < 0.9:
            raise fault(
                path,
                f"holds sizes in its column {title!r} that are not those of its codes (rank correlation {agreed:.2f}): "
                f"its codes have another order of operations or edges. See --notation",
            )
