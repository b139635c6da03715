"""Tables that a user made from a published file: matching rows to architectures, and the checks of that match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.files import check_different, check_no_fractions, code, fault, shown
from archsieve.benchmarks.records import Table
from archsieve.registry import listed
from archsieve.values import field_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.errors import DataError
    from archsieve.spaces.contract import Architecture, SearchSpace

CODE_COLUMN = "arch_str"
"""Title of the column of published architecture strings."""
_COMPARED, _MOST_DIFFERING = 1_000, 0.01  # rows, at equal steps, and the share of them that may have other sizes
_SIZES_COMPARED = 1_500  # rows, at equal steps
_LEAST_IN_PROPORTION, _TOLERANCE = 0.95, 0.02  # share of the sizes that are in proportion, and how nearly
_UNIT_TOLERANCE = 0.05  # of the unit of sizes


def wrong_join(path: Path, what: str, causes: str) -> DataError:
    """Return the error for a file whose values are not those of its architectures.

    Args:
        path: the file.
        what: completes the sentence "The file X ...": what shows it.
        causes: what may have gone wrong.
    """
    return fault(path, f"{what}. Its rows and their architectures do not belong together ({causes})")


def read_joined(
    path: Path,
    space: SearchSpace,
    texts: tuple[str, ...],
    needed: tuple[str, ...],
    is_published: Callable[[str], bool],
    example: str,
) -> Table:
    """Return the table of a file whose rows hold an architecture as text and numeric columns.

    Args:
        path: the CSV or parquet file.
        space: what its texts belong to.
        texts: titles of the columns whose texts, with a colon between them, are the architecture.
        needed: columns that must be there and hold numbers; further columns of numbers become columns too.
        is_published: whether a text says which edges and operations it means; digits alone do not.
        example: a text that does.

    Raises:
        DataError: the file is damaged, lacks a column, or holds an architecture twice, or another text.
    """
    raw = read_columns(path)
    require_columns(path, raw, (*texts, *needed))
    archs = []
    for parts in zip(*(raw[title] for title in texts), strict=True):
        text = ":".join(parts) if all(isinstance(part, str) for part in parts) else parts[0]
        if not isinstance(text, str) or not is_published(text):
            raise fault(
                path,
                f"holds {shown(text)} where an architecture is expected, which does not say whose order of edges and "
                f"operations it has: write the published string, such as {example!r}",
            )
        archs.append(code(path, space.parse, text))
    check_once(path, space, archs)
    return Table(tuple(archs), numbers_of(path, {name: raw[name] for name in raw if name not in texts}, needed))


def numbers_of(path: Path, raw: Mapping[str, Sequence[Any]], needed: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the numeric columns, with empty fields as NaN; text columns are omitted.

    Raises:
        DataError: one of the needed columns is text, or has no number at all.
    """
    return {n: values for n in raw if (values := _numbers(path, n, raw[n], n in needed)) is not None}


def require_columns(path: Path, raw: Mapping[str, Sequence[Any]], needed: Sequence[str]) -> None:
    """Check that a file has these columns.

    Raises:
        DataError: it lacks one.
    """
    if missing := [name for name in needed if name not in raw]:
        titles = [title if title == title.strip() else repr(title) for title in raw]
        hint = _hint(missing, raw)
        raise fault(path, f"lacks the columns {', '.join(missing)}; it has {listed(titles) or 'none'}{hint}")


def _hint(missing: Sequence[str], titles: Mapping[str, object]) -> str:
    """Return what to do about columns that a file lacks, after a full stop; empty: it has no columns."""
    if any(_is_number(title) for title in titles if title.strip()):
        return ". Its first line holds values: add a line of titles before it"
    plain = {title.strip().lower(): title for title in titles}
    near = [f"{plain[name.lower()]!r} to {name!r}" for name in missing if name.lower() in plain]
    if near:
        return f". Rename {listed(near)}"
    return ". If they have other titles in it, rename these" if titles else ""


def check_once(path: Path, space: SearchSpace, archs: Sequence[Architecture]) -> None:
    """Check that the file holds at least one architecture, and none twice.

    Raises:
        DataError: there is none, or one twice.
    """
    if not archs:
        raise fault(path, "holds no architecture")
    check_different(path, space, archs)


def check_range(path: Path, space: SearchSpace, table: Table, column: str, least: float, most: float) -> None:
    """Check that every value of a column lies in a range.

    Raises:
        DataError: one does not, or is missing.
    """
    values = table.columns[column]
    for row in np.flatnonzero(~((values >= least) & (values <= most))):
        raise fault(
            path,
            f"holds {values[row]} as {column} of {space.describe(table.archs[row])!r}, where a number from {least:g} "
            f"to {most:g} is expected",
        )


def check_counted(
    path: Path,
    table: Table,
    column: str,
    describe: Callable[[Architecture], str],
    count: Callable[[Architecture], int],
) -> None:
    """Check that a column of sizes holds what the networks of its rows have, in rows at equal steps.

    Raises:
        DataError: more than a hundredth of the rows do not.
    """
    step = max(1, len(table.archs) // _COMPARED)
    archs, sizes = table.archs[::step], table.columns[column][::step]
    differing = [i for i, arch in enumerate(archs) if count(arch) != sizes[i]]
    if len(differing) > _MOST_DIFFERING * len(archs):
        arch, size = archs[differing[0]], sizes[differing[0]]
        raise wrong_join(
            path,
            f"holds {size:.0f} {column} for {describe(arch)!r}, which has {count(arch):,}, and so on in "
            f"{len(differing)} of {len(archs)} rows",
            "rows in another order, operations renumbered, or another order of decisions",
        )


def check_proportional(
    path: Path,
    table: Table,
    column: str,
    count: Callable[[Architecture], float],
    causes: str,
    unit: float | None = None,
) -> None:
    """Check that a column of sizes is in proportion to those of the networks, in rows at equal steps.

    Args:
        path: the file, for the messages.
        table: its content.
        column: the title of the column.
        count: returns the size of an architecture.
        causes: what may have gone wrong.
        unit: what a size of one is in the file; None where it may have any unit.

    Raises:
        DataError: a size is no positive number, fewer than 95 % are in proportion, or they have another unit.
    """
    sizes = table.columns[column]
    for row in np.flatnonzero(~((sizes > 0) & np.isfinite(sizes))):
        raise fault(path, f"holds {sizes[row]} in its column {column!r}, in row {row + 1}, where a size is expected")
    step = max(1, len(table.archs) // _SIZES_COMPARED)
    ratios = sizes[::step] / np.array([count(arch) for arch in table.archs[::step]], dtype=np.float64)
    middle = float(np.median(ratios))
    agreed = float(np.mean(np.abs(ratios - middle) <= _TOLERANCE * middle))
    if agreed < _LEAST_IN_PROPORTION:
        raise wrong_join(
            path,
            f"holds sizes in its column {column!r} that are not those of its architectures ({agreed:.0%} are in "
            f"proportion, and {_LEAST_IN_PROPORTION:.0%} must be)",
            causes,
        )
    if unit is not None and abs(middle / unit - 1) > _UNIT_TOLERANCE:
        raise fault(
            path, f"holds sizes in its column {column!r} of another unit: {middle / unit:.3g} times those expected"
        )


def check_percent(path: Path, space: SearchSpace, table: Table, columns: Sequence[str], least: float = 0) -> None:
    """Check that columns hold percent, not fractions; a column whose values are all from 0 to 1 holds fractions.

    Raises:
        DataError: a value is missing, is no percentage, or all of a column are fractions.
    """
    for column in columns:
        check_range(path, space, table, column, least, 100)
        check_no_fractions(path, column, table.columns[column])


def check_no_single_fraction(
    path: Path, space: SearchSpace, table: Table, columns: Sequence[str], least: float
) -> None:
    """Check that columns of percent have no value so low that it must be a fraction.

    Raises:
        DataError: a value is below `least`.
    """
    for column in columns:
        values = table.columns[column]
        for row in np.flatnonzero(values < least):
            raise fault(
                path,
                f"holds {values[row]} as {column} of {space.describe(table.archs[row])!r}, but trained networks have "
                f"more than {least:.2g} percent: write percent, not a fraction, or leave a network that failed out",
            )


def _numbers(path: Path, name: str, values: Sequence[Any], is_needed: bool) -> NDArray[np.float64] | None:
    """Return a column as numbers, with empty fields as NaN; None for a text column."""
    try:
        numbers = _field_values(values)
    except (TypeError, ValueError, OverflowError) as error:
        if is_needed:
            row = next((row for row, value in enumerate(values, 1) if not _is_number(value)), 0)
            raise fault(
                path,
                f"holds more than numbers in its column {name!r}: {error}, in row {row}. Write a number with a decimal "
                f"point, or leave the field empty",
            ) from error
        return None
    if is_needed and len(numbers) > 0 and np.isnan(numbers).all():
        raise fault(path, f"holds no number in its column {name!r}")
    return numbers


def _field_values(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return the numbers in fields; raises as `field_values`, also where one is True or False."""
    if any(isinstance(value, bool) for value in values):
        raise TypeError("True and False are no numbers")
    return field_values(values)


def _is_number(value: Any) -> bool:
    try:
        _field_values([value])
    except (TypeError, ValueError, OverflowError):
        return False
    return True
