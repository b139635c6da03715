"""Tables of entries with named decisions, from JSON lists: columns, and networks that are there more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.files import fault
from archsieve.benchmarks.joined import numbers_of, require_columns
from archsieve.benchmarks.records import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

UNCONFIRMED_LICENCE = (
    "Apache-2.0, unconfirmed: its repository has no licence file that we know of; ask before you pass the file on"
)


def columns_of(path: Path, rows: Sequence[Mapping[str, Any]], needed: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of entries; NaN where an entry lacks the value.

    Raises:
        DataError: none has one that is needed.
    """
    titles = dict.fromkeys(title for row in rows for title in row)
    raw = {title: [row.get(title) for row in rows] for title in titles}
    require_columns(path, raw, needed)
    return numbers_of(path, raw, needed)


def with_value(table: Table, column: str) -> Table:
    """Return the table of the rows that have a value of a column, with this column alone."""
    known = np.flatnonzero(~np.isnan(table.columns[column]))
    return Table(tuple(table.archs[row] for row in known), {column: table.columns[column][known]})


def mean_table(
    path: Path,
    space: SearchSpace,
    archs: Sequence[Architecture],
    columns: Mapping[str, NDArray[np.float64]],
    truth: str,
    most_apart: float,
) -> Table:
    """Return the table of the networks; values of a repeated network are averaged, and a remark says so.

    Another one names a network whose true values are more than `most_apart` apart: published files may have some.

    Raises:
        DataError: there is no network.
    """
    if not archs:
        raise fault(path, "holds no architecture")
    rows: dict[Architecture, list[int]] = {}
    for row, arch in enumerate(archs):
        rows.setdefault(arch, []).append(row)
    repeated = {arch: each for arch, each in rows.items() if len(each) > 1}
    remarks = []
    if repeated:
        what = f"holds {len(repeated)} networks more than once: each has the means of its values"
        remarks.append(f"The file {path} {what}.")
    for arch, each in repeated.items():
        if np.ptp(columns[truth][each]) > most_apart:
            values = " and ".join(f"{value:g}" for value in columns[truth][each])
            entries = ", ".join(str(row + 1) for row in each)
            remarks.append(
                f"The network {space.describe(arch)!r} in entries {entries} has {values} "
                f"as {truth}, more than {most_apart:g} apart: one of them may belong to another network."
            )
    return Table(
        tuple(rows),
        {title: np.array([values[each].mean() for each in rows.values()]) for title, values in columns.items()},
        tuple(remarks),
    )
