"""Turns every error of a command into one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archsieve._files import write_text
from archsieve._interrupts import exit_code, heard
from archsieve._shortage import advice_for, is_short_of_memory, machine_number
from archsieve.cli.lines import note, only_results
from archsieve.errors import ArchsieveError, describe_error, line_of
from archsieve.notices import listening
from archsieve.runs.folder import ERROR_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def guarded(folder: Path | None = None, again: str = "", option: str = "") -> Iterator[None]:
    """Turn every error into one sentence and an exit code; tracebacks of unforeseen errors go to a log.

    Args:
        folder: the run folder, where the log goes and results are kept.
        again: the command that goes on with an interrupted run.
        option: the option that names the folder, of a command that needs none.
    """
    with heard() as came:
        try:
            with listening(_once()), only_results():
                yield
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except KeyboardInterrupt as stop:
            raise _interrupted(exit_code(stop, came), folder, again, option) from None
        except ArchsieveError as error:
            log = _logged(error.details, folder) if error.details else ""
            note(f"Error: {str(error).rstrip('.')}.{log}" if log else f"Error: {error}")
            raise typer.Exit(1) from None
        except SystemExit as stop:  # never ours: a model, a plug-in
            place = f" ({line})" if (line := line_of(stop)) else ""
            note(f"Error: Code that this command runs ended Python by exit({stop.code!r:.50}){place}: remove that.")
            raise typer.Exit(1) from None
        except Exception as error:
            if came:  # what was interrupted made another error of it
                raise _interrupted(exit_code(error, came), folder, again, option) from None
            if sentence := _of_machine(error):
                note(f"Error: {sentence}")
                raise typer.Exit(1) from None
            note(f"Error: {describe_error(error)}.{_logged(traceback.format_exc(), folder)}")
            raise typer.Exit(1) from None


def _once() -> Callable[[str], None]:
    """Return a function that prints each notice once: a file that several tables are made from has its remarks once."""
    told: set[str] = set()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            note(text)

    return tell


def _of_machine(error: Exception) -> str:
    """Return what the machine lacks, and what to do; empty where it is something else."""
    number = machine_number(error)
    if number in (errno.EMFILE, errno.ENFILE):
        name = getattr(error, "filename", None) or "another one"
        return (
            f"Too many files are open, so {name} cannot be opened. Raise the limit (`ulimit -n 4096`) or use fewer "
            f"--workers, and run the same command again."
        )
    if number:
        return f"{describe_error(error).rstrip('.')}. {advice_for(number)}, and run the same command again."
    if is_short_of_memory(error):
        return "Memory ran out. Free memory, or use fewer --workers, and run the same command again."
    return ""


def _interrupted(code: int, folder: Path | None, again: str, option: str) -> typer.Exit:
    """Print how to resume after a signal, and return the exit code."""
    hint = f" Results so far are in {folder}. Resume with: {again}" if folder and again else ""
    if option and folder is None:
        hint = f" No scores were kept. With {option} FOLDER they are kept, and the same command resumes."
    note(f"Interrupted.{hint}")
    return typer.Exit(code)


def _logged(details: str, folder: Path | None) -> str:
    """Write a traceback to the run folder, else to a new temporary file, and return its path."""
    try:
        if folder is not None and folder.is_dir():
            path = folder / ERROR_FILE
        else:
            handle, name = tempfile.mkstemp(prefix="archsieve-", suffix=f"-{ERROR_FILE}")
            os.close(handle)
            path = Path(name)
        write_text(path, details)
    except OSError:
        return f"\n{details}"
    return f" The traceback is in {path}."
