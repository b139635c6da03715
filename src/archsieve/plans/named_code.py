"""Permissions for code in plans: modules must be named on the command line, shell commands must be allowed."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from archsieve.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_COMMANDS_ALLOWED: ContextVar[bool] = ContextVar("commands allowed", default=False)


def check_named(name: str, plugins: Collection[str]) -> None:
    """Check that the command line names the module of "module:Name", because a plan alone must not run code.

    Raises:
        PlanError: it does not.
    """
    module, _, attribute = name.partition(":")
    if module.endswith(".py"):
        stem = module.removesuffix(".py").replace("\\", "/").rpartition("/")[2]
        raise PlanError(f"{name!r} names a file: write '{stem}:{attribute}', and pass the file with --plugin {module}.")
    if module not in plugins:
        raise PlanError(
            f"{name!r} would run code of the module {module!r}, which no --plugin names: if you trust it, "
            f"add --plugin {module}.py (or --plugin {module})."
        )


def check_plugin_name(name: str) -> None:
    """Check that a plugin is given as a file or a module, not as an object in one.

    Raises:
        PlanError: it is named as "module:Name".
    """
    file, colon, attribute = name.rpartition(":")
    if colon and file and attribute.isidentifier():
        file = file if file.endswith(".py") else f"{file}.py"
        raise PlanError(f"A plugin is a file or a module, but {name!r} names {attribute!r} in it: --plugin {file}.")


@contextmanager
def commands_allowed(is_allowed: bool = True) -> Iterator[None]:
    """Allow plans that are read inside the context to run shell commands.

    >>> with commands_allowed():
    ...     check_command("./bench {onnx}")
    """
    token = _COMMANDS_ALLOWED.set(is_allowed)
    try:
        yield
    finally:
        _COMMANDS_ALLOWED.reset(token)


def check_command(command: str) -> None:
    """Check that the user allowed shell commands in plans.

    Raises:
        PlanError: they do not.
    """
    if not _COMMANDS_ALLOWED.get():
        raise PlanError(
            f"it would run the command {command!r:.200} for each network: if you trust it, add --allow-commands."
        )
