"""Code of a user that a plan names: it runs only where the command line names its module too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Collection


def check_named(name: str, plugins: Collection[str]) -> None:
    """Check that the command line names the module of "module:Name": a plan alone must not run code.

    Raises:
        PlanError: it does not.
    """
    module = name.partition(":")[0]
    if module not in plugins:
        raise PlanError(
            f"{name!r} would run code of the module {module!r}, which the command line does not name: if you trust it, "
            f"add --plugin {module}.py (or --plugin {module})."
        )
