"""Reading of parquet files of pictures in a separate process before this process reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve._reading import quoted
from archsieve._trial import try_first
from archsieve.errors import DataError, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

READ_WHOLLY = 256 << 20
"""Bytes of a file that is read wholly in the trial; of a larger one what it says of itself, and its first rows."""
_ROWS = 256


def try_parquet(paths: Sequence[Path]) -> None:
    """Read parquet files in a separate process with memory and time limits.

    Raises:
        DataError: one is no parquet or is cut short, or reading it crashes, or takes more than the limits.
        MissingPackageError: pyarrow is not installed.
    """
    require("pyarrow", "data")
    try_first(paths, f"{__name__}:_read")


def _read(path: Path) -> None:
    from pyarrow import ArrowException, parquet

    try:
        file = parquet.ParquetFile(path)
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is not a complete parquet file: {_reason(error)}") from error
    try:
        with file:
            for batch in file.iter_batches(batch_size=_ROWS):
                batch.validate(full=True)
                if path.stat().st_size > READ_WHOLLY:
                    return
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"Cannot read {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return quoted(str(error).partition("\n")[0].rstrip("."))
