"""Pictures listed in a table, one row each, with their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import DataError, MissingDataError
from archsieve.tasks.data.columns import read_columns
from archsieve.tasks.data.picture_folder import Found
from archsieve.tasks.data.splits import codes_of
from archsieve.values import path_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.tasks.data.columns import Columns


def listed_pictures(
    folder: Path, table: Path, *, file_column: str, target: Sequence[str], split_column: str, are_numbers: bool
) -> Found:
    """Return the pictures listed in a .csv, .tsv or .parquet file.

    Args:
        folder: in which the named files lie.
        table: the file.
        file_column: column of the names, relative to the folder.
        target: columns of what is to be said; several where `are_numbers`.
        split_column: column that says train, validation or test; empty: there is none.
        are_numbers: whether the targets are numbers, or zeros and ones; else they are classes.

    Raises:
        MissingDataError: there is no such folder or table.
        DataError: the table cannot be read or has no such column, a picture is not there or is named twice, or a name
            leads out of the folder.
    """
    if not folder.is_dir():
        raise MissingDataError(f"There is no folder {folder}.")
    rows = read_columns(table, [file_column, *target, *filter(None, [split_column])])
    names = [str(name) for name in rows.values(file_column).tolist()]
    _check_names(folder, names, table)
    raw = np.stack([rows.numbers(name) for name in target], 1) if are_numbers else rows.values(target[0])
    labels = np.unique(raw, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    named = tuple(target) if are_numbers else ()
    return Found(folder, tuple(names), labels, named, _given(rows, split_column), raw)


def _check_names(folder: Path, names: Sequence[str], table: Path) -> None:
    for name in names:
        try:
            path_in(name)
        except MissingDataError as error:
            raise DataError(f"The table {table} names a picture that cannot be: {error}") from error
    root = folder.resolve()
    if outside := next((name for name in names if not (folder / name).resolve().is_relative_to(root)), None):
        raise DataError(f"The name {outside!r} in {table} leads out of the folder {folder}: that is not followed.")
    missing = [row for row, name in enumerate(names) if not (folder / name).is_file()]
    if missing:
        more = f", and {len(missing) - 1} more are missing" if len(missing) > 1 else ""
        raise DataError(
            f"There is no picture {names[missing[0]]!r} in {folder}, which data row {missing[0] + 1} of {table} "
            f"names{more}."
        )
    if len(set(names)) < len(names):
        _, firsts = np.unique(np.array(names), return_index=True)
        row = int(np.setdiff1d(np.arange(len(names)), firsts)[0])
        raise DataError(f"The picture {names[row]!r} is named again in data row {row + 1} of {table}: once is enough.")


def _given(rows: Columns, split_column: str) -> np.ndarray | None:
    if not split_column:
        return None
    where = f"The column {split_column!r} of {rows.path}"
    codes = codes_of(rows.values(split_column).tolist(), where, lambda row: f"data row {row + 1}")
    return codes if codes.any() else None
