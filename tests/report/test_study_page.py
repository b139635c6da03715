"""The page and the files of a study, and what a study's folder may hold instead of one."""

import csv
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from archsieve.cli import printing as console
from archsieve.errors import RunFolderError
from archsieve.judging.claims import MEASURES, POOLED, Claim, Finding
from archsieve.judging.mkr_study import Study
from archsieve.report.as_files import write_study
from archsieve.report.load_study import read_study
from archsieve.report.panels import panels
from archsieve.report.study_page import study_page
from archsieve.runs.folder import write_json
from archsieve.runs.provenance import Provenance
from plugins.commands import invoke
from plugins.pages import HOSTILE, Elements

TIGHT, WIDE = (0.1, 0.5, 0.9), (-0.2, 0.3, 0.8)
SEARCHER = "random search"


def finding(name, tau, mkr, *found, truth="accuracy", ndcg=0.0):
    return Finding(name, truth, tau, mkr, {SEARCHER: found}, tau, ndcg, 2.5)


def claim(kendall_gain, pearson_gain, truth="accuracy"):
    correlations = {"tau": WIDE, "1 - MKR": TIGHT}
    gains = ({"1 - MKR": gain} for gain in (kendall_gain, pearson_gain))
    return Claim(truth, SEARCHER, correlations, correlations, *gains)


STUDY = Study(
    benchmark="made-up",
    count=1234,
    seeds=2,
    budget=1000,
    seed=7,
    findings=(
        finding("bad", 0.5, 0.75, 1.0, 3.0, ndcg=0.125),
        finding("good", 0.25, 0.125, 8.0, 8.0, ndcg=0.875),
        finding("flat", None, 1.0, 0.0, 0.0),
        finding("fair", 0.75, 0.5, 5.0, 5.0, ndcg=0.375),
    ),
    claims=(claim(TIGHT, WIDE),),
    provenance=Provenance("archsieve study mkr", "cpu", 1, {"python": "3"}),
)


@pytest.fixture
def folder(tmp_path):
    write_json(tmp_path / "study" / "study.json", asdict(STUDY))
    return tmp_path / "study"


def test_a_study_comes_back(folder):
    assert read_study(folder) == STUDY


def test_a_study_by_hand():
    page = study_page(STUDY)
    assert [(card.value, card.note) for card in page.cards] == [
        ("1,234", "codes of made-up"),
        ("4", ""),
        ("2", "seeds, 1,000 evaluations"),
        ("no verdict", "A verdict needs 8 estimators that rank, but there are fewer (accuracy: 3)."),
    ]
    claims, findings = page.tables
    assert [row[2:] for row in claims.rows] == [
        ["tau", "0.30 [-0.20, 0.80]", "-", "-", "0.30 [-0.20, 0.80]", "-", "-"],
        [
            *("1 - MKR", "0.50 [0.10, 0.90]", "0.50 [0.10, 0.90]", "no verdict"),
            *("0.50 [0.10, 0.90]", "0.30 [-0.20, 0.80]", "no verdict"),
        ],
    ]
    assert findings.header == ["truth", "estimator", *MEASURES, f"found by {SEARCHER}"]
    assert findings.rows == [
        ["accuracy", "good", "0.25", "0.25", "0.875", "0.875", "-2.5", "8.00 ± 0.00"],
        ["accuracy", "fair", "0.75", "0.75", "0.5", "0.375", "-2.5", "5.00 ± 0.00"],
        ["accuracy", "bad", "0.5", "0.5", "0.25", "0.125", "-2.5", "2.00 ± 1.00"],
        ["accuracy", "flat", "-", "-", "0", "0", "-2.5", "0.00 ± 0.00"],
    ]
    assert page.verdict.endswith(
        "Random search, accuracy: 1 - MKR predicts best (Kendall 0.50 [0.10, 0.90]); no verdict, with 3 estimators."
    )
    assert dict(page.made)["seed"] == "7"
    assert page.verdict.startswith("The study gives no verdict. A verdict needs 8 estimators")
    names = ["accuracy-random-search-Kendall-s-tau", "accuracy-random-search-1-minimum-keeping-ratio"]
    assert [chart.name for chart in page.charts] == names
    for chart, x in zip(page.charts, ([0.5, 0.25, 0.75], [0.25, 0.875, 0.5]), strict=True):
        _, points, _ = chart.marks
        assert (list(points.x), list(points.y)) == (x, [2, 8, 5])
        assert points.tips == [
            f"{n}: {a:.3f}, found {y}.00" for n, a, y in zip(("bad", "good", "fair"), x, (2, 8, 5), strict=True)
        ]
        assert list(points.spread) == [1, 0, 0]
        assert chart.caption == (
            "Kendall 0.30 [-0.20, 0.80], Pearson 0.30 [-0.20, 0.80]"
            if x[0] == 0.5
            else "Kendall 0.50 [0.10, 0.90], Pearson 0.50 [0.10, 0.90]"
        )


@pytest.mark.parametrize(
    ("ranking", "verdicts"),
    [(7, [["-", "-"], ["no verdict", "no verdict"]]), (8, [["-", "-"], ["yes", "no"]])],
)
def test_below_eight_estimators_there_is_no_verdict(ranking, verdicts, capsys, monkeypatch):
    """A ninth one, whose scores are all equal, does not count."""
    findings = [finding(f"e{i}", i / 10, 0.5, 1.0, float(i)) for i in range(ranking)] + [
        finding("flat", None, 1.0, 0.0)
    ]
    study = replace(STUDY, findings=tuple(findings))
    page = study_page(study)
    assert [[row[5], row[8]] for row in page.tables[0].rows] == verdicts
    assert page.cards[-1].value == ("1 of 2" if ranking == 8 else "no verdict")
    begins = (
        "Random search, accuracy: 1 - MKR predicts best" if ranking == 8 else "The study gives no verdict. A verdict"
    )
    assert page.verdict.startswith(begins)
    monkeypatch.setenv("COLUMNS", "300")
    console.study(study)
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith(f"accuracy  {SEARCHER}")]
    assert [line.split("  ")[-1].strip() for line in rows] == [answers[1] for answers in verdicts]
    conclusion = "Random search, accuracy: 1 - MKR predicts best (Kendall 0.50 [0.10, 0.90]); "
    more = "better than tau: 1 - MKR (+0.50 [+0.10, +0.90])." if ranking == 8 else "no verdict, with 7 estimators."
    assert printed.startswith(conclusion + more)
    few = "A verdict needs 8 estimators that rank, but there are fewer (accuracy: 7)."
    assert (few in printed) == (ranking == 7)


def test_a_study_of_an_earlier_version_comes_back(folder):
    """It has tau, the keeping ratio and one gain: other measures are not known, and its claim is what it was."""
    content = asdict(STUDY)
    for found in content["findings"]:
        for name in ("weighted_tau", "ndcg", "regret"):
            del found[name]
    for made in content["claims"]:
        for name in ("kendall", "pearson"):
            made[f"{name}_gain"] = made.pop(f"{name}_gains")["1 - MKR"]
    write_json(folder / "study.json", content)
    study = read_study(folder)
    assert study.claims == STUDY.claims
    page = study_page(study)
    assert page.tables[1].rows[0][2:7] == ["0.25", "-", "0.875", "-", "-"]
    assert len(page.charts) == 2


def test_claims_over_all_truths_have_no_panels():
    findings = [*STUDY.findings, *(replace(f, truth="loss") for f in STUDY.findings)]
    claims = (claim(TIGHT, WIDE), claim(TIGHT, WIDE, "loss"), claim(TIGHT, WIDE, POOLED))
    study = replace(STUDY, findings=tuple(findings), claims=claims)
    assert [pair[0].truth for pair in panels(study)] == ["accuracy", "loss"]
    assert [row[0] for row in study_page(study).tables[0].rows[::2]] == ["accuracy", "loss", POOLED]
    assert study_page(study).verdict.count("Random search") == 1


def test_the_line_and_its_band_by_hand():
    # 0 1 2 against 0 3 0: the line is y = 1; residuals -1 2 -1, one degree of freedom, t = 12.706.
    found = [finding(name, tau, 1.0, y) for name, tau, y in (("a", 0.0, 0.0), ("b", 1.0, 3.0), ("c", 2.0, 0.0))]
    ((by_tau, by_mkr),) = panels(replace(STUDY, findings=tuple(found)))
    grid, line, margin = by_tau.line
    assert (grid[0], grid[-1]) == (0, 2)
    assert line == pytest.approx(np.ones(50))
    assert margin[0] == pytest.approx(12.706 * np.sqrt(6) * np.sqrt(1 / 3 + 1 / 2), rel=1e-4)
    assert by_mkr.line is None  # all the same


def test_labels_of_points_upon_each_other_are_one():
    found = [finding(name, tau, 0.5, y) for name, tau, y in (("a", 0.5, 9.0), ("b", 0.51, 9.0), ("c", 0.1, 1.0))]
    by_tau, _ = panels(replace(STUDY, findings=tuple(found)))[0]
    assert sorted(by_tau.labels()) == [("a, b", 0.5, 9.0), ("c", 0.1, 1.0)]


def test_nothing_written_by_others_becomes_a_part():
    findings = [replace(f, estimator=HOSTILE + f.estimator, truth=HOSTILE) for f in STUDY.findings]
    study = replace(STUDY, benchmark=HOSTILE, findings=tuple(findings), claims=(claim(None, None, HOSTILE),))
    page = study_page(study)
    made, count = Elements(page.html()).hostile()
    assert made == []
    assert count >= 8


def test_files_are_named_after_whatever_was_studied(tmp_path):
    truth = "../a $\\frac{$ <b>"
    findings = tuple(replace(f, truth=truth, estimator=f"${f.estimator}") for f in STUDY.findings)
    study = replace(STUDY, findings=findings, claims=(claim(None, None, truth),))
    write_json(tmp_path / "study" / "study.json", asdict(study))
    written = write_study(tmp_path / "study", tmp_path / "out")
    assert {path.parent for path in written} == {tmp_path / "out"}
    assert written[0].name == "a-frac-b-random-search-Kendall-s-tau.png"


def test_numbers_by_hand(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.report.draw.DPI", 40)
    written = write_study(folder, tmp_path / "out")
    charts = [f"accuracy-random-search-{by}" for by in ("1-minimum-keeping-ratio", "Kendall-s-tau")]
    files = [*(f"{name}.{kind}" for name in charts for kind in ("png", "svg")), "claims.csv", "findings.csv"]
    assert sorted(path.name for path in written) == sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    findings, claims = (
        list(csv.reader((tmp_path / "out" / f"{name}.csv").read_text().splitlines())) for name in ("findings", "claims")
    )
    assert findings[:3] == [
        ["truth", "estimator", "tau", "weighted_tau", "mkr", "ndcg", "regret", "searcher", "seed", "found"],
        ["accuracy", "bad", "0.5", "0.5", "0.75", "0.125", "2.5", SEARCHER, "0", "1.0"],
        ["accuracy", "bad", "0.5", "0.5", "0.75", "0.125", "2.5", SEARCHER, "1", "3.0"],
    ]
    assert findings[5][:5] == ["accuracy", "flat", "", "", "1.0"]
    assert len(findings) == 9
    assert claims[0] == ["truth", "searcher", "correlation", "with", "low", "value", "high"]
    assert claims[3] == ["accuracy", SEARCHER, "kendall", "1 - MKR over tau", "0.1", "0.5", "0.9"]
    assert len(claims) == 7


@pytest.mark.parametrize(
    "change",
    [
        {"provenance": ...},  # as older versions wrote it
        {"findings": []},
        {"findings": [{"estimator": "alone"}]},
        {"findings": 3},
        {"claims": [[]]},
        {"another": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("options", [[], ["--html", "page.html"], ["--files", "out"]])
def test_a_study_of_another_version_is_a_sentence(folder, monkeypatch, change, options):
    monkeypatch.chdir(folder)
    told = {k: v for k, v in (asdict(STUDY) | change).items() if v is not ...}
    (folder / "study.json").write_text(json.dumps(told))
    with pytest.raises(RunFolderError, match=r"study\.json was not written by this version: run the study again\.$"):
        read_study(folder)
    result = invoke("report", folder, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "traceback" not in result.stderr
    assert [p.name for p in folder.iterdir()] == ["study.json"]


@pytest.mark.parametrize("content", ["", "{", "3", '"study"', "[]", "null"])
def test_a_damaged_study_is_a_sentence(folder, content):
    (folder / "study.json").write_text(content)
    result = invoke("report", folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: The file {folder / 'study.json'} ")
    assert "traceback" not in result.stderr


def test_a_study_that_cannot_be_written_is_a_sentence(folder):
    for option, path in (("--html", folder), ("--files", folder / "study.json")):
        result = invoke("report", folder, option, path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: Cannot write to {path}: ")
        assert "traceback" not in result.stderr
