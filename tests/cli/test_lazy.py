"""A command's module is imported when the command is called, and not for the help page."""

import inspect
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from archsieve.cli import COMMANDS, app, function_of


def imported_by(*arguments):
    """Output and modules of a process that runs the command line."""
    program = (
        "import json, sys; from typer.testing import CliRunner; from archsieve.cli import app\n"
        "done = CliRunner().invoke(app, sys.argv[1:])\n"
        "print(json.dumps([done.exit_code, done.stdout, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_help_page_imports_no_command_and_no_numpy():
    code, page, modules = imported_by("--help")
    assert code == 0
    assert [name for name in COMMANDS if f"│ {name} " not in page] == []
    assert "numpy" not in modules
    assert [name for name in modules if name.startswith("archsieve")] == ["archsieve", "archsieve.cli"]


def test_a_command_imports_its_own_module_only():
    code, _, modules = imported_by("list", "plans")
    assert code == 0
    assert "archsieve.cli.catalogue" in modules
    assert {"rich", "archsieve.cli.judging", "archsieve.cli.searching", "torch", "scipy.stats"}.isdisjoint(modules)


def test_measuring_by_tables_imports_neither_torch_nor_statistics():
    embedded = ("--benchmark", "nasbench-macro-digits", "--proxy", "nwot")
    code, _, modules = imported_by("measure", "nasbench-macro", *embedded)
    assert code == 0
    assert {"torch", "scipy", "rich.progress", "archsieve.report.draw"}.isdisjoint(modules)
    assert {"archsieve.judging.judge_file", "archsieve.training.recipe", "archsieve.spaces.darts"}.isdisjoint(modules)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_page_says_what_the_command_says(name):
    summary = inspect.cleandoc(function_of(name).__doc__).partition("\n\n")[0].replace("\n", " ")
    assert COMMANDS[name][1] == summary
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"{name} [OPTIONS]" in result.stdout


def test_an_unknown_command_names_the_near_miss():
    result = CliRunner().invoke(app, ["mesure"])
    assert result.exit_code == 2
    assert "measure" in result.stderr


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("archsieve ")
