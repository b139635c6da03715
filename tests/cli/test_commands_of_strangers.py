"""A plan from a stranger that has a command: without --allow-commands no command line runs it, wherever it stands."""

from __future__ import annotations

import shlex
import sys

import pytest

from archsieve.errors import PlanError
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.read import load_plan
from plugins.commands import TINY, invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

SCRIPT = "import sys; open(sys.argv[1], 'a').write('x'); print(len(sys.argv[2]))"
STAGE = '[[stage]]\nestimator = "params"\ntop = 2\n'
TOLD = '[[stage]]\nestimator = { name = "told", what = "accuracy" }\ntop = 1\n'
# Every place of a plan in which an estimator stands; COMMAND is a table.
PLACES = {
    "stage": "[[stage]]\nestimator = COMMAND\ntop = 1\n",
    "limit": f"[limits]\nmax_latency_ms = 8\nlatency = COMMAND\n{STAGE}",
    "final": f"final = COMMAND\n{STAGE}",
    "pool": f"pool = {{ evolve = COMMAND, budget = 4, population = 2, tournament = 2 }}\n{STAGE}",
    "part": '[[stage]]\nestimator = { name = "mean_rank", parts = ["params", COMMAND] }\ntop = 1\n',
    "objective": 'objectives = ["nwot", COMMAND]\n[[stage]]\ntop = 1\n',
    "teacher": '[[stage]]\nestimator = { name = "predictor", teacher = COMMAND, samples = 4 }\ntop = 1\n',
    "repeated": '[[stage]]\nestimator = { name = "repeated", estimator = COMMAND }\ntop = 1\n',
    "feature": f'{STAGE}[stage.search]\nname = "guided"\nfeatures = [COMMAND]\n',
    "class": "[[stage]]\nestimator = CLASS\ntop = 1\n",
}


@pytest.fixture
def ran(tmp_path):
    """The file that the command writes."""
    return tmp_path / "ran"


@pytest.fixture
def plan_with(tmp_path, ran):
    """Write a plan that has the command in a place, and return its path."""
    line = shlex.join([sys.executable, "-S", "-c", SCRIPT, str(ran)]) + " {digits}"
    table = f"name = \"command\", device = 'x', command = '''{line}'''"
    by_class = table.replace('"command"', '"archsieve.estimators.measured.command:Command"', 1)

    def write(text, name="plan.toml"):
        head, space = TINY.split("[space]")
        text = text.replace("COMMAND", f"{{ {table} }}").replace("CLASS", f"{{ {by_class} }}")
        is_head = text.startswith(("final", "pool", "objectives"))
        first, _, after = text.partition("\n") if is_head else ("", "", text)
        path = tmp_path / name
        path.write_text(f"{head}{first}\n[space]{space}{after}")
        return path

    return write


@pytest.mark.parametrize("place", PLACES)
def test_a_plan_with_a_command_anywhere_is_refused(place, plan_with, ran, tmp_path):
    plan = plan_with(PLACES[place])
    with pytest.raises(PlanError, match=r"add --allow-commands|no --plugin names"):
        load_plan(plan)
    for more in ((), ("--dry-run",)):
        refused = invoke("search", plan, "--out", tmp_path / "run", *more)
        assert refused.exit_code == 1, refused.stdout
        assert "would run" in refused.stderr
    assert not ran.exists()
    assert not (tmp_path / "run").exists()


def test_a_name_on_the_command_line_of_its_class_is_no_permission(plan_with, ran):
    with pytest.raises(PlanError, match="add --allow-commands"):
        load_plan(plan_with(PLACES["class"]), ["archsieve.estimators.measured.command"])
    assert not ran.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("search", "PLAN", "--out", "OUT"),
        ("search", "PLAN", "--out", "OUT", "--workers", "2"),
        ("search", "PLAN", "--out", "OUT", "--ray"),
        ("search", "PLAN", "--out", "OUT", "--plugin", "archsieve.estimators.measured.command"),
        ("search", "PLAN", "--dry-run", "--no-timing"),
        ("ask", "PLAN", "--out", "OUT"),
        ("design", "nasbench-macro", "--estimators", "PLAN", "--pilot", "PILOT", "--out", "OUT"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_begins_refuses_it(words, plan_with, ran, tmp_path):
    pilot = tmp_path / "pilot.csv"
    pilot.write_text("architecture,accuracy\n00,1\n01,2\n")
    names = {"PLAN": plan_with(PLACES["stage"] + TOLD), "OUT": tmp_path / "out", "PILOT": pilot}
    refused = invoke(*(names.get(word, word) for word in words))
    assert (refused.exit_code, ran.exists()) == (1, False), refused.stdout
    assert "--allow-commands" in refused.stderr
    assert len(refused.stderr) < 800


@pytest.mark.parametrize("command", ["score", "measure", "study", "judge"])
def test_a_command_line_without_a_plan_takes_no_command(command, ran, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("architecture,accuracy\n00,1\n01,2\n")
    named = f"command:device=x:command='touch {ran} {{digits}}'"
    words = {
        "score": ("score", "nasbench-macro", "00", "--proxy", named),
        "measure": ("measure", "nasbench-macro", "--proxy", named),
        "study": ("study", "mkr", "nasbench-macro", "--proxy", named),
        "judge": ("judge", scores, "--proxy", named),
    }
    refused = invoke(*words[command])
    assert refused.exit_code in (1, 2)
    assert not ran.exists()


@pytest.fixture
def older(plan_with, ran, tmp_path):
    """The folder of a search that was allowed to run its command, and whose scores are gone."""
    folder = tmp_path / "older"
    done = invoke("search", plan_with(PLACES["stage"]), "--out", folder, "--allow-commands")
    assert done.exit_code == 0, done.stderr
    assert ran.read_text() == "x" * 9
    ran.unlink()
    return folder


def test_the_folder_of_an_older_search_gives_no_permission(older, ran, tmp_path):
    """Neither to go on, nor to audit; whoever reads it runs nothing, with its scores and without."""
    refusing = [
        ("search", older / "plan.toml", "--out", older),
        ("search", older / "plan.toml", "--out", older, "--recompute", "--retry-failed"),
        ("audit", older),
        ("ask", older),
    ]
    reading = [
        ("report", older),
        ("verify", older, "--fraction", "1"),
        ("verify", older, "--run-scripts"),
        ("train", older, "--dry-run"),
        ("tell", older, "00", "1"),
    ]
    for has_scores in (True, False):
        if not has_scores:
            (older / "results.sqlite").unlink()
        for words in refusing:
            refused = invoke(*words)
            assert refused.exit_code == 1, words
            assert "--allow-commands" in refused.stderr or not has_scores, words
        for words in reading:
            invoke(*words)
        assert not ran.exists()


@pytest.mark.slow
def test_what_is_taken_home_runs_nothing(older, ran, tmp_path):
    done = invoke("export", older, "--to", tmp_path / "home")
    assert (done.exit_code, ran.exists()) == (0, False), done.stderr


def test_a_limit_by_a_command_is_not_measured_when_a_score_is_told(plan_with, ran, tmp_path):
    plan, folder = plan_with(f"[limits]\nmax_latency_ms = 8\nlatency = COMMAND\n{TOLD}"), tmp_path / "run"
    asked = invoke("ask", plan, "--out", folder, "--allow-commands")
    assert asked.exit_code == 0, asked.stderr
    assert ran.read_text() == "x" * 9
    ran.unlink()
    (folder / "results.sqlite").unlink()
    assert invoke("tell", folder, asked.stdout.split()[0], "1").exit_code in (0, 1)
    assert "--allow-commands" in invoke("ask", folder).stderr
    assert not ran.exists()


def test_permission_is_of_one_command_line(plan_with, ran, tmp_path):
    plan = plan_with(PLACES["stage"])
    with commands_allowed():
        assert load_plan(plan).stages
    assert invoke("search", plan, "--out", tmp_path / "a", "--allow-commands").exit_code == 0
    ran.unlink()
    assert invoke("search", plan, "--out", tmp_path / "b").exit_code == 1
    assert not ran.exists()
