"""The scripts that write pages, for tests that hold a page to its script."""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

STUDIES = Path(__file__).parents[2] / "studies"


@contextmanager
def script_of(name):
    """Import a script of `studies/` for as long as the context lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(STUDIES)
        spec = importlib.util.spec_from_file_location(name, STUDIES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    sys.modules.pop("marks", None)
