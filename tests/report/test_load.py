"""The report: it reads a run folder and nothing else."""

import math
import tracemalloc
from dataclasses import asdict

import pytest

from archsieve.benchmarks.contract import task_of
from archsieve.errors import RunFolderError
from archsieve.estimators.lookup import Replay
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import Plan
from archsieve.plans.run import run_plan
from archsieve.registry import BENCHMARKS
from archsieve.report.load import read_run
from archsieve.report.stored import csv_parts, ordered_rows, read_rows, to_csv
from archsieve.runs.session import Session
from archsieve.runs.store import Key, Row, Store
from archsieve.searchers.contract import Stage
from plugins.toy import TASK, Counting, Failing, Sum, Toy, value

SPACE = Toy(2)  # 00 01 02 11 12 22
PLAN = Plan(SPACE, TASK, (Stage(Counting(), keep=1.0), Stage(Failing("scoring"), keep=0.0)))


@pytest.fixture
def finished(tmp_path):
    with Session(tmp_path / "run", SPACE, TASK) as session:
        run_plan(PLAN, session)
    return tmp_path / "run"


def test_a_finished_run(finished):
    report = read_run(finished)
    assert report.folder == str(finished)
    assert report.space == {"type": "Toy", "version": 1, "length": 2, "choices": [3, 3]}
    assert report.task["name"] == "synthetic"
    assert report.result["stages"][1]["label"] == report.result["chosen_by"] == "failing[scoring]"
    assert [s["failures"] for s in report.result["stages"]] == [0, 1]
    counting, failing = report.estimators
    values = {a: value(a) for a in SPACE_CODES}
    best = max(values, key=values.get)
    assert (counting.estimator, counting.fingerprint, counting.seed) == ("counting", fingerprint(Counting()), 0)
    assert (counting.scored, counting.failures) == (6, 0)
    assert (counting.best, counting.best_score) == ("".join(map(str, best)), values[best])
    assert (failing.scored, failing.failures) == (5, 1)
    assert [asdict(f) for f in report.failures] == [
        {"estimator": "failing[scoring]", "architecture": "22", "reason": "no score for (2, 2)"}
    ]


SPACE_CODES = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def test_a_run_that_goes_on(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([Counting()], [(0, 1)])
        report = read_run(tmp_path)  # while the driver holds the folder
        session.scores([Counting(1)], [(0, 1)])
    assert report.result is None
    assert [(e.estimator, e.scored) for e in report.estimators] == [("counting", 1)]


def test_estimators_are_kept_apart_by_setting_and_seed(tmp_path):
    for seed in (0, 1):
        with Session(tmp_path, SPACE, TASK, seed=seed) as session:
            session.scores([Counting(), Counting(1)], [(0, 1)])
    found = {(e.fingerprint, e.seed) for e in read_run(tmp_path).estimators}
    assert found == {(fingerprint(Counting(s)), seed) for s in (0, 1) for seed in (0, 1)}


def test_where_nothing_was_scored_there_is_no_best(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([Failing("nan")], [(2, 2)])
    (estimator,) = read_run(tmp_path).estimators
    assert (estimator.scored, estimator.failures, estimator.best, estimator.best_score) == (0, 1, None, None)


def test_csv_has_every_digit_and_every_reason(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([Sum((Counting(), Failing("scoring"), Failing("-inf")))], [(2, 2), (0, 1)])
    task = fingerprint(TASK)
    one, two, three = (fingerprint(e) for e in (Counting(), Failing("-inf"), Failing("scoring")))
    assert to_csv(read_rows(tmp_path)).splitlines() == [
        "estimator,fingerprint,seed,architecture,score,error,task",
        f"counting,{one},0,0-1,{value((0, 1))!r},,{task}",
        f"counting,{one},0,2-2,{value((2, 2))!r},,{task}",
        f"failing[-inf],{two},0,0-1,{value((0, 1))!r},,{task}",
        f"failing[-inf],{two},0,2-2,-inf,,{task}",
        f"failing[scoring],{three},0,0-1,{value((0, 1))!r},,{task}",
        f'failing[scoring],{three},0,2-2,nan,"no score for (2, 2)",{task}',
    ]


def test_csv_does_not_depend_on_the_order_of_work(tmp_path):
    found = []
    for name, order in (("a", 1), ("b", -1)):
        with Session(tmp_path / name, SPACE, TASK) as session:
            for arch in SPACE_CODES[::order]:
                session.scores([Counting(), Counting(1)][::order], [arch])
        found.append(to_csv(read_rows(tmp_path / name)))
    assert found[0] == found[1]
    assert len(found[0].splitlines()) == 13


def test_csv_quotes_what_needs_it():
    row = Row(Key("s", "t", "e", 0), (1,), 'a "name", odd', math.nan, 0.0, 0, "line\nbreak")
    assert to_csv([row]).splitlines()[1:] == ['"a ""name"", odd",e,0,1,nan,"line', 'break",t']


def test_codes_are_ordered_as_numbers(tmp_path):
    rows = [Row(Key("s", "t", "e", 0), (i,), "n", float(i), 0.0, 0) for i in (10, 9, 2)]
    from archsieve.runs.store import Store

    store = Store(tmp_path / "results.sqlite")
    store.put(rows)
    store.close()
    assert [r.arch for r in read_rows(tmp_path)] == [(2,), (9,), (10,)]


def test_a_report_takes_the_same_memory_for_many_rows_as_for_few(tmp_path):
    peaks = {}
    for count in (20, 20, 120):  # estimators of 50 codes; the first fills what is remembered of codes
        folder = tmp_path / str(count)
        with Session(folder, SPACE, TASK) as session:
            if not read_rows(folder):
                keys = [Key(fingerprint(SPACE), "t", "e", seed) for seed in range(count)]
                rows = (Row(key, (i, 1), "name", i / 7, 0.1, 1) for key in keys for i in range(50))
                session._store.put(rows)
        mark = {}
        tracemalloc.start()
        with ordered_rows(folder) as (rows, damage):
            characters = sum(map(len, csv_parts(rows, mark)))
            assert damage() == ""
        assert characters > 50 * count * 20
        assert len(read_run(folder).estimators) == count
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[120] < peaks[20] + 120 * 2000  # a tally of each estimator, and not 5,000 rows of more than 500 bytes


def test_reading_changes_nothing(finished):
    before = {p.name: p.read_bytes() for p in finished.iterdir() if p.is_file()}
    read_run(finished)
    assert {p.name: p.read_bytes() for p in finished.iterdir() if p.is_file()} == before


@pytest.mark.parametrize("there", [True, False])
def test_what_is_no_run_folder_is_a_sentence(tmp_path, there):
    folder = tmp_path if there else tmp_path / "nowhere"
    with pytest.raises(RunFolderError, match=r"is not a run folder: it has no results\.sqlite\.$"):
        read_run(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["results.sqlite", "run.json", "result.json"])
@pytest.mark.parametrize("content", [b"", b"{garbage"])
def test_a_damaged_file_is_a_sentence(finished, file, content):
    (finished / file).write_bytes(content)
    with pytest.raises(RunFolderError, match=file.replace(".", r"\.")) as caught:
        read_run(finished)
    assert "\n" not in str(caught.value)


def test_a_lost_mark_is_a_sentence(finished):
    (finished / "run.json").unlink()
    with pytest.raises(RunFolderError, match=r"There is no run\.json"):
        read_run(finished)


def test_a_run_says_where_the_truly_best_were_cut(tmp_path):
    benchmark = BENCHMARKS["nasbench-macro-digits"]
    table = benchmark.load()
    stages = (Stage(Replay(2), keep=0.1, label="early"), Stage(Replay(20), top=1, label="late"))
    with Session(tmp_path / "run", benchmark.space, task_of(benchmark)) as session:
        result = run_plan(Plan(session.space, session.task, stages), session)
    fates = read_run(tmp_path / "run").fates
    truth = dict(zip(table.archs, table.columns[benchmark.truth], strict=True))
    pool = [a for a in table.archs if benchmark.space.canonical(a) == a]
    assert [f.truth for f in fates] == sorted((truth[a] for a in pool), reverse=True)[:10]
    for fate in fates:
        arch = tuple(map(int, fate.architecture))
        assert fate.truth == truth[arch]
        early = table.lookup("curve_2", pool)
        own = table.lookup("curve_2", [arch])[0]
        assert fate.places[0] == sum(early >= own)
        if fate.cut_by == "early":
            assert len(fate.places) == 1
            assert fate.places[0] >= result.stages[0].kept
        else:
            assert len(fate.places) == 2
            assert (fate.cut_by is None) == (arch == result.code)
    assert {f.cut_by for f in fates} >= {"early"}


def test_a_run_without_a_truth_or_of_an_older_version_has_no_fates(finished):
    assert read_run(finished).fates == ()
    (finished / "rounds.npz").unlink()
    assert read_run(finished).fates == ()


def test_damaged_rounds_are_a_sentence(finished):
    (finished / "rounds.npz").write_bytes(b"PK no archive")
    with pytest.raises(RunFolderError, match=r"rounds\.npz cannot be read"):
        read_run(finished)


def test_time_spent_on_learning_adds_up(tmp_path):
    store = Store(tmp_path / "results.sqlite")
    key = Key("space", "task", "print", 3)
    store.learn(key, "forest", 1.5)
    store.learn(key, "forest", 2.0)
    assert store.learning() == {("forest", "print", 3): 3.5}
    store.close()
