"""Import of the user's files and modules, which register parts of their own."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from archsieve.errors import PlanError, line_of
from archsieve.plans.named_code import check_plugin_name


def load_plugin(name: str) -> str:
    """Import a user's file or module, which registers its objects, and return the module's name.

    Raises:
        PlanError: it is not there, its name is taken by another module, or it fails.
    """
    check_plugin_name(name)
    path = Path(name)
    module = path.stem if path.suffix == ".py" else name
    if path.suffix == ".py":
        if not path.is_file():
            raise PlanError(f"There is no plugin file {name!r}.")
        sys.path.insert(0, str(path.resolve().parent))
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script that runs and ends, too
        place = f" ({line})" if (line := line_of(error, module)) else ""
        failed = PlanError(f"The plugin {name!r} cannot be imported: {type(error).__name__}: {error}{place}")
        failed.details = traceback.format_exc()
        raise failed from error
    origin = getattr(loaded, "__file__", None)
    if path.suffix == ".py" and (origin is None or Path(origin).resolve() != path.resolve()):
        raise PlanError(f"The plugin {name!r} has the name of the module {origin}: rename the file.")
    return module


def load_model(name: str) -> str:
    """Import the module of "module:function" (preferring `module.py` in the current folder), and return the name.

    Raises:
        PlanError: it is no such name, or the module cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise PlanError(f"A model is named as module:function, e.g. my_model:build, but got {name!r}.")
    file = Path(module if module.endswith(".py") else f"{module}.py")
    return f"{load_plugin(str(file) if file.is_file() else module)}:{attribute}"
