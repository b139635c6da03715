"""Running of a program of the user: its arguments, and limits of time and output."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from archsieve._reading import visible
from archsieve._shortage import number_in
from archsieve.errors import ScoringError, SettingError
from archsieve.registry import near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACES = ("onnx", "pt2", "file", "architecture", "digits", "python")
"""What a command may name in braces."""
_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")
_QUOTED_PART = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_MOST = 1 << 20  # bytes of output that are read
_MOST_ERRORS = 64 << 20  # bytes on standard error that are kept
_LOOKS = 0.005, 0.1  # seconds between two looks at a program: at first, and later
_QUOTED = 200  # characters of an output that a reason quotes


class CannotStartError(ScoringError):
    """A program that does not exist or may not be run; retrying does not help."""


def places_in(command: str) -> set[str]:
    """Return the placeholders in braces of a command; `{{` and `}}` stand for literal braces.

    Raises:
        SettingError: it names something else.

    >>> sorted(places_in("bench --model {onnx} --label {architecture} '{{x}}'"))
    ['architecture', 'onnx']
    """
    named = {match[1] for match in _PLACE.finditer(command) if match[1]}
    for name in sorted(named - set(PLACES)):
        raise SettingError(
            f"The command names {{{name}}}, which is not a placeholder of a network.{near_miss(name, PLACES)} Write "
            f"{{{{{name}}}}} for the text itself."
        )
    return named


def words_of(command: str, values: Mapping[str, str], *, uses_shell: bool = False) -> list[str]:
    """Return the argument list: the command split as a shell splits it, then placeholders filled in.

    What is filled in is never split or read by a shell. With `uses_shell`, the whole text goes to `/bin/sh -c`, and
    what is filled in is quoted for it.

    >>> words_of("bench '{onnx}' --name={digits}", {"onnx": "/tmp/a b.onnx", "digits": "0120"})
    ['bench', '/tmp/a b.onnx', '--name=0120']
    """
    if uses_shell:
        return ["/bin/sh", "-c", _filled(command, {name: shlex.quote(value) for name, value in values.items()})]
    return [_filled(word, values) for word in split(command)]


def check_outside_quotes(command: str) -> None:
    """Check that a shell command has no placeholder within quotation marks, since archsieve quotes the values itself.

    Raises:
        SettingError: it does.
    """
    for match in _QUOTED_PART.finditer(command):
        if match[0][0] in "'\"" and (places := places_in(match[0])):
            raise SettingError(
                f"With `uses_shell`, what is filled in is quoted already: write {{{min(places)}}} without quotation "
                f"marks around it, but got {match[0]!r:.100}."
            )


def split(command: str) -> list[str]:
    """Return the command split into arguments.

    Raises:
        SettingError: a quotation mark is left open, or there is no word.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingError(f"The command {command!r:.200} cannot be split into words: {error}.") from error
    if not words:
        raise SettingError("The command is empty.")
    return words


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: values[match[1]] if match[1] else match[0][0], text)


def output_of(words: Sequence[str], seconds: float) -> str:
    """Run a program, and return its standard output.

    It gets no input and the folder and environment of this process. It runs in a process group of its own, and what is
    left of that group when the program ends, or when it is stopped, is killed.

    Raises:
        CannotStartError: it cannot be started.
        ScoringError: it takes too long, or ends with another status than 0; quotes the last line
            that it wrote on standard error. Or it prints more than a megabyte: it is stopped then.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
            )
        except OSError as error:
            raise CannotStartError(f"{_short(words[0])} cannot be started: {error.strerror or error}") from error
        except ValueError as error:  # a word has a null character
            raise CannotStartError(f"{_short(words[0])} cannot be started: {error}") from error
        try:
            status = _ended(process, _short(words[0]), seconds, {out: _MOST, errors: _MOST_ERRORS})
        except subprocess.TimeoutExpired as error:
            raise ScoringError(f"{_short(words[0])} took more than {seconds:g} s{_last_line(errors)}") from error
        finally:
            _end(process)
        if status:
            how = f"ended with status {status}" if status > 0 else f"was killed by {_signal(-status)}"
            last = _last_line(errors)
            cause: Exception | None = MemoryError() if status == -signal.SIGKILL else None
            if number := number_in(last):  # what the program lacks, the next network lacks too
                cause = OSError(number, os.strerror(number))
            raise ScoringError(f"{_short(words[0])} {how}{last}") from cause
        out.seek(0)
        return out.read(_MOST).decode("utf-8", errors="replace")


def _ended(process: subprocess.Popen[bytes], name: str, seconds: float, limits: Mapping[BinaryIO, int]) -> int:
    """Wait for a program, and return its status; what it writes is looked at meanwhile.

    Raises:
        TimeoutExpired: it takes too long.
        ScoringError: it writes more bytes into a file than the limit of that.
    """
    end, pause = time.monotonic() + seconds, _LOOKS[0]
    while True:
        status = None
        try:
            status = process.wait(max(0.0, min(pause, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
        for file, most in limits.items():
            if os.fstat(file.fileno()).st_size > most:
                raise ScoringError(f"{name} printed more than {most:,} bytes")
        if status is not None:
            return status
        pause = min(2 * pause, _LOOKS[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with all that it started and that is still in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    process.wait()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(file: BinaryIO) -> str:
    """Return ": LINE" with the last non-empty line of a file, cut at 200 characters."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - 4096))
    lines = [line.strip() for line in file.read().decode("utf-8", errors="replace").splitlines() if line.strip()]
    return f": {visible(lines[-1])[:_QUOTED]}" if lines else ", and wrote nothing on standard error"


def _short(word: str) -> str:
    return visible(word if len(word) <= 40 else f"...{word[-37:]}")
