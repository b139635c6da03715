"""Reading of untrusted files in a separate process first, so that a crash, hang or memory exhaustion happens there.

Readers of other projects' binary formats are large programs in C++; a file from a stranger may end the process.
`python -m archsieve._trial MODULE:FUNCTION SECONDS FILE...` is that other process. It runs no code that a file names.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from archsieve._reading import quoted
from archsieve.errors import ArchsieveError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BYTES = 2 << 30
"""Memory that reading a file may take."""
MOST_SECONDS = 15
"""Processor time that reading a file may take; a busy machine may take longer by the clock."""
_PATIENCE = 8
"""How many times as long by the clock: whoever waits for something else is ended after that."""
_REFUSED = 3  # exit code: the reader said in a sentence what is wrong


def try_first(paths: Sequence[Path], reader: str) -> None:
    """Read files with a function of this package ("module:function") in a separate process with limits.

    Raises:
        DataError: the reader refuses a file, crashes, or needs more than 2 GB or 15 seconds of processor time a file.
    """
    if not paths:
        return
    seconds = MOST_SECONDS * len(paths)
    command = [sys.executable, "-m", "archsieve._trial", reader, str(seconds), *map(str, paths)]
    about = f"The file {paths[0]}" if len(paths) == 1 else f"One of {len(paths)} files, the first {paths[0]},"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    root = str(Path(__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    try:
        process = subprocess.run(
            command, capture_output=True, check=False, timeout=_PATIENCE * seconds, env=environment
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{about} takes more than {_PATIENCE * seconds} seconds to read: it was not read.") from None
    text = process.stderr.decode("utf-8", errors="replace").strip()
    if process.returncode == _REFUSED:
        raise DataError(text.splitlines()[-1])
    if process.returncode == -signal.SIGXCPU:
        raise DataError(f"{about} takes more than {seconds} seconds of processor time to read: it was not read.")
    if process.returncode < 0:
        name = next((s.name for s in signal.Signals if s == -process.returncode), str(-process.returncode))
        raise DataError(f"{about} ends the process that reads it ({name}): it is damaged, and was not read.")
    if process.returncode:
        raise DataError(f"{about} cannot be read: {quoted(' '.join(text.splitlines()[-1:]))}")


def _limit_this_process(seconds: float) -> None:
    with suppress(ImportError, ValueError, OSError):  # no such limits on this system
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        begun = resource.getrusage(resource.RUSAGE_SELF)  # what importing the reader took
        whole = math.ceil(begun.ru_utime + begun.ru_stime + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 5))


def main() -> None:
    """Read the files named on the command line; exit with 3 and a sentence if the reader refuses one."""
    reader, seconds, *paths = sys.argv[1:]
    module, _, function = reader.partition(":")
    read = getattr(import_module(module), function)
    _limit_this_process(float(seconds))
    for path in map(Path, paths):
        try:
            read(path)
        except ArchsieveError as error:
            sentence = str(error)
        except MemoryError:
            sentence = f"The file {path} takes more than {MOST_BYTES >> 30} GB of memory to read: it was not read."
        else:
            continue
        sys.stderr.write(f"{' '.join(sentence.split())}\n")
        sys.stderr.flush()
        os._exit(_REFUSED)  # not by way of the libraries' own ends


if __name__ == "__main__":
    main()
