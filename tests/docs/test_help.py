"""The help of every command, held in a file, so that a change of words is read before it is merged.

`cd tests && python -m docs.test_help` writes the file anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archsieve.cli import COMMANDS, app, function_of

from .documented import reference

HELD = Path(__file__).with_name("commands.md")


def test_the_help_is_the_one_that_was_read():
    hint = "the help of a command changed: read it, then run `cd tests && python -m docs.test_help`"
    assert HELD.read_text(encoding="utf-8") == reference().commands(), hint


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_is_all_that_was_written(name):
    """`[default: x]` in a help text is taken for markup, and left out."""
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).output
    words = set(re.findall(r"\w+", shown))
    for parameter in reference().parameters_of(function_of(name)):
        missing = set(re.findall(r"\w+", parameter.info.help or "")) - words
        assert not missing, f"{name} {parameter.name}: {missing} not in what is printed"


def test_the_line_of_a_command_is_the_first_of_its_own_help():
    for name, (_, line) in COMMANDS.items():
        first = " ".join((function_of(name).__doc__ or "").split("\n\n")[0].split())
        assert first == line, name


if __name__ == "__main__":
    HELD.write_text(reference().commands(), encoding="utf-8")
