"""Figures computed again from their cards: what is right is found right, and one changed figure is found."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from archsieve import _machine
from archsieve.errors import DataError, SettingError, UnknownNameError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import identity
from archsieve.runs.provenance import provenance
from archsieve.runs.rows import RESULTS, checksum_of
from archsieve.runs.score_tables import CODES
from archsieve.runs.score_tables import Card as TableCard
from archsieve.runs.store import Store
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.digits import Digits
from archsieve.verifying import outputs
from archsieve.verifying.cards import card_paths, check_file, find_card, read_card
from archsieve.verifying.comparison import RELATIVE, compare, leaves, relative, tolerance_of
from archsieve.verifying.outputs import arguments_of, digest_of_output, figures_of_page
from archsieve.verifying.scores import computed, part_of
from archsieve.verifying.verify import verify
from plugins.commands import TINY, invoke, run

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
ESTIMATORS = [ZeroCost("nwot", batch_size=8), ZeroCost("l2_norm", batch_size=8)]
NO_PROGRESS = lambda label, done, total: None  # noqa: E731
MADE = {"seed": 0, "versions": {}, "processor": "", "command": "archsieve list spaces --json"}


def write_card(path, **settings):
    path.write_text(json.dumps({**MADE, "sha256": "", **settings}))
    return path


@pytest.fixture
def table(tmp_path):
    """A table of two proxies, made here, and its card; `change` alters one score before it is written."""

    def make(change=lambda scores: None, **settings):
        archs = [tuple(map(int, arch)) for arch in list(enumerate_space(SPACE))[:4]]
        scores = computed(SPACE, Digits(), 0, ESTIMATORS, archs, NO_PROGRESS)
        change(scores)
        path = tmp_path / "made-here.npz"
        columns = {e.name: scores[:, k] for k, e in enumerate(ESTIMATORS)}
        np.savez_compressed(path, **{CODES: np.array(archs, dtype=np.int8)}, **columns)
        made = provenance()
        card = TableCard(
            space=identity(SPACE),
            task=identity(Digits()),
            seed=0,
            estimators={e.name: identity(e) for e in ESTIMATORS},
            population="sample",
            count=4,
            command="none",
            seconds=0.0,
            versions=made.versions,
            processor=made.processor,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            failures={},
        )
        path.with_suffix(".json").write_text(json.dumps({**asdict(card), **settings}))
        return str(path.with_suffix(".json"))

    return make


def test_scores_made_here_are_equal_to_the_last_bit(table):
    found = verify(table(), fraction=1.0)
    assert (found.compared, found.equal, found.outside, found.tolerance) == (8, 8, 0, 0.0)


def test_the_last_bit_of_one_score_is_found_on_the_same_processor_and_forgiven_on_another(table):
    def change(scores):
        scores[2, 1] = np.nextafter(scores[2, 1], np.inf)

    name = table(change)
    found = verify(name, fraction=1.0)
    assert (found.equal, found.outside) == (7, 1)
    assert found.deviations[0].what.startswith("l2_norm of ")
    assert invoke("verify", name, "--fraction", 1).exit_code == 1
    elsewhere = verify(table(change, processor="another"), fraction=1.0)
    assert (elsewhere.tolerance, elsewhere.equal, elsewhere.outside) == (RELATIVE, 7, 0)


def test_a_millionth_is_found_on_any_processor(table):
    def change(scores):
        scores[0, 0] *= 1 + 3e-6

    assert verify(table(change, processor="another"), fraction=1.0).outside == 1


def test_a_table_that_is_not_the_one_of_its_card(table):
    name = table(sha256="0" * 64)
    with pytest.raises(DataError, match="not the one that its card describes"):
        verify(name)
    result = invoke("verify", name)
    assert result.exit_code == 1
    assert "SHA-256" in result.stderr


def test_a_proxy_of_another_version_is_left_out_and_named(table):
    settings = {e.name: identity(e) for e in ESTIMATORS}
    settings["nwot"]["version"] += 1
    found = verify(table(estimators=settings), fraction=1.0)
    assert found.compared == 4
    assert found.notes == ("This version has no nwot as the card has it: not computed.",)


@pytest.mark.parametrize("fraction", [0, -1, 1.01, math.nan, math.inf])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(SettingError, match=r"0 < fraction <= 1"):
        verify("digits", fraction=fraction)


def test_the_part_is_as_large_as_asked_for_and_the_same_every_time():
    items = list(range(1000))
    assert len(part_of(items, 0.05, "a")) == 50
    assert part_of(items, 0.05, "a") == part_of(items, 0.05, "a") != part_of(items, 0.05, "b")
    assert len(part_of(items, 1e-9, "a")) == 1
    assert part_of(items, 1.0, "a") == items


def forge(db):
    """Give every row the checksum of what it says now."""
    db.create_function("checksum_of", -1, lambda *values: checksum_of(values))
    db.execute(f"UPDATE results SET checksum = checksum_of({RESULTS.names})")
    db.commit()


def test_a_run_is_its_own_card_and_a_changed_score_in_its_store_is_found(tmp_path):
    plan, run = tmp_path / "plan.toml", tmp_path / "run"
    stage = '[[stage]]\nestimator = {name = "zero_cost", proxy = "nwot", batch_size = 8}\ntop = 2\n'
    plan.write_text(TINY.strip() + "\n" + stage)
    assert invoke("search", plan, "--out", run).exit_code == 0
    result = json.loads((run / "result.json").read_text())
    assert len(result["rounds_sha256"]) == 64
    assert result["provenance"]["processor"] == provenance().processor
    right = invoke("verify", run, "--fraction", 1, "--json")
    assert right.exit_code == 0, right.stderr
    assert json.loads(right.stdout)["equal"] == json.loads(right.stdout)["compared"] > 5
    with sqlite3.connect(run / "results.sqlite") as db:
        last = "(SELECT max(architecture) FROM results)"
        db.execute(f"UPDATE results SET score = score * 1.01 WHERE architecture = {last}")
        db.commit()
        damaged = invoke("verify", run, "--fraction", 1)
        assert damaged.exit_code == 1
        assert "Damaged rows" in damaged.stderr
        forge(db)
    db.close()
    wrong = invoke("verify", run, "--fraction", 1)
    assert wrong.exit_code == 1
    assert "1 OUTSIDE" in wrong.stdout


def test_scores_of_another_seed_or_task_in_the_folder_of_a_run_are_not_taken_for_its_own(tmp_path):
    plan, run = tmp_path / "plan.toml", tmp_path / "run"
    stage = '[[stage]]\nestimator = {name = "zero_cost", proxy = "nwot", batch_size = 8}\ntop = 2\n'
    plan.write_text(TINY.strip() + "\n" + stage)
    assert invoke("search", plan, "--out", run).exit_code == 0
    alone = json.loads(invoke("verify", run, "--fraction", 1, "--json").stdout)
    store = Store(run / "results.sqlite")
    rows = list(store.rows())
    for change in ({"seed": 7}, {"task": "another"}):
        store.put([r._replace(key=replace(r.key, **change), score=r.score + 1) for r in rows])
    store.close()
    among_others = invoke("verify", run, "--fraction", 1, "--json")
    assert among_others.exit_code == 0, among_others.stderr
    assert json.loads(among_others.stdout)["equal"] == alone["compared"] == len(rows)
    with sqlite3.connect(run / "results.sqlite") as db:
        db.execute("DELETE FROM results WHERE seed <> 7")
        db.commit()
    db.close()
    shown = invoke("verify", run)
    assert shown.exit_code == 1
    assert "is of another search: no score in it has the space and the seed 0 of this one" in shown.stderr


def test_rounds_that_are_not_those_of_the_result_are_found(tmp_path):
    plan, run = tmp_path / "plan.toml", tmp_path / "run"
    plan.write_text(TINY.strip() + '\n[[stage]]\nestimator = "params"\ntop = 2\n')
    assert invoke("search", plan, "--out", run).exit_code == 0
    with np.load(run / "rounds.npz") as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content["scores_0"][3] += 1
    np.savez_compressed(run / "rounds.npz", **content)
    shown = invoke("report", run)
    assert shown.exit_code == 1
    assert "not those that result.json was written with" in shown.stderr


def test_what_a_command_prints_is_compared_without_its_times(tmp_path):
    output = json.loads(run("list", "spaces", "--json")[1])  # elsewhere: this process knows spaces of tests
    path = write_card(tmp_path / "list.json", kind="output", output=output, sha256=digest_of_output(output))
    assert verify(str(path)).outside == 0
    wrong = {**output, "spaces": [*output["spaces"][:-1], "another"]}
    path = write_card(tmp_path / "list.json", kind="output", output=wrong, sha256=digest_of_output(wrong))
    assert verify(str(path)).outside == 1
    write_card(path, kind="output", output=output, sha256="0" * 64)
    with pytest.raises(DataError, match="their hash differs"):
        verify(str(path))


@pytest.mark.parametrize(
    "command",
    [
        "",
        "rm -rf /",
        "archsieve",
        "archsieve list spaces",
        "archsieve score-model a.py:b --json",
        "archsieve measure nasbench201 --plugin evil.py --json",
        "archsieve measure nasbench201 --plugin=evil.py --json",
        "archsieve search demo --out /etc/x --json",
        "archsieve search ../../evil.toml --json",
        "archsieve search /tmp/evil.toml --json",
        "archsieve measure nasbench201 --proxy --plugin --json",
        "archsieve list 'unclosed --json",
        "archsieve report RUN --html x --json",
        "archsieve study mkr nasbench201 --out /etc/x --json",
        "archsieve list --json; rm x",
    ],
)
def test_commands_that_a_card_may_not_name(command, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs.subprocess, "run", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(SettingError, match="not run"):
        arguments_of(command)
    path = write_card(tmp_path / "c.json", kind="output", command=command, output={}, sha256=digest_of_output({}))
    assert invoke("verify", path).exit_code == 1


def test_a_page_is_held_to_its_tables_and_its_script_runs_only_if_allowed(tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "docs" / "cards").mkdir(parents=True)
    page = tmp_path / "docs" / "page.md"
    page.write_text("words\n| tau | 0.5 |\n")
    script = "from pathlib import Path\nPath('docs/page.md').write_text('other words\\n| tau | 0.5 |\\n')\n"
    (tmp_path / "studies" / "page.py").write_text(script)
    digest = digest_of_output(figures_of_page(page))
    card = tmp_path / "docs" / "cards" / "page.json"
    write_card(card, kind="page", page="page.md", command="python studies/page.py", sha256=digest)
    found = verify(str(card))
    assert found.compared == 0
    assert "--run-scripts" in found.notes[0]
    assert (verify(str(card), runs_scripts=True).equal, page.read_text()[:5]) == (1, "words")
    (tmp_path / "studies" / "page.py").write_text(script.replace("0.5", "0.6"))
    assert verify(str(card), runs_scripts=True).outside == 1
    page.write_text("a\n| b | 0.1 |\n<!-- one -->\n| tau | 0.6 |\n<!-- end of one -->\n| c | 2 |\n")
    marked = {"kind": "page", "page": "page.md", "command": "python studies/page.py", "marks": ["one"]}
    write_card(card, **marked, sha256=digest_of_output(figures_of_page(page, ["one"])))
    (tmp_path / "studies" / "page.py").write_text(
        "from pathlib import Path\npage = Path('docs/page.md')\npage.write_text(page.read_text().replace('0.1', '9'))\n"
    )
    assert (verify(str(card), runs_scripts=True).compared, figures_of_page(page, ["one"])) == (1, "| tau | 0.6 |")
    write_card(card, **{**marked, "marks": ["two"]}, sha256=digest)
    with pytest.raises(DataError, match="no part between marks of the name 'two'"):
        verify(str(card))
    write_card(card, **{**marked, "marks": 1}, sha256=digest)
    with pytest.raises(DataError, match="names no parts of a page"):
        verify(str(card))
    write_card(card, kind="page", page="page.md", command="python studies/page.py", sha256=digest)
    page.write_text("words\n| tau | 0.7 |\n")
    with pytest.raises(DataError, match="their hash differs"):
        verify(str(card))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "no JSON object"),
        ("{}", "says no 'command'"),
        ('{"command": 1}', "says no 'command'"),
        ("[" * 70 + "]" * 70, "nested deeper"),
        (json.dumps({**MADE, "sha256": "", "seed": True}), "no 'seed'"),
        (json.dumps({**MADE, "sha256": "", "kind": "x" * 999}), r"of the kind 'x{200} \.\.\.'"),
    ],
)
def test_files_that_are_no_cards(text, words, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        verify(str(path))


def test_a_card_may_not_name_a_file_elsewhere(tmp_path):
    path = write_card(tmp_path / "card.json", kind="trainings", file="../../etc/passwd")
    with pytest.raises(DataError, match="outside of its folder"):
        verify(str(path))


def test_every_shipped_card_is_one_and_its_file_is_the_one_it_describes():
    paths = card_paths()
    assert {"digits", "nasbench301-standin", "nasbench201-cifar10", "nasbench-macro-digits"} <= paths.keys()
    for path in paths.values():
        card = read_card(path)
        if card.kind in ("scores", "trainings", "surrogate"):
            check_file(card)


def test_a_card_that_is_not_there():
    with pytest.raises(UnknownNameError, match=r"no card 'digit'.* 'digits'"):
        find_card("digit")


@pytest.mark.parametrize(
    ("recorded", "now", "expected"),
    [
        *((1.0, 1.0, 0), (math.nan, math.nan, 0), (math.inf, math.inf, 0), ("a", "a", 0), (4.0, 3.0, 0.25)),
        *((1.0, math.nan, math.inf), ("a", "b", math.inf), (None, 1.0, math.inf), (-math.inf, 1.0, math.inf)),
    ],
)
def test_relative_deviations(recorded, now, expected):
    assert relative(recorded, now) == expected


def test_only_figures_are_compared():
    before = {"tau": [0.5, 0.25], "seconds": 3, "wall_seconds": 2, "name": "a", "versions": {"torch": "1"}}
    after = {**before, "seconds": 9, "wall_seconds": 7, "versions": {}, "tau": [0.5, 0.5]}
    comparison = compare(leaves(before, after), 0.0)
    assert (comparison.compared, comparison.outside, comparison.deviations[0].what) == (3, 1, "tau.1")
    assert compare(leaves({"tau": [1]}, {"tau": [1, 2]}), 0.0).outside == 1
    assert compare(leaves({"tau": 1}, {}), 0.0).outside == 1


def test_proxies_that_amplify_rounding_have_a_tolerance_of_their_own_on_another_processor_only():
    pairs = [("zico of 1-2", 1.0, 1.001), ("nwot of 1-2", 1.0, 1.0), ("plain of 1-2", 1.0, 1.001), ("zico", 1.0, 1.001)]
    found = compare(pairs, RELATIVE)
    assert ([d.what for d in found.deviations], found.wider) == (["plain of 1-2", "zico"], ("plain", "zico"))
    assert (compare(pairs, 0.0).outside, compare(pairs, 0.0).wider) == (3, ())


def test_processors_of_one_name_are_told_apart_by_generation_and_caches():
    here, info = _machine.model(), Path("/proc/cpuinfo")
    assert here.startswith(_machine.processor())
    assert provenance().processor == here
    if info.exists() and "cpu family" in (text := info.read_text()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "read_text", lambda _, **__: text.replace("cpu family\t: ", "cpu family\t: 9"))
            assert _machine.model.__wrapped__() != here


def test_the_tolerance_is_none_only_on_the_same_processor_with_the_same_libraries():
    versions = {"torch": "2.0", "python": "3.11"}
    assert tolerance_of(versions, "cpu", {"torch": "2.0"}, "cpu") == 0
    assert tolerance_of(versions, "cpu", {"torch": "2.1"}, "cpu") == RELATIVE
    assert tolerance_of(versions, "cpu", {"torch": "2.0"}, "another") == RELATIVE
    assert tolerance_of(versions, "", {"torch": "2.0"}, "") == RELATIVE
