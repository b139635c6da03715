"""Every error archsieve raises on purpose: one root, each also the built-in a caller would guess."""

from __future__ import annotations

import shlex
import sys
import sysconfig
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve._reading import message, quoted
from archsieve._shortage import advice_for, is_short_of_memory, machine_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


class ArchsieveError(Exception):
    """Base class of all errors raised on purpose; the message says what is wrong, the value and what to do.

    `details` is the traceback, as text, of an unforeseen error behind it; else empty.
    """

    details: str = ""

    def __str__(self) -> str:
        """Return the message, with quoted input cut and control characters escaped."""
        return message(super().__str__())


class UnknownNameError(ArchsieveError, KeyError):
    """A name that is not in a registry, table or plan; the message suggests the closest known names."""

    def __str__(self) -> str:
        """Return the message itself; `KeyError` would return its repr."""
        return message(str(self.args[0]))


class SettingError(ArchsieveError, ValueError):
    """A setting that is out of range or of the wrong type."""


class ArchitectureError(ArchsieveError, ValueError):
    """A code that is not an architecture of the space."""


class PlanError(ArchsieveError, ValueError):
    """A plan file that cannot be read."""


class DataError(ArchsieveError, ValueError):
    """A data file that is damaged or lacks the expected content."""


class MissingDataError(ArchsieveError, FileNotFoundError):
    """A data file that does not exist; the message says where to get it."""


class MissingPackageError(ArchsieveError, ImportError):
    """A feature whose optional package is not installed; the message names the extra."""


class RunFolderError(ArchsieveError, RuntimeError):
    """A run folder that belongs to another search, is in use, or is damaged."""


class StorageError(RunFolderError, OSError):
    """A file that cannot be written (disk full, no permission, or a disk error). The old file is unchanged."""

    def __str__(self) -> str:
        return str(self.args[0])  # an OSError with a number would print that instead


class MachineError(ArchsieveError, OSError):
    """The machine lacks room, memory, descriptors or a sound disk: no network is to blame."""

    def __str__(self) -> str:
        return message(str(self.args[0]))  # an OSError with a number would print that instead


class EstimatorError(ArchsieveError, RuntimeError):
    """An estimator failed with an unexpected error."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message, details)
        self.details = details

    def __str__(self) -> str:
        """Return the sentence without the traceback."""
        return message(str(self.args[0]))


class UntoldError(ArchsieveError, LookupError):
    """Scores of the estimator `told` are still missing: its name, the architectures, and the run folder."""

    def __init__(self, name: str, archs: tuple[tuple[int, ...], ...], folder: str = "RUN") -> None:
        super().__init__(name, archs, folder)
        self.name, self.archs, self.folder = name, archs, folder

    def __str__(self) -> str:
        """Return the missing scores, and the commands that supply them."""
        folder = shlex.quote(self.folder)
        return (
            f"The scores of {self.name!r} are entered by hand, and {len(self.archs)} are missing: "
            f"`archsieve ask {folder}` says which, and `archsieve tell {folder} ARCHITECTURE SCORE` stores one."
        )


class WorkerError(ArchsieveError, RuntimeError):
    """Worker processes cannot be started, or die repeatedly."""


class ScoringError(ArchsieveError, ValueError):
    """An estimator cannot score an architecture: the reason is stored, and the architecture ranks last.

    The only error of ours that a search survives.
    """


class ShapeError(ScoringError, RuntimeError):
    """A network cannot process inputs of the shape that its task provides."""


class DivergenceError(ScoringError):
    """A training diverged: its loss or weights are no longer finite."""


class PartialScoringError(ScoringError):
    """Some architectures cannot be scored: scores (n, k) with NaN, and reasons by (row, column)."""

    def __init__(self, scores: NDArray[np.float64], reasons: dict[tuple[int, int], str]) -> None:
        super().__init__(f"{len(reasons)} scores could not be computed; the first: {next(iter(reasons.values()))}")
        self.scores, self.reasons = scores, reasons

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to pickle this error from its parts instead of its message."""
        return type(self), (self.scores, self.reasons)


_COLLECTED: ContextVar[dict[str, str] | None] = ContextVar("collected", default=None)


@contextmanager
def collected_tracebacks() -> Iterator[dict[str, str]]:
    """Collect tracebacks of unforeseen errors described inside the context, the first by type and place."""
    tracebacks: dict[str, str] = {}
    token = _COLLECTED.set(tracebacks)
    try:
        yield tracebacks
    finally:
        _COLLECTED.reset(token)


def describe_error(error: BaseException) -> str:
    """Return the error as one line: its message, preceded by its type unless it is an archsieve error."""
    text = " ".join(str(error).split()) or ("memory ran out" if isinstance(error, MemoryError) else "no message")
    if isinstance(error, ArchsieveError):
        return text
    if (collected := _COLLECTED.get()) is not None:
        *_, last = traceback.extract_tb(error.__traceback__) or [None]
        place = f" in {last.filename}, line {last.lineno}" if last else ""
        collected.setdefault(f"{type(error).__name__}{place}", "".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {quoted(text)}"


def line_of(error: BaseException, module: str = "") -> str:
    """Return the last line of a user's own code that an error came through, e.g. "my_net.py, line 12"; else nothing.

    Code of the user's is what is neither installed nor part of Python; `module` is theirs wherever it lies.
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file or not _is_installed(Path(frame.filename))]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""


def _is_installed(file: Path) -> bool:
    homes = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    is_below = any(file.is_relative_to(home) for home in [*map(Path, homes), Path(__file__).parent])
    return is_below or not file.is_absolute() or "site-packages" in file.parts or "dist-packages" in file.parts


AGAIN = "tried again at the next start: "
"""How the reason of a failure begins that may be the machine's: the next start forgets it, and tries again."""


def reason_of(error: BaseException, before: str = "") -> str:
    """Return why one network could not be scored; where memory ran out, it begins with `AGAIN`.

    A network may be too large for the machine, or the machine too busy for the network: nobody can tell.

    >>> reason_of(MemoryError()), reason_of(ZeroDivisionError("by zero"))
    ('tried again at the next start: MemoryError: memory ran out', 'ZeroDivisionError: by zero')
    """
    text = f"{before}{describe_error(error)}"
    return f"{AGAIN}{text}" if is_short_of_memory(error) and not text.startswith(AGAIN) else text


def machine_error(error: BaseException, what: str) -> MachineError:
    """Return the error that ends a run because of the machine; `what` says what failed: "The estimator 'x' failed"."""
    advice = advice_for(machine_number(error))
    return MachineError(
        f"{what}: {describe_error(error).rstrip('.')}. No network is to blame. {advice}, and run the same command "
        f"again; finished scores are stored."
    )


def ends_the_run(error: Exception) -> bool:
    """Whether an error concerns the whole run rather than a single network.

    What the machine lacks concerns the run, wherever it lies among the causes of an error; memory alone does not.
    """
    if machine_number(error):
        return True
    if isinstance(error, ArchsieveError):
        return not isinstance(error, ScoringError)
    # After most CUDA errors nothing works in this process any more, and every later network would be blamed.
    is_out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    is_lost = "CUDA error" in str(error) and not is_out_of_memory
    return is_lost or isinstance(error, ImportError | OSError)  # a package, a disk, a data file


def require(module: str, extra: str) -> None:
    """Raise an error that names the extra to install if an optional module is missing.

    Raises:
        MissingPackageError: `module` cannot be found.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingPackageError(
            f"This needs the package {module!r}, which is not installed: pip install 'archsieve[{extra}]'."
        )
