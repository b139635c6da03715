"""Every table that a command prints fits a terminal of 80 columns."""

import pytest

from archsieve.cli import COMMANDS
from plugins.commands import invoke

from .test_searching import MODEL, json_cases

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

WITHOUT_TABLES = {"data", "ask", "tell", "export", "verify", "list"}  # sentences, and lines of data
SLOW = {"plan", "score-model", "train"}  # the first prints the table of a dry run; see the cases below for the others


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    found = json_cases(folder)
    assert invoke(*found["search"]).exit_code == 0
    more = {
        "dry run": ["search", "demo", "--dry-run", "--no-timing"],
        "dry run of a pipeline": ["search", "a-nasbench-macro", "--dry-run", "--no-timing"],
        "long codes": ["score", "nasbench201", "333123", "123440", "--proxy", "params", "--proxy", "macs"],
        "intervals": [*found["measure"], "--bootstrap", "5"],
        "own network": ["score-model", MODEL, "--shape", "3x8x8", "--proxy", "params"],
        "dry run of a training": ["train", "nasbench201", "333123", "--task", "digits", "--dry-run", "--no-timing"],
    }
    return found | more


@pytest.fixture
def printed(monkeypatch):
    """The lines of the tables that a command prints."""
    lines = []
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("archsieve.cli.tables.record", lines.append)
    return lines


def is_whole(line):
    """Whether a line is too long only because its one code or name cannot be broken."""
    return max(map(len, line.split())) > 80 - len("architecture: ")


TABLES = ["score", "measure", "judge", "study", "design", "search", "audit", "report", "space"]


DRY = ["dry run", "dry run of a pipeline", "dry run of a training"]
QUICK = [name for name in TABLES if name != "study"]


@pytest.mark.parametrize(
    "name", [*QUICK, pytest.param("study", marks=pytest.mark.slow), *DRY, "long codes", "intervals", "own network"]
)
def test_a_table_fits_eighty_columns(cases, printed, name):
    result = invoke(*cases[name])
    assert result.exit_code == 0, result.stderr
    assert printed, "no table was printed"
    assert [line for line in printed if len(line) > 80 and not is_whole(line)] == []


def test_no_command_is_left_out():
    assert {*TABLES, *WITHOUT_TABLES, *SLOW} == set(COMMANDS)
