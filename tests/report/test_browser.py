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


def opened(path, tmp_path, *more):
    """Return the document as it stands once its scripts have run, and what they complained about."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=8000"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *options, *more, profile, "--dump-dom", path.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def figures(document):
    """Return the names of the figures, and of those that hold a chart."""
    names = re.findall(r'<figure id="figure-([^"]+)"', document)
    assert document.count('class="chart"') == len([name for name in names if name != "winner"])
    return names


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
    scores = [f"scores-{i}{by}" for i in (1, 2, 3) for by in ("", "-values")]
    costs = ["cost", "cost-seconds", "cost-macs"]
    assert figures(document) == ["winner", "funnel", *costs, "fates", "keeping", "tau-mkr", *scores]
    survivors = [int(n) for n in re.findall(r'data-survivors="(\d+)"', document)]
    assert survivors == [stage.kept for stage in result.stages[1:]]
    assert "<h1>A &amp; B</h1>" in document
    assert "<script>alert" not in document


LOOK = """<script>addEventListener("load", () => {
  const root = document.documentElement, styles = getComputedStyle(root);
  const points = [...document.querySelectorAll("svg.chart title")].length;
  document.title = [root.scrollWidth <= root.clientWidth, styles.getPropertyValue("--paper").trim(), points].join(" ");
})</script></body>"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("mode", "paper"), [("light", "#ffffff"), ("dark", "#14181d")])
def test_a_page_is_whole_at_any_width_and_dark_in_a_dark_browser(run, tmp_path, width, mode, paper):
    run_page(run[0]).write(tmp_path / "run.html")
    text = (tmp_path / "run.html").read_text(encoding="utf-8")
    (tmp_path / "run.html").write_text(text.replace("</body>", LOOK), encoding="utf-8")
    dark = ["--blink-settings=preferredColorScheme=0"] if mode == "dark" else []
    document, complaints = opened(tmp_path / "run.html", tmp_path, f"--window-size={width},2000", *dark)
    assert complaints == []
    is_whole, found, tips = re.search("<title>(true|false) (.*) (.*)</title>", document).groups()
    assert (is_whole, found) == ("true", paper)
    assert int(tips) > 500


def test_a_study(tmp_path):
    study = ("study", "mkr", "nasbench-macro", "--benchmark", "nasbench-macro-digits", "--seeds", "2", "--budget", "60")
    proxies = ("--proxy", "nwot", "--proxy", "params", "--proxy", "macs", "--proxy", "zen")
    assert invoke(*study, *proxies, "--out", tmp_path / "study").exit_code == 0
    assert invoke("report", tmp_path / "study", "--html", tmp_path / "study.html").exit_code == 0
    document, complaints = opened(tmp_path / "study.html", tmp_path)
    assert complaints == []
    assert len(figures(document)) == 12  # three searchers, four measures
    assert document.count("differential evolution") >= 2
