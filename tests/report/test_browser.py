"""The pages in a real browser: nothing fails there, and what it shows is what the run did."""

import re
import shutil
import subprocess

import pytest

from archsieve.benchmarks.contract import task_of
from archsieve.estimators.lookup import Replay
from archsieve.plans.contract import Plan
from archsieve.plans.run import run_plan
from archsieve.registry import BENCHMARKS
from archsieve.report.page import Page
from archsieve.report.run_page import run_page
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from plugins.commands import invoke

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]


def opened(path, tmp_path):
    """Return the document as it stands once its scripts have run, and what they complained about."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=8000"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *options, profile, "--dump-dom", path.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def figures(document):
    """Return the names of the figures that are drawn: by the script, or by the page itself."""
    drawn = re.findall(r'<div id="([^"]+)" class="plotly-graph-div js-plotly-plot"', document)
    assert document.count('class="main-svg"') >= len(drawn)  # plotly draws into these
    return drawn, re.findall(r'<figure id="figure-([^"]+)"', document)


def test_complaints_are_heard(tmp_path):
    path = tmp_path / "broken.html"
    Page("broken").write(path)
    path.write_text(path.read_text().replace("</main>", "</main><script>nothing.there()</script>"))
    _, complaints = opened(path, tmp_path)
    assert len(complaints) == 1
    assert "nothing is not defined" in complaints[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    benchmark = BENCHMARKS["nasbench-macro-digits"]
    stages = (
        Stage(Replay(1), keep=1.0, label="nothing cut"),
        Stage(Replay(2), keep=0.1, label="<script>alert('early')</script>"),
        Stage(Replay(20), top=3, label="late"),
        Stage(Replay(19), top=1, label="last"),
    )
    with Session(folder, benchmark.space, task_of(benchmark)) as session:
        result = run_plan(Plan(session.space, session.task, stages, title="A & B"), session)
    return folder, result


def test_a_run(run, tmp_path):
    folder, result = run
    run_page(folder).write(tmp_path / "run.html")
    document, complaints = opened(tmp_path / "run.html", tmp_path)
    assert complaints == []
    drawn, all_figures = figures(document)
    assert drawn == ["fates", "scores-1", "scores-2", "scores-3", "keeping", "tau-mkr", "cost"]
    assert all_figures == ["funnel", "winner", *drawn]
    survivors = [int(n) for n in re.findall(r'data-survivors="(\d+)"', document)]
    assert survivors == [stage.kept for stage in result.stages[1:]]
    assert "<h1>A &amp; B</h1>" in document
    assert "<script>alert" not in document


HEIGHTS = """<script>addEventListener("load", () => setTimeout(() => {
  const say = () => charts().map((chart) =>
    `${chart.offsetHeight}/${chart.querySelector(".main-svg").getAttribute("height")}`).join(" ");
  const told = [say()];
  for (const name of ["beforeprint", "afterprint"]) { dispatchEvent(new Event(name)); told.push(say()); }
  document.title = told.join(", ");
}, 1000))</script></body>"""


def test_charts_are_low_in_print_and_as_before_afterwards(run, tmp_path):
    page = run_page(run[0])
    page.write(tmp_path / "run.html")
    text = (tmp_path / "run.html").read_text(encoding="utf-8")
    (tmp_path / "run.html").write_text(text.replace("</body>", HEIGHTS), encoding="utf-8")
    document, complaints = opened(tmp_path / "run.html", tmp_path)
    assert complaints == []
    before, printed, after = re.search("<title>(.*)</title>", document)[1].split(", ")
    heights = [chart.figure.layout.height for (chart,) in page.charts]
    assert before == after == " ".join(f"{h}/{h}" for h in heights)
    assert printed == " ".join(f"{min(h, 360)}/{min(h, 360)}" for h in heights)


def test_a_study(tmp_path):
    study = ("study", "mkr", "nasbench-macro", "--benchmark", "nasbench-macro-digits", "--seeds", "2", "--budget", "60")
    proxies = ("--proxy", "nwot", "--proxy", "params", "--proxy", "macs", "--proxy", "zen")
    assert invoke(*study, *proxies, "--out", tmp_path / "study").exit_code == 0
    assert invoke("report", tmp_path / "study", "--html", tmp_path / "study.html").exit_code == 0
    document, complaints = opened(tmp_path / "study.html", tmp_path)
    assert complaints == []
    drawn, all_figures = figures(document)
    assert len(drawn) == len(all_figures) == 6  # three searchers, two measures
    assert document.count("differential evolution") >= 2
