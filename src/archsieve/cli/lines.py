"""Printing functions shared by all commands: results to standard output, notes to standard error."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import textwrap
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO

from archsieve._reading import visible
from archsieve.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMAND = re.compile(r"`[^`]*`|\barchsieve [a-z-]+(?: [^\s]*[^\s.;:,](?= |$))*(?: \S+)?")
_RESULTS: ContextVar[TextIO | None] = ContextVar("results", default=None)
_HELD = "\0"  # stands for a space at which a line is not broken


@contextmanager
def only_results() -> Iterator[None]:
    """Leave standard output to results: what other code prints inside, such as a user's model, goes beside them."""
    token = _RESULTS.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
        with _written():
            results().flush()
    finally:
        _RESULTS.reset(token)


def results() -> TextIO:
    """Return the stream of results."""
    return _RESULTS.get() or sys.stdout


def out(text: str = "") -> None:
    """Print a sentence of results; control characters are escaped."""
    write(_fitting(visible(text), results()) + "\n")


def record(text: str) -> None:
    """Print a line of data or of a table unchanged, whatever the width of the terminal."""
    write(visible(text) + "\n")


def write(text: str) -> None:
    """Print results as they are.

    Raises:
        StorageError: standard output cannot be written.
    """
    with _written():
        results().write(text)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(results())
        raise StorageError(output_fails(error)) from error


def discard(stream: TextIO) -> None:
    """Let the null device take what a stream that cannot be written still holds, or it fails again at the end."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as null:  # noqa: PTH123
        os.dup2(null.fileno(), stream.fileno())


def output_fails(error: OSError) -> str:
    """Return a sentence on standard output that cannot be written."""
    return f"Standard output cannot be written: {error.strerror or error}. Make room there, and run the command again."


def note(text: str) -> None:
    """Print a sentence that is not a result to standard error, above any progress bars."""
    print(_fitting(visible(text), sys.stderr), file=sys.stderr, flush=True)  # noqa: T201


def _fitting(text: str, stream: TextIO) -> str:
    """Return a text with long lines broken between words if the stream is a terminal."""
    return (
        "\n".join(broken(line, get_terminal_size().columns) for line in text.split("\n")) if stream.isatty() else text
    )


def broken(line: str, columns: int) -> str:
    """Return a line broken between words; archsieve commands are not broken, so that they can be copied.

    >>> print(broken("  Some were not scored. Retry: archsieve search my.toml --retry-failed", 30))
      Some were not scored. Retry:
      archsieve search my.toml --retry-failed
    """
    if len(line) <= columns:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    whole = _COMMAND.sub(lambda match: match[0].replace(" ", _HELD), line)
    wrapper = textwrap.TextWrapper(
        columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return wrapper.fill(whole).replace(_HELD, " ")


def out_json(value: Any) -> None:
    """Print JSON; numbers that JSON lacks (NaN, infinities) become null or text."""
    record(json.dumps(plain(value), indent=2))


def plain(value: Any) -> Any:
    """Return a value as JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def duration(seconds: float) -> str:
    """Return a duration with at least two digits, in a suitable unit.

    >>> duration(0.05), duration(40), duration(150), duration(9000), duration(4e5)
    ('0.05 s', '40 s', '2.5 min', '2.5 h', '111 h')
    """
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.{0 if seconds >= 100 * unit else 1}f} {name}"
    return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.2g} s"


def clock(seconds: float) -> str:
    """Return a duration as minutes:seconds, or hours:minutes:seconds.

    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
