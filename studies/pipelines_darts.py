"""Judges runs of pipelines A, B and C on DARTS by the stand-in surrogate, and writes docs/pipelines_darts.md.

    for plan in a b c; do archsieve search $plan-darts-cpu --out runs/darts/$plan; done
    python studies/pipelines_darts.py runs/darts

The stand-in (see the card of nasbench301-standin) predicts what cells reach at 32 channels and 8 cells; the pipelines
search with smaller networks. Beside each winner stand what sizes and chance would have taken from the same pool.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.report.load import read_run
from archsieve.runs.effort import Ledger
from archsieve.runs.folder import ROUNDS_FILE, RUN_FILE, read_mark, read_rounds

RUNS = ("a", "b", "c")
OLD_SPACE = (
    "**These runs used version 1 of the space, which had no batch normalisation after poolings (`pool_norm =",
    "false`). Today's plans put one after every pooling, so a new run finds other cells.**",
    "",
)
PAGE = Path(__file__).parents[1] / "docs" / "pipelines_darts.md"
BENCHMARK = "nasbench301-standin"
DRAWS = 2000
INTERVAL = (0.025, 0.975)


class Judge:
    """The members' predictions of a pool, (m, n), and what they say of its networks."""

    def __init__(self, archs) -> None:
        benchmark = BENCHMARKS[BENCHMARK]
        self.archs = [tuple(arch) for arch in archs.tolist()]
        self.members = benchmark.load().columns[benchmark.truth](self.archs)
        self.mean = self.members.mean(axis=0)

    def told(self, arch) -> str:
        """Return accuracy and rank in the pool, with what the members differ by."""
        i = self.archs.index(tuple(arch))
        ranks = 1 + (self.members > self.members[:, [i]]).sum(axis=1)
        low, high = np.quantile(ranks, INTERVAL)
        rank = 1 + int((self.mean > self.mean[i]).sum())
        return f"{self.mean[i]:.2f} ± {self.members[:, i].std():.2f} | {rank:,} [{low:,.0f}, {high:,.0f}]"

    def draws(self, count: int):
        """Return the place, from 0, of the best of so many networks drawn at random, of many draws."""
        rng = np.random.default_rng(0)
        return np.array([rng.choice(len(self.mean), count, replace=False).min() for _ in range(DRAWS)])

    def share_beaten(self, arch, count: int) -> float:
        """Return in how many of the draws the best is no better than this network."""
        place = int((self.mean > self.mean[self.archs.index(tuple(arch))]).sum())
        return float((self.draws(count) >= place).mean())

    def by_chance(self, count: int) -> str:
        """Return the best of so many networks drawn at random: mean accuracy and rank, with intervals."""
        order, best = np.sort(self.mean)[::-1], self.draws(count)
        (low, high), (least, most) = (np.quantile(a, INTERVAL) for a in (order[best], best + 1))
        accuracy = f"{order[best].mean():.2f} [{low:.2f}, {high:.2f}]"
        return f"{accuracy} | {np.median(best) + 1:,.0f} [{least:,.0f}, {most:,.0f}]"


def stages_of(result) -> list[dict]:
    """Return the stages, epochs of partial training that follow each other as one."""
    found: list[dict] = []
    for stage in result["stages"]:
        name = stage["label"].partition(", epoch")[0]
        if found and found[-1]["label"] == name:
            found[-1]["kept"], found[-1]["epochs"] = stage["kept"], found[-1]["epochs"] + 1
            for cost in ("seconds", "network_epochs"):
                found[-1][cost] += stage[cost]
        else:
            found.append({**stage, "label": name, "epochs": 1})
    return found


def section(name: str, folder: Path) -> list[str]:
    """Return what is said of one run."""
    run = read_run(folder)
    result = run.result
    labels = [stage["label"] for stage in result["stages"]]
    rounds, pool = read_rounds(folder, labels)
    judge = Judge(pool["archs"])
    plan = load_plan(find_plan(f"{name}-darts-cpu"))
    a_training = Ledger(plan.space, plan.task).pay(plan.final, 1)
    affordable = max(1, int(result["cost"]["network_epochs"] / a_training))
    lines = [
        f"## {plan.title}",
        "",
        f"Found: `{result['best']}`, {result['final_score']:.2f} % of the test set after the last training.",
        "",
        "| stage | candidates | kept | network-epochs | seconds of workers | best of the pool by the stand-in, kept |",
        "|---|---|---|---|---|---|",
    ]
    top = {judge.archs[i] for i in np.argsort(-judge.mean)[:10]}
    last = {label.partition(", epoch")[0]: i for i, label in enumerate(labels)}
    for stage in stages_of(result):
        kept = rounds[last[stage["label"]]]
        left = len(top & {tuple(code) for code in kept.archs[kept.kept].tolist()})
        label = stage["label"] if stage["epochs"] == 1 else f"{stage['label']}, {stage['epochs']} epochs"
        costs = f"{stage['network_epochs']:.1f} | {stage['seconds']:,.0f}"
        lines.append(f"| {label} | {stage['candidates']:,} | {stage['kept']:,} | {costs} | {left} of 10 |")
    heaviest = judge.archs[int(np.argmax(pool["params"]))]
    memory = folder / "memory.json"
    peak = f", {json.loads(memory.read_text())['peak_mb']:,} MB at most" if memory.exists() else ""
    cost, beaten = result["cost"], judge.share_beaten(result["code"], affordable)
    return [
        *lines,
        "",
        f"In all {cost['network_epochs']:.0f} network-epochs, {cost['seconds']:,.0f} seconds on a busy machine{peak}.",
        "",
        f"| taken from the {len(judge.archs):,} | stand-in accuracy | rank in the pool |",
        "|---|---|---|",
        f"| by the pipeline | {judge.told(result['code'])} |",
        f"| the most parameters | {judge.told(heaviest)} |",
        f"| one at random | {judge.by_chance(1)} |",
        f"| the best of {affordable} at random, at equal cost | {judge.by_chance(affordable)} |",
        "",
        f"Of {DRAWS:,} such draws of {affordable}, {beaten:.0%} gave nothing better than the pipeline.",
        "",
    ]


def is_of_old_space(folder: Path) -> bool:
    """Whether a run is of the space without normalised poolings."""
    return (folder / RUN_FILE).exists() and read_mark(folder)["space"]["version"] < 2


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the runs a, b and c")
    runs = parser.parse_args().runs
    lines = [
        "# Pipelines A, B and C on DARTS, on two cores",
        "",
        "Made by `studies/pipelines_darts.py` from runs of the `-cpu` plans, seed 0. These plans are far below the",
        "paper's scale: 8 channels and 5 cells, 1,980 images. The first lines of each plan say what was reduced.",
        "",
        *(OLD_SPACE if any(is_of_old_space(runs / name) for name in RUNS) else ()),
        f"**{BENCHMARKS[BENCHMARK].caution}**",
        "The accuracies and ranks below are predictions of this surrogate. After ± stands the spread of its members;",
        'the brackets hold the 95 % range of the rank over members. "The best of several at random" is the best by',
        "the stand-in itself, as if training revealed it without error. It is an upper bound: no real search at that",
        "cost can rely on it.",
        "",
    ]
    for name in RUNS:
        if (runs / name / ROUNDS_FILE).exists():
            lines += section(name, runs / name)
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
