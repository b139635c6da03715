"""Every error archsieve raises on purpose: one root, each also the built-in a caller would guess."""

from __future__ import annotations

import shlex
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
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
        """Return the message; what it quotes of an input is cut, and has no control characters."""
        return message(super().__str__())


class UnknownNameError(ArchsieveError, KeyError):
    """A name that no registry, table or plan knows; the message suggests the closest known name."""

    def __str__(self) -> str:
        """Return the message itself: `KeyError` would show its repr."""
        return message(str(self.args[0]))


class SettingError(ArchsieveError, ValueError):
    """A setting outside its range, or of the wrong type."""


class ArchitectureError(ArchsieveError, ValueError):
    """A code that is not an architecture of the space."""


class PlanError(ArchsieveError, ValueError):
    """A plan file that cannot be read as a plan."""


class DataError(ArchsieveError, ValueError):
    """A data file that is damaged, or does not hold what its name promises."""


class MissingDataError(ArchsieveError, FileNotFoundError):
    """A data file that is not there; the message says where it comes from."""


class MissingPackageError(ArchsieveError, ImportError):
    """A feature whose optional package is not installed; the message names the extra."""


class RunFolderError(ArchsieveError, RuntimeError):
    """A run folder that belongs to another search, is in use, or is damaged."""


class StorageError(RunFolderError, OSError):
    """A file that cannot be written: no room, no right, or a broken disk. What it replaces is as it was."""

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
    """Scores of the estimator `told` that are still missing: its name, the architectures, and the run folder."""

    def __init__(self, name: str, archs: tuple[tuple[int, ...], ...], folder: str = "RUN") -> None:
        super().__init__(name, archs, folder)
        self.name, self.archs, self.folder = name, archs, folder

    def __str__(self) -> str:
        """Return what is missing, and the commands that bring it."""
        folder = shlex.quote(self.folder)
        return (
            f"The scores of {self.name!r} are entered by hand, and {len(self.archs)} are missing: "
            f"`archsieve ask {folder}` says which, and `archsieve tell {folder} ARCHITECTURE SCORE` stores one."
        )


class WorkerError(ArchsieveError, RuntimeError):
    """Workers that cannot be started, or that end one after the other."""


class ScoringError(ArchsieveError, ValueError):
    """An estimator cannot score an architecture: the reason is stored, and the architecture ranks last.

    The only error of ours that a search survives.
    """


class ShapeError(ScoringError, RuntimeError):
    """A network that cannot be run on inputs of the form that its task gives."""


class DivergenceError(ScoringError):
    """A training diverged: its loss or weights are not finite any more."""


class PartialScoringError(ScoringError):
    """Some of many architectures cannot be scored: the scores (n, k) of the rest, and why by (row, column)."""

    def __init__(self, scores: NDArray[np.float64], reasons: dict[tuple[int, int], str]) -> None:
        super().__init__(f"{len(reasons)} scores could not be computed; the first: {next(iter(reasons.values()))}")
        self.scores, self.reasons = scores, reasons

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to pickle it: from its parts, not from its message."""
        return type(self), (self.scores, self.reasons)


_COLLECTED: ContextVar[dict[str, str] | None] = ContextVar("collected", default=None)


@contextmanager
def collected_tracebacks() -> Iterator[dict[str, str]]:
    """Collect tracebacks of unforeseen errors that are described inside the context: the first by type and place."""
    tracebacks: dict[str, str] = {}
    token = _COLLECTED.set(tracebacks)
    try:
        yield tracebacks
    finally:
        _COLLECTED.reset(token)


def describe_error(error: BaseException) -> str:
    """Return the error as one line: its message, after its type where it is not one of ours."""
    text = " ".join(str(error).split()) or ("memory ran out" if isinstance(error, MemoryError) else "no message")
    if isinstance(error, ArchsieveError):
        return text
    if (collected := _COLLECTED.get()) is not None:
        *_, last = traceback.extract_tb(error.__traceback__) or [None]
        place = f" in {last.filename}, line {last.lineno}" if last else ""
        collected.setdefault(f"{type(error).__name__}{place}", "".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {quoted(text)}"


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
    """Whether an error concerns the whole run rather than the one network that was scored.

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
    """Raise a sentence naming the extra to install where an optional module is missing.

    Raises:
        MissingPackageError: `module` cannot be found.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingPackageError(
            f"This needs the package {module!r}, which is not installed: pip install 'archsieve[{extra}]'."
        )
