"""The picture of a front: its data, and that the page shows it with a tip for each network."""

from __future__ import annotations

import json
import re

import pytest

from archsieve.errors import RunFolderError
from archsieve.plans.front import rank_under
from archsieve.report.front_chart import front_charts
from archsieve.report.load import read_run
from archsieve.report.run_page import run_page
from archsieve.runs.folder import write_json
from archsieve.searchers.contract import Stage
from plans.test_objectives import BOTH, run

TITLES = ("accuracy in percent", True), ("latency in ms", False), ("params", False)


def result(*networks, objectives=2):
    titles = [{"estimator": t, "title": t, "higher_is_better": up} for t, up in TITLES[:objectives]]
    rows = [
        {"architecture": str(i), "code": [i], "values": list(values), "is_best": is_best, "rank": i + 1}
        for i, (is_best, *values) in enumerate(networks)
    ]
    return {"front": {"objectives": titles, "networks": rows}}


def test_what_is_drawn():
    (chart,) = front_charts(result((True, 92.5, 8.0), (True, 90.0, 3.0), (False, 90.0, 4.0)))
    edge, dominated, best = chart.marks
    assert (edge.x.tolist(), edge.y.tolist(), edge.is_stepped) == ([3.0, 8.0], [90.0, 92.5], True)
    assert (dominated.x.tolist(), dominated.y.tolist()) == ([4.0], [90.0])
    assert best.tips == [
        "0: accuracy in percent 92.50, latency in ms 8; rank 1",
        "1: accuracy in percent 90.00, latency in ms 3; rank 2",
    ]
    assert (chart.x.title, chart.y.title) == ("latency in ms (lower is better)", "accuracy in percent")
    assert chart.title == "Accuracy in percent against latency in ms"
    assert chart.caption.startswith("2 of 3 networks are not dominated")


def test_three_objectives_have_a_chart_each():
    charts = front_charts(result((True, 90.0, 3.0, 5.0), (True, 80.0, 3.0, 1.0), objectives=3))
    assert [chart.name for chart in charts] == ["front-1", "front-2"]
    assert charts[1].marks[0].x.tolist() == [5.0, 1.0]


def test_without_objectives_there_is_none():
    assert front_charts(None) == front_charts({"front": None}) == front_charts(result()) == []


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0], ["1", 2.0], None])
def test_a_front_of_another_shape_is_refused(values, tmp_path):
    run(tmp_path, Stage(BOTH, top=1))
    stored = json.loads((tmp_path / "result.json").read_text())
    stored["front"]["networks"][0]["values"] = values
    write_json(tmp_path / "result.json", stored)
    with pytest.raises(RunFolderError, match="not written by this version"):
        read_run(tmp_path)
    with pytest.raises(RunFolderError, match="damaged"):
        rank_under(tmp_path, "8ms")


def test_the_page_has_it_with_a_tip_for_each_network(tmp_path):
    pytest.importorskip("matplotlib")
    run(tmp_path, Stage(BOTH, top=1))
    html = run_page(tmp_path).html()
    best = [n for n in read_run(tmp_path).result["front"]["networks"] if n["is_best"]]
    assert "Quality against latency in ms" in html
    tips = re.findall(r"<title>(\d+: quality [^<]*)</title>", html)
    assert len(tips) == 26
    assert any(tip.startswith(f"{best[0]['architecture']}: ") for tip in tips)
