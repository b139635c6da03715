"""Running of a user's program: its arguments, a time limit, and the number it prints."""

from __future__ import annotations

import math
import os
import re
import shlex
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from archsieve._reading import parse_json, visible
from archsieve.errors import ScoringError, SettingError
from archsieve.registry import near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACES = ("onnx", "pt2", "file", "architecture", "digits", "python")
"""What a command may name in braces."""
_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")
_NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]*\d)")
_MOST = 1 << 20  # bytes of output that are read
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

    It gets no input and the folder and environment of this process. What it started ends with it when the time is over:
    it runs in a process group of its own, which is killed as a whole.

    Raises:
        CannotStartError: it cannot be started.
        ScoringError: it takes too long, or ends with another status than 0; quotes the last line
            that it wrote on standard error.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
            )
        except OSError as error:
            raise CannotStartError(f"{_short(words[0])} cannot be started: {error.strerror or error}") from error
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise ScoringError(f"{_short(words[0])} took more than {seconds:g} s{_last_line(errors)}") from error
        finally:
            _end(process)
        if status:
            how = f"ended with status {status}" if status > 0 else f"was killed by {_signal(-status)}"
            raise ScoringError(f"{_short(words[0])} {how}{_last_line(errors)}")
        return _text(out)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its child processes if it is still running."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(file: BinaryIO) -> str:
    """Return the content of an output file.

    Raises:
        ScoringError: it is more than a megabyte.
    """
    length = file.seek(0, os.SEEK_END)
    if length > _MOST:
        raise ScoringError(f"it printed {length:,} bytes, more than the {_MOST:,} that are read")
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def _last_line(file: BinaryIO) -> str:
    """Return ": LINE" with the last non-empty line of a file, cut at 200 characters."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - 4096))
    lines = [line.strip() for line in file.read().decode("utf-8", errors="replace").splitlines() if line.strip()]
    return f": {visible(lines[-1])[:_QUOTED]}" if lines else ", and wrote nothing on standard error"


def _short(word: str) -> str:
    return visible(word if len(word) <= 40 else f"...{word[-37:]}")


def number_of(output: str, key: str = "") -> float:
    r"""Return the number that a program printed.

    Args:
        output: all that it printed.
        key: of a JSON object, "result.p50" for one in another; the output, or its last line, is JSON then. Empty: the
            number is the only one in the last line.

    Raises:
        ScoringError: there is no such number, or it is not finite.

    >>> number_of("loading\nlatency: 7.25 ms\n"), number_of('{"p50": {"ms": 7}}', "p50.ms")
    (7.25, 7.0)
    """
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines:
        raise ScoringError("it printed nothing")
    value = _by_key(output, lines[-1], key) if key else _only_number(lines[-1])
    if not math.isfinite(value):
        raise ScoringError(f"it printed {value}, which is not a finite number")
    return value


def _only_number(line: str) -> float:
    text = line.strip()
    with suppress(ValueError):
        return float(text)  # "nan" and "inf" too, which are refused later
    numbers = _NUMBER.findall(text)
    if len(numbers) != 1:
        count = f"{len(numbers)} numbers" if numbers else "no number"
        raise ScoringError(
            f"the last line that it printed has {count}: {visible(text)[:80]!r}; print the number alone, or give "
            f"a `key`"
        )
    return float(numbers[0])


def _by_key(output: str, last: str, key: str) -> float:
    value = _parsed(output, last)
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            known = near_miss(part, map(str, value)) if isinstance(value, dict) else ""
            raise ScoringError(f"what it printed has no key {key!r}.{known}")
        value = value[part]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScoringError(f"the key {key!r} holds {value!r:.80}, which is not a number")
    return float(value)


def _parsed(output: str, last: str) -> Any:
    for text in (output, last):
        with suppress(ValueError):
            return parse_json(text)
    raise ScoringError(f"it printed no JSON: {visible(last.strip())[:80]!r}")
