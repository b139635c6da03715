"""What a newcomer writes: a proxy of three lines and a space of fifteen, in a file outside the package."""

import json

import pytest

from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored", "quick_workers")

FILE = """
from dataclasses import dataclass
from torch import nn
from archsieve import SPACES, SearchSpace, proxy

@proxy
def my_proxy(network, probe):
    return sum(p.numel() for p in network.parameters())

@SPACES.register("my-space")
@dataclass(frozen=True)
class MySpace(SearchSpace):
    widths: tuple[int, ...] = (2, 4, 8)
    depth: int = 3

    @property
    def choices(self):
        return (len(self.widths),) * self.depth

    def build(self, arch, task):
        layers, width = [], task.input_shape[0]
        for option in arch:
            layers += [nn.Conv2d(width, self.widths[option], 3, padding=1), nn.ReLU()]
            width = self.widths[option]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, task.num_outputs))
"""

PLAN = """
task = "digits"
space = { name = "my-space", depth = 2 }
[[stage]]
estimator = { name = "my_proxy", batch_size = 8 }
keep = 0.25
[[stage]]
estimator = { name = "partial_training", epochs = 1, horizon = 1 }
top = 1
"""


def convolution(inputs, outputs):
    return 9 * inputs * outputs + outputs


# 012 on a task of one channel: 1 -> 2 -> 4 -> 8, and ten outputs; on three channels: 3 -> 2 -> 4 -> 8.
ON_DIGITS = convolution(1, 2) + convolution(2, 4) + convolution(4, 8) + 8 * 10 + 10
ON_COLOURS = convolution(3, 2) + convolution(2, 4) + convolution(4, 8) + 8 * 10 + 10


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "my_file.py"
    path.write_text(FILE)
    return path


def test_the_proxy_is_three_lines_and_the_space_about_fifteen():
    proxy, space = FILE.split("@proxy")[1].split("@SPACES")
    assert len([line for line in ("@proxy" + proxy).splitlines() if line.strip()]) == 3
    assert len([line for line in space.splitlines() if line.strip()]) <= 16


def test_score(plugin):
    result = invoke("score", "my-space", "012", "--proxy", "my_proxy", "--plugin", plugin, "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith("Task: cifar10, the default of ")
    assert len(result.stderr.splitlines()) == 1
    assert json.loads(result.stdout) == [{"architecture": "012", "my_proxy": ON_COLOURS}]
    result = invoke("score", "my-space", "012", "--proxy", "my_proxy", "--plugin", plugin, "--task", "digits")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["architecture", "my_proxy"],
        ["012", str(ON_DIGITS)],
    ]


def test_costs_come_for_nothing(plugin):
    result = invoke("score", "my-space", "012", "--plugin", plugin, "--task", "digits", "--json")
    # 8x8 pixels, three convolutions of 3x3 without stride, and a linear layer
    macs = 64 * 9 * (1 * 2 + 2 * 4 + 4 * 8) + 8 * 10
    assert json.loads(result.stdout) == [{"architecture": "012", "params": ON_DIGITS, "macs": macs}]


def test_list(plugin):
    result = invoke("list", "proxies", "--plugin", plugin)
    assert "my_proxy" in result.stdout.removeprefix("proxies: ").strip().split(", ")
    assert "my-space" in json.loads(invoke("list", "spaces", "--plugin", plugin, "--json").stdout)["spaces"]


def test_without_the_plugin_there_is_no_such_thing(plugin):
    result = invoke("score", "my-space", "012")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no space 'my-space'.")


def test_published_proxies_score_the_space(plugin):
    options = [o for p in ("nwot", "zen", "synflow", "grad_norm") for o in ("--proxy", p)]
    result = invoke("score", "my-space", "222", "000", *options, "--task", "digits", "--plugin", plugin, "--json")
    large, small = json.loads(result.stdout)
    assert large["synflow"] > small["synflow"] > 0
    assert large["nwot"] != small["nwot"]


@pytest.mark.parametrize("workers", [1, 2])
def test_search(plugin, tmp_path, workers):
    (tmp_path / "plan.toml").write_text(PLAN)
    options = ("--out", tmp_path / "run", "--plugin", plugin, "--workers", workers)
    result = invoke("search", tmp_path / "plan.toml", *options, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    # Nine networks; ceil(0.25 * 8) = 2 are left: the two with most parameters, 22 and 12 (0: 2, 1: 4, 2: 8 channels).
    sizes = {
        f"{a}{b}": convolution(1, 2 << a) + convolution(2 << a, 2 << b) + (2 << b) * 10 + 10
        for a in range(3)
        for b in range(3)
    }
    best = sorted(sizes, key=sizes.get)[-2:]
    assert best == ["12", "22"]
    assert [(s["candidates"], s["kept"]) for s in found["stages"]] == [(9, 2), (2, 1)]
    assert found["best"] in best
    assert 0 < found["best_score"] <= 100
    csv = [line.split(",") for line in invoke("report", tmp_path / "run", "--csv").stdout.splitlines()[1:]]
    assert {row[3].replace("-", ""): float(row[4]) for row in csv if row[0] == "my_proxy"} == sizes
    assert sorted(row[3].replace("-", "") for row in csv if row[0] == "partial_training[1]") == best


def test_a_plan_may_name_the_class_itself(plugin, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN.replace('"my-space"', '"my_file:MySpace"'))
    result = invoke("search", tmp_path / "plan.toml", "--dry-run", "--no-timing", "--plugin", plugin)
    assert result.stdout.splitlines()[1].split() == ["my_proxy", "9", "2", "0.019"]
    result = invoke("search", tmp_path / "plan.toml", "--dry-run")
    assert result.exit_code == 1
    assert "would run code of the module 'my_file'" in result.stderr


DESIGN = """
task = "digits"
space = {space}
[[stage]]
estimator = "my_proxy"
keep = 1.0
[final]
name = "partial_training"
epochs = 1
horizon = 1
"""


@pytest.mark.parametrize("named", ["my-space", "small-space", "my_file:MySpace"])
@pytest.mark.parametrize("asked", ["my-space", "my_file:MySpace"])
def test_design_knows_the_space_by_its_registered_name(plugin, tmp_path, named, asked):
    if named == "small-space":
        plugin.write_text(FILE + 'SPACES.add("small-space", partial(MySpace, widths=(2, 3, 4)))\n')
        plugin.write_text(plugin.read_text().replace("from torch", "from functools import partial\nfrom torch"))
        asked = named if asked == "my-space" else asked
    (tmp_path / "plan.toml").write_text(DESIGN.replace("{space}", f'"{named}"'))
    codes = [f"{a}{b}{c}" for a in range(3) for b in range(3) for c in range(3)]
    rows = [f"{code},{sum(map(int, code)) + place / 100}" for place, code in enumerate(codes)]
    (tmp_path / "pilot.csv").write_text("architecture,accuracy\n" + "\n".join(rows) + "\n")
    options = ("--pilot", tmp_path / "pilot.csv", "--plugin", plugin, "--out", tmp_path / "designed.toml")
    result = invoke("design", asked, "--estimators", tmp_path / "plan.toml", *options)
    assert result.exit_code == 0, result.stderr
    again = f"archsieve search {tmp_path}/designed.toml --plugin {plugin}"
    assert result.stdout.splitlines()[-1] == f"Plan: {tmp_path}/designed.toml. Run it: {again}"
    assert invoke(*again.split()[1:], "--dry-run", "--no-timing").exit_code == 0
    wrong = invoke("design", "my-spce", "--estimators", tmp_path / "plan.toml", *options)
    assert wrong.stderr == "Error: There is no space 'my-spce'. Did you mean 'my-space'?\n"
    other = invoke("design", "darts", "--estimators", tmp_path / "plan.toml", *options)
    called = named if named == "small-space" else "my-space"
    assert f"is about the space {called}: a design for darts needs another." in other.stderr


def test_messages_and_results_have_the_registered_name(plugin):
    result = invoke("score", "my-space", "013", "--plugin", plugin)
    assert result.stderr.startswith("Error: '013' is not an architecture of my-space: ")


BENCHMARK = """
import numpy as np
from archsieve import BENCHMARKS
from archsieve.benchmarks.records import Table
from archsieve.spaces.contract import enumerate_space

class Mine:
    name, space, task, truth, columns, source = "mine", MySpace(depth=4), "digits", "accuracy", ("accuracy",), None

    def is_present(self):
        return True

    def load(self):
        codes = tuple(enumerate_space(self.space))
        return Table(codes, {"accuracy": np.array([float(sum(code)) for code in codes])})

BENCHMARKS.add("mine", Mine())
"""


def test_a_benchmark_of_the_space_brings_its_settings(plugin):
    plugin.write_text(FILE + BENCHMARK)
    options = ("--benchmark", "mine", "--task", "digits", "--plugin", plugin, "--json")
    result = invoke("measure", "my-space", "--proxy", "params", *options)
    assert result.exit_code == 0, result.stderr
    assert {row["count"] for row in json.loads(result.stdout)} == {81}


def test_a_benchmark_without_a_file_is_not_among_the_data(plugin):
    plugin.write_text(FILE + BENCHMARK)
    assert "mine" in invoke("list", "benchmarks", "--plugin", plugin).stdout
    result = invoke("data", "--json")  # in the same process
    assert result.exit_code == 0, result.stderr
    assert "mine" not in {row["used_by"] for row in json.loads(result.stdout)}
    assert {"cifar10"} <= {name for row in json.loads(result.stdout) for name in row["used_by"].split(", ")}
