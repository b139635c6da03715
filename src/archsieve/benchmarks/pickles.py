"""Safe reading of published pickles: no code that a pickle names is run."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from archsieve._reading import check_file, quoted
from archsieve.benchmarks.files import fault
from archsieve.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

LARGEST_PICKLE = 256 << 20
"""Bytes of a pickle."""
_FAILURES = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)  # what a damaged pickle can end in


def read_pickle(path: Path, allowed: Mapping[tuple[str, str], Callable[..., Any]]) -> Any:
    """Return the content of a pickle, with our own types in place of the names in it.

    Args:
        path: the file.
        allowed: the type that replaces each (module, name); nothing is imported.

    Raises:
        DataError: the file cannot be read, is damaged, or names anything else.
    """
    try:
        check_file(path, LARGEST_PICKLE)
        with path.open("rb") as stream:
            return _Unpickler(stream, path, allowed).load()
    except DataError:
        raise
    except _FAILURES as error:
        raise fault(path, f"is damaged, or is not a pickle: {quoted(error) or type(error).__name__}") from error


class _Unpickler(pickle.Unpickler):
    """Builds plain values and replacements for allowed names, and refuses every other name."""

    def __init__(self, stream: BinaryIO, path: Path, allowed: Mapping[tuple[str, str], Callable[..., Any]]) -> None:
        super().__init__(stream)
        self._path, self._allowed = path, allowed

    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement of an allowed name.

        Raises:
            DataError: any other name.
        """
        if (module, name) not in self._allowed:
            raise fault(self._path, f"names {quoted(f'{module}.{name}')}, which is not allowed: the file was not read")
        return self._allowed[module, name]
