"""What pages tell a reader to type works: every command is parsed, the quick ones are run, the rest has a reason."""

from __future__ import annotations

import functools
import re
import shlex
import shutil

import pytest
import typer
from typer.testing import CliRunner

import archsieve.cli
from archsieve.cli import COMMANDS, app
from plugins.commands import invoke

from .documented import PAGES, ROOT, blocks, commands

pytest_plugins = ["plugins.fixtures"]

NOT_RUN = {
    # pattern of the whole command: why no test runs it here
    r"make .*": "the tests themselves run inside `make test`",
    r"(python3?|pip|pytest|git|cd|torchrun|ray|srun|sbatch|kubectl)\b.*": "another program than archsieve",
    r"archsieve search demo --out .*": "a minute of training; tests/cli/test_searching.py runs the demo's stages",
    r"archsieve (report|train|audit|export|verify) runs/demo.*": "needs the finished demo",
    r"archsieve (search|audit|report) .*(runs/c|c-nasbench-macro-cpu).*": "an hour of training",
    r"archsieve search (plan\.toml|/runs/plan\.toml|first\.toml --out runs/first --ray).*": "needs a cluster",
    r"archsieve search a-nasbench201 --dry-run": "times networks for about 20 seconds",
    r"archsieve study .*": "minutes of searches; tests/judging/test_mkr_study.py runs a small one",
    r"archsieve train .*": "trainings of hours; tests/cli/test_training.py runs small ones",
    r"archsieve measure nasbench201 .*": "needs a published table (`archsieve data`)",
    r"archsieve design nasbench201 .*": "needs a published table",
    r"archsieve (ask|tell) .*": "a dialogue; tests/cli/test_asking.py holds it",
    r".*\$(CFG|GENOTYPE|ARCH|CELL|arch).*": "the reader's value; tests/cli/test_notation.py has published ones",
    r"archsieve score-model my_model:build .*": "the module is the reader's; the page's own example is run elsewhere",
    r"archsieve search climb\.toml .*": "the plan is the reader's",
    r"archsieve search (a|b|c|spos|zero-cost|proxies|evolution)-.*": "hours of training",
    r"archsieve search examples/my_parts.toml .*": "tests/cli/test_plug_ins.py runs it",
    r"archsieve (search mine\.toml|score nasbench201 333333 --proxy nwot --task images).*": "the reader's files",
    r"archsieve search (demo --set seed=1 .*|first\.toml --dry-run --no-timing)": "like the dry run before it",
    r"archsieve plan .*": "times networks for minutes",
    r"archsieve verify .*": "reruns shipped figures",
    r"archsieve judge my_scores\.csv --truth (acc|loss)\b.*": "the file is the reader's",
}
"""Commands that this file only parses."""
HELD_ELSEWHERE = {
    "own_models.md": "tests/cli/test_own_models_page.py runs the page",
    "own_data.md": "tests/cli/test_own_data.py runs the page",
    "plug_ins.md": "tests/cli/test_plug_ins.py runs the page",
    "audit.md": "a search of its own; tests/judging and tests/cli hold the audit",
    "foreign_tables.md": "the tables are the reader's; tests/benchmarks/test_foreign.py makes its own",
    "benchmarks.md": "the tables are the reader's; tests/docs/test_benchmarks_page.py converts made-up ones",
    "planning.md": "times networks for minutes; tests/design holds the planner",
    "latency.md": "exports to ONNX take half a minute; tests/cli/test_latency_page.py runs the searches",
    "cards.md": "reruns shipped figures; tests/verifying holds it",
}
"""Pages whose commands another test runs, or cannot be run here."""

TYPED = [command for page in PAGES for command in commands(page)]
OURS = [command for command in TYPED if command.text.startswith("archsieve ")]


def reason(command):
    """Why a command is not run here; None if it is."""
    if command.page in HELD_ELSEWHERE:
        return HELD_ELSEWHERE[command.page]
    return next((why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, command.text)), None)


def quick(page):
    """The commands of a page that a test runs here."""
    return [command for command in commands(page) if command in OURS and reason(command) is None]


def words(text):
    return [word.replace("RUN", "runs/x") for word in shlex.split(text)][1:]


def parses(arguments):
    """Parse the arguments as the command line does, and do nothing."""

    def idle(function):
        return functools.wraps(function)(lambda **_: None)

    with pytest.MonkeyPatch.context() as patch:
        function_of = archsieve.cli.function_of
        patch.setattr(archsieve.cli, "function_of", lambda name: idle(function_of(name)))
        return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("command", OURS, ids=str)
def test_every_command_of_ours_has_the_options_it_shows(command):
    text = re.sub(r"\"?\$(?:\w+|\(.*\))\"?", "00", command.text.split(" && ")[0].split(" | ")[0])
    result = parses(words(text))
    assert result.exit_code == 0, result.output


def test_a_wrong_option_is_found():
    assert parses(["score", "darts", "00", "--proksy", "nwot"]).exit_code == 2


@pytest.mark.parametrize("page", [page for page in PAGES if quick(page)], ids=lambda page: page.name)
@pytest.mark.usefixtures("restored")
def test_the_quick_commands_of_a_page_run(page, tmp_path, monkeypatch):
    """In the order of the page, in a folder with the files that the page shows under a title."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))  # as a newcomer has it: nothing is there
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
    for command in quick(page):
        result = invoke(*words(command.text))
        assert result.exit_code == 0, f"{command}\n{result.stdout}{result.stderr}"


def test_no_reason_is_left_over():
    texts = [command.text for command in TYPED]
    stale = [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, text) for text in texts)]
    assert not stale


def test_most_programs_are_ours_and_every_command_is_somewhere():
    """The counts a reader may ask for; a page that lost its commands would change them much."""
    assert len(OURS) > 50
    assert sum(reason(command) is None for command in OURS) >= 15
    assert {command.text.split()[1] for command in OURS} >= set(COMMANDS)


if __name__ == "__main__":
    run = [command for command in OURS if reason(command) is None]
    typer.echo(
        f"{len(TYPED)} commands on {len(PAGES)} pages, {len(OURS)} of archsieve: {len(run)} run, the rest parsed"
    )
    for command in TYPED:
        typer.echo(f"{'run  ' if command in run else 'parse'} {command}  {reason(command) or ''}")
