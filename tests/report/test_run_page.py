"""The page of a run: what it says, read from its HTML, and that nothing written by others becomes a part of it."""

import json
import math

import numpy as np
import pytest

from archsieve.benchmarks.contract import task_of
from archsieve.benchmarks.records import Surrogate
from archsieve.errors import RunFolderError
from archsieve.estimators.lookup import Replay
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan
from archsieve.registry import BENCHMARKS
from archsieve.report.plot import Points
from archsieve.report.run_page import run_page
from archsieve.report.words import number
from archsieve.runs.folder import write_json
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import Picture
from archsieve.spaces.nasbench201.space import NASBench201
from plugins.commands import invoke
from plugins.line import Given, Line
from plugins.pages import HOSTILE, Elements
from plugins.toy import TASK

pytest_plugins = ["plugins.fixtures"]

SPACE = Line(8)
NAN = math.nan
UP = tuple(map(float, range(8)))


def run(folder, *stages, space=SPACE, **settings):
    """Run a plan with these stages and return its result."""
    with Session(folder, space, TASK) as session:
        return run_plan(Plan(space, TASK, stages, **settings), session)


@pytest.fixture
def known(publish):
    """A truth that grows with the code; nobody knows that of the first."""
    publish(SPACE, {"accuracy": np.array([NAN, 1, 2, 3, 4, 5, 6, 7])})


def table(page, title):
    (found,) = [t for t in page.tables if t.title == title]
    return [list(row) for row in found.rows]


def charts(page):
    return {chart.name: chart for chart in page.charts}


def named(chart):
    return {mark.name: mark for mark in chart.marks if getattr(mark, "name", "")}


def test_a_run_by_hand(known, tmp_path):
    run(
        tmp_path,
        Stage(Given(UP), keep=1.0, label="looks"),
        Stage(Given((0, 7, 6, 5, 4, 1, 3, 2)), top=4, label="cuts"),
        Stage(Given(UP), top=1, label="cuts"),
        title="By hand",
    )
    page = run_page(tmp_path)
    assert (page.title, page.winner) == ("By hand", "4")
    assert page.lead == "It is the 4th best of 7 networks whose truth is recorded; the best has 7.00."
    assert page.blocks == ["choice 0: 4"]
    first, last = page.funnel
    assert (first.label, first.kept, first.counts) == ("cuts", 4, "8 → 4 (50 %), 2 stages together")
    assert first.lost == "cut here of the truly best: 1st, 2nd, 3rd"
    assert (last.label, last.kept, last.counts) == ("cuts", 1, "4 → 1 (25 %)")
    assert last.lost == "cut here of the truly best: 5th, 6th, 7th"
    assert "network-epochs" not in first.cost  # nobody knows them
    best = table(page, "The truly best candidates")
    assert best[0] == ["1", "7", "7", "1. cuts", "6"]
    assert best[3] == ["4", "4", "4", "kept", "4, 1"]
    assert best[4] == ["5", "3", "3", "2. cuts", "3, 2"]
    rows = [row for row in table(page, "How well each stage ranked") if row[1] == "its estimator"]
    assert [row[0] for row in rows] == ["1. cuts", "2. cuts"]
    assert [row[2] for row in rows] == ["7", "4"]
    assert [row[-1] for row in rows] == ["3", "0"]
    assert [card.name for card in page.cards] == ["True rank", "Seconds of workers", "Worth in random trainings"]
    assert page.cards[0].value == "4 of 7"
    stages = [f"scores-{i}{by}" for i in (1, 2) for by in ("", "-values")]
    assert list(charts(page)) == ["funnel", "cost-seconds", "fates", "keeping", "tau-mkr", *stages]
    by_estimator, chance = charts(page)["tau-mkr"].marks
    assert (by_estimator.labels, [tip[:8] for tip in by_estimator.tips]) == (["1", "2"], ["cuts: ta"] * 2)
    assert chance.labels == ["1", "2"]
    assert list(named(charts(page)["keeping"])) == ["1. cuts", "2. cuts"]
    assert charts(page)["scores-1"].caption == "8 candidates. 1 without a known truth are left out."
    assert charts(page)["scores-1"].title == "Stage 1: cuts"


def test_a_truth_that_is_predicted_is_called_so(publish, tmp_path):
    members = {"guess": lambda archs: np.array([[a[0] + error for a in archs] for error in (-0.5, 0.5)])}
    publish(SPACE, Surrogate(members), truth="guess", caution="A guess.")
    run(tmp_path, Stage(Given((7, 6, 5, 4, 3, 2, 1, 0)), top=6), Stage(Given(UP), top=1))
    page = run_page(tmp_path)
    assert page.lead == (
        "It is the 3rd best of 8 candidates; the best has 7.00. The truth on this page is guess of made-up. A guess."
    )
    card = page.cards[0]
    assert (card.name, card.value) == ("Predicted rank among the candidates", "3 of 8")
    assert card.note == "5 ± 0.5, the best is 7: guess of made-up"


def test_the_page_says_it(known, tmp_path):
    run(tmp_path, Stage(Given(UP), top=2, label="early"), title="Spoken")
    (tmp_path / "plan.toml").write_text('seed = 0\n# "plan" & all', encoding="utf-8")
    run_page(tmp_path).write(tmp_path / "new" / "page.html")
    page = Elements((tmp_path / "new" / "page.html").read_text(encoding="utf-8"))
    for said in ("Spoken", "1. early", "8 → 2 (25 %)", "choice 0: 7", 'seed = 0 # "plan" & all', "called from Python"):
        assert said in page.text
    assert [a["data-survivors"] for _, a in page.found if "data-survivors" in a] == ["2"]
    assert not [
        tag
        for tag, a in page.found
        if any(k in ("src", "href") and v != "data:," and v[0] != "#" for k, v in a.items())
    ]
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(set(ids)) == len(ids)


def test_it_is_small_and_begins_with_the_verdict(known, tmp_path):
    run(tmp_path, Stage(Given(UP), top=2), title="Small")
    page = run_page(tmp_path)
    assert page.verdict.startswith("The search found a network for ")
    assert len(page.html().encode()) < 2e6
    text = Elements(page.html()).text
    assert text.index("Small") < text.index(page.verdict) < text.index("True rank")


def test_nothing_written_by_others_becomes_a_part(publish, tmp_path):
    class Odd(Line):
        name = HOSTILE

        def describe(self, arch):
            return HOSTILE

        def picture(self, arch):
            return Picture(blocks=(HOSTILE,), cells={HOSTILE: ((HOSTILE, "out", HOSTILE),)})

    space = Odd(8)
    publish(space, {HOSTILE: np.arange(8.0)}, truth=HOSTILE, name=HOSTILE)
    label = [Stage(Given((NAN, *UP[1:]), HOSTILE), top=top, label=HOSTILE) for top in (4, 2)]
    run(tmp_path, *label, space=space, title=HOSTILE)
    (tmp_path / "plan.toml").write_text(HOSTILE)
    page = run_page(tmp_path)
    made, count = Elements(page.html()).hostile()
    assert made == []
    assert count >= 10


@pytest.mark.parametrize(
    ("truth", "said"),
    [(None, "Their truth is not known."), (np.full(8, 3.0), "Their known truths do not differ.")],
)
def test_without_a_truth_scores_are_counted(publish, tmp_path, truth, said):
    if truth is not None:
        publish(SPACE, {"accuracy": truth})
    run(tmp_path, Stage(Given((NAN, -math.inf, *UP[2:])), top=3))
    page = run_page(tmp_path)
    chart = charts(page)["scores-1"]
    histogram, cut = chart.marks
    assert [(name, sorted(values)) for name, _, values in histogram.groups] == [("cut", [2, 3, 4]), ("kept", [5, 6, 7])]
    assert cut.x == 5
    assert chart.caption == f"8 candidates. {said} 2 have no finite score."
    assert "keeping" not in charts(page)
    assert "<html" in page.html()


def test_a_cut_at_minus_infinity_is_not_drawn(known, tmp_path):
    run(tmp_path, Stage(Given((*[-math.inf] * 7, 7.0)), top=5))
    drawn = charts(run_page(tmp_path))
    for name, points in (("scores-1", 7), ("scores-1-values", 1)):
        assert "the cut" not in named(drawn[name])
        assert sum(len(mark.x) for mark in drawn[name].marks) == points


@pytest.mark.parametrize(
    ("keep", "cut", "place"),
    [(3, 4.0, 2 / 7), (2, 6.0, 1 / 7)],
)
def test_the_cut_is_that_of_all_and_not_of_those_with_a_truth(known, tmp_path, keep, cut, place):
    run(tmp_path, Stage(Given((4 if keep == 3 else 6, 1, 0, 2, -1, 3, 5, 7)), top=keep))
    drawn = charts(run_page(tmp_path))
    by_place, by_score = (named(drawn[name])["the cut"].x for name in ("scores-1", "scores-1-values"))
    assert (by_place, by_score) == (pytest.approx(place), cut)


def test_a_stage_that_could_score_nothing(known, tmp_path):
    run(tmp_path, Stage(Given((NAN,) * 8), top=3), Stage(Given(UP), top=1))
    page = run_page(tmp_path)
    rows = [row for row in table(page, "How well each stage ranked") if row[1] == "its estimator"]
    assert (rows[0][3:5], rows[0][6]) == (["-", "-"], "100 %")
    assert "have no finite score" in charts(page)["scores-1"].caption
    assert "<html" in page.html()


def test_many_candidates_are_drawn_in_part(publish, tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.report.run_charts.MOST_POINTS", 200)
    space = Line(300)
    publish(space, {"accuracy": np.arange(300.0)})
    run(tmp_path, Stage(Given(tuple(1e300 * math.sin(i) for i in range(300))), top=20), space=space)
    chart = charts(run_page(tmp_path))["scores-1"]
    dots = sum(len(mark.x) for mark in chart.marks if isinstance(mark, Points))
    assert f"{dots:,} are drawn" in chart.caption
    assert 90 <= dots <= 100
    assert len(named(chart)["the 10 best"].x) == 10


def test_keeping_curves_of_many_stages_can_be_told_apart(publish, tmp_path):
    space = Line(40)
    publish(space, {"accuracy": np.arange(40.0)})
    up = Given(tuple(map(float, range(40))))
    run(tmp_path, *(Stage(up, top=30 - 2 * i) for i in range(12)), space=space)
    page = run_page(tmp_path)
    keeping = [chart for name, chart in charts(page).items() if name.startswith("keeping")]
    assert [chart.title for chart in keeping] == [
        f"Keeping curves, stages {first} to {last}" for first, last in ((1, 4), (5, 8), (9, 12))
    ]
    for chart in keeping:
        curves = named(chart).values()
        assert len({curve.colour for curve in curves}) == len({curve.dash for curve in curves}) == len(curves) == 4
    assert len(page.html().encode()) < 2e6


def test_random_search_stands_beside_the_search_in_the_chart_of_costs(tmp_path):
    benchmark = BENCHMARKS["nasbench-macro-digits"]
    stages = (Stage(Replay(2), keep=0.1), Stage(Replay(20), top=1))
    with Session(tmp_path, benchmark.space, task_of(benchmark)) as session:
        result = run_plan(Plan(session.space, session.task, stages, final=Replay(20)), session)
    page = run_page(tmp_path)
    (bars,) = charts(page)["cost"].marks
    networks = f"random search, {result.random_search.networks} networks"
    assert bars.names == ["stage 1", "stage 2", "this search", networks]
    assert bars.lengths[2] == bars.lengths[3] == pytest.approx(result.cost.network_epochs)
    assert bars.labels[2:] == [f"found {v:.2f}" for v in (result.truth.value, result.random_search.value)]
    space = benchmark.space
    params, macs = (getattr(space, name)(result.code, session.task) for name in ("params", "macs"))
    assert page.size == f"{params:,} parameters, {macs:,} multiply-adds"
    assert page.usage.startswith(f"archsieve export {tmp_path} --to winner")


def test_fewer_than_ten_best_are_counted(known, tmp_path):
    run(tmp_path, Stage(Given(UP), top=1))
    assert "the 7 best" in named(charts(run_page(tmp_path))["scores-1"])


def test_a_pool_of_one(known, tmp_path):
    run(tmp_path, Stage(Given(UP), top=1), pool=Pool(sample=1))
    page = run_page(tmp_path)
    assert (page.funnel, page.charts) == ([], [])
    assert len(page.winner) == 1
    assert "<html" in page.html()


@pytest.mark.parametrize(("failing", "note"), [(51, "And 1 more."), (50, "")])
def test_fifty_failures_are_told(tmp_path, failing, note):
    scores = (NAN,) * failing + UP
    run(tmp_path, Stage(Given(scores, "too large"), top=1), space=Line(len(scores)))
    (found,) = [t for t in run_page(tmp_path).tables if t.title == "Architectures without a score"]
    assert (len(found.rows), found.note) == (50, note)
    assert list(found.rows[0]) == ["given", "0", "too large"]


def test_a_run_that_goes_on(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([Given(UP)], [(3,)])
    page = run_page(tmp_path)
    assert (page.title, page.charts, page.funnel) == ("Search in Line", (), ())
    assert page.lead.startswith("This folder has scores, but no plan of a search")
    assert table(page, "Stored scores")[0][:5] == ["given", "3", number(UP[3]), "1", "0"]
    assert page.texts == []  # and no plan lies there
    assert "<html" in page.html()


def test_a_cell_without_operations(tmp_path):
    space = NASBench201(width=2, cells=1, stages=1)
    with Session(tmp_path, space, TASK) as session:
        session.pool = lambda sample: [(0,) * 6]
        run_plan(Plan(space, TASK, (Stage(ZeroCost("nwot"), top=1),)), session)
    page = run_page(tmp_path)
    assert page.cells == ["<p>cell: no edges</p>"]
    assert "cell: no edges" in Elements(page.html()).text


def test_a_final_score_that_failed_is_told(tmp_path):
    run(tmp_path, Stage(Given(UP), top=1), final=Given((NAN,) * 8))
    card = run_page(tmp_path).cards[0]
    assert (card.name, card.value, card.note) == ("Final score", "-", "it could not be computed")


def test_a_table_that_could_not_be_read_is_told(known, tmp_path):
    result = run(tmp_path, Stage(Given(UP), top=1))
    assert result.truth_note == ""
    edit(tmp_path, truth_note="The file is damaged.")
    assert run_page(tmp_path).lead.endswith("7.00. The truth could not be looked up: The file is damaged.")


def edit(folder, **changes):
    """Change, or leave out, keys of a result."""
    told = json.loads((folder / "result.json").read_text()) | changes
    write_json(folder / "result.json", {k: v for k, v in told.items() if v is not ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": ..., "network_epochs": 3.0},
        {"picture": ...},
        {"provenance": ...},
        {"title": ...},
        {"stages": [{"label": "old", "candidates": 8, "kept": 1, "failures": 0, "seconds": 1.0}]},
        {"stages": 3},
        {"cost": {"seconds": 1.0}},
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"], ["--html", "page.html"], ["--files", "files"]])
def test_a_result_of_another_version_is_a_sentence(tmp_path, monkeypatch, changes, options):
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "run", Stage(Given(UP), top=1))
    edit(tmp_path / "run", **changes)
    with pytest.raises(RunFolderError, match=r"result\.json was not written by this version: run the search"):
        run_page(tmp_path / "run")
    result = invoke("report", "run", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "traceback" not in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_rounds_of_another_search_are_a_sentence(tmp_path):
    run(tmp_path, Stage(Given(UP), top=1))
    with np.load(tmp_path / "rounds.npz") as arrays:
        kept = {name: values for name, values in arrays.items() if name != "pool_archs"}
    np.savez(tmp_path / "rounds.npz", **kept)
    with pytest.raises(RunFolderError, match=r"rounds\.npz do not belong to result\.json: run the search again"):
        run_page(tmp_path)


@pytest.mark.parametrize("target", ["a folder", "below a file"])
def test_a_page_that_cannot_be_written_is_a_sentence(tmp_path, target):
    run(tmp_path / "run", Stage(Given(UP), top=1))
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "run" if target == "a folder" else tmp_path / "file" / "page.html"
    before = sorted(tmp_path.rglob("*"))
    result = invoke("report", tmp_path / "run", "--html", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: Cannot write to {path}: ")
    assert len(result.stderr.splitlines()) == 1
    assert "traceback" not in result.stderr
    assert sorted(tmp_path.rglob("*")) == before
