"""Whether an error is the machine's, which no network is to blame for: no room, no descriptors, a broken disk."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = (
    *("EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EIO", "EROFS", "ENOMEM", "EAGAIN", "ENOBUFS", "ESTALE", "ENOLCK"),
    *("EREMOTEIO", "EUCLEAN"),
)
MACHINE = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))
"""Numbers of errors that say something of the machine, whatever asked for it."""
_TEXTS = {os.strerror(number): number for number in sorted(MACHINE - {errno.ENOMEM})}
_SAID = re.compile("|".join(map(re.escape, sorted(_TEXTS, key=len, reverse=True))))
_NO_THREAD = "can't start new thread"
_NOT_WRITTEN = re.compile("iostream error|PytorchStreamWriter failed writing")  # of torch, which hides the number
_SQLITE = {
    5: errno.EAGAIN,  # another process holds the file
    6: errno.EAGAIN,
    7: errno.ENOMEM,
    8: errno.EROFS,
    10: errno.EIO,
    13: errno.ENOSPC,
    14: errno.EMFILE,  # it cannot be opened
    15: errno.ENOLCK,
}
_NO_MEMORY = re.compile(
    r"can.t allocate memory|cannot allocate memory|bad_alloc|out of memory|_STATUS_ALLOC_FAILED"
    r"|could not create a (?:primitive|memory)",
    re.IGNORECASE,
)
_ADVICE = {
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Raise the limit of open files (`ulimit -n 4096`)"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Make room on the disk"),
    **dict.fromkeys((errno.ENOMEM, errno.EAGAIN), "Wait until the machine is less busy, or use fewer workers"),
    errno.EROFS: "Allow writing",
    errno.EIO: "Check the disk",
}
_DEEPEST = 20  # causes behind an error


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, or while handling, the outermost first."""
    following: BaseException | None = error
    for _ in range(_DEEPEST):
        if following is None:
            return
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def number_in(text: str) -> int:
    """Return the number of the machine's error that a text quotes, as messages of libraries and programs do; else 0.

    >>> number_in("write failed: No space left on device") == errno.ENOSPC
    True
    """
    found = _SAID.search(text)
    return _TEXTS[found[0]] if found else 0


def machine_number(error: BaseException) -> int:
    """Return the number of the machine's error behind an error, 0 where there is none.

    Libraries wrap it: torch tells its text in a `RuntimeError`, SQLite has numbers of its own. A lack of memory is only
    one of them where a system call lacked it: a network that is too large has one too (`is_short_of_memory`).

    >>> machine_number(OSError(errno.EMFILE, "Too many open files")) == errno.EMFILE
    True
    >>> machine_number(RuntimeError("unable to open shared memory object: Too many open files (24)")) == errno.EMFILE
    True
    >>> machine_number(FileNotFoundError(errno.ENOENT, "No such file")), machine_number(ValueError("no room"))
    (0, 0)
    """
    return next((number for each in causes_of(error) if (number := _number(each))), 0)


def _number(error: BaseException) -> int:
    if isinstance(error, OSError) and error.errno in MACHINE:
        return error.errno or 0
    if isinstance(code := getattr(error, "sqlite_errorcode", None), int):
        return _SQLITE.get(code & 0xFF, 0)
    if isinstance(error, RuntimeError | OSError | ImportError):
        text = str(error)
        return errno.EAGAIN if _NO_THREAD in text else errno.EIO if _NOT_WRITTEN.search(text) else number_in(text)
    return 0


def advice_for(number: int) -> str:
    """Return what to do about an error of the machine.

    >>> advice_for(errno.ENOSPC)
    'Make room on the disk'
    """
    return _ADVICE.get(number, "Check the machine")


def is_short_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, here or on an accelerator: the network may be too large, or the machine too busy."""
    return any(_is_of_memory(each) for each in causes_of(error))


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | ImportError) and bool(_NO_MEMORY.search(str(error)))


def has_memory(count: int) -> bool:
    """Whether the system gives this process so many more bytes."""
    import mmap

    try:
        mmap.mmap(-1, count).close()
    except (OSError, MemoryError, ValueError):
        return False
    return True
