"""Runs pipeline A on the embedded benchmark with many seeds, partial training replayed epoch by epoch.

    python studies/pipelines_digits.py --out runs/pipelines-digits

Proxies and supernets are computed by every seed; the learning curves are those of the benchmark's two curve seeds, in
turn, which are not the seeds of the truth. It can be stopped and started again. Writes docs/pipelines_digits.md.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from ways import Truth, funnel

from archsieve import Session, Stage, random_search
from archsieve.config import find_plan, load_plan
from archsieve.estimators.lookup import Replay
from archsieve.estimators.partial_training import PartialTraining
from archsieve.executor import Processes
from archsieve.randomness import generator

PAGE = Path(__file__).parents[1] / "docs" / "pipelines_digits.md"
DEMO = load_plan(find_plan("demo"))
EPOCHS = 20
CURVES = ("curve", "curve2")


def replayed(stages, curve):
    """Return the stages, recorded curves in the place of partial training."""
    return [
        replace(stage, estimator=Replay(stage.estimator.epochs, curve))
        if isinstance(stage.estimator, PartialTraining)
        else stage
        for stage in stages
    ]


def pipeline_a(curve):
    """Return the stages of A as the method has them, but for its cuts after the curves' end."""
    stages = replayed(load_plan(find_plan("a-nasbench-macro")).stages, curve)
    return [s for s in stages if not isinstance(s.estimator, Replay) or s.estimator.epochs <= EPOCHS]


def random_networks(session, truth, curve, cost):
    """Return what as many complete trainings as the cost pays for find, the best by validation."""
    budget = max(1, round(cost / EPOCHS))

    def evaluate(archs):
        return session.scores([Replay(EPOCHS, curve)], archs)[:, 0]

    found = random_search(session.space, evaluate, budget=budget, rng=generator(session.seed, "sample", "random"))
    return truth.outcome(found.best, budget * EPOCHS)


def outcomes(session, truth):
    """Return every way's outcome with one seed."""
    curve = CURVES[session.seed % 2]
    a, demo = pipeline_a(curve), replayed(DEMO.stages, curve)
    ways = {
        "A": a,
        "A without the vote": a[1:],
        "A without the supernet": [a[0], *a[2:]],
        "A without partial training": [a[0], replace(a[1], keep=None, top=1)],
        "the demo": demo,
        "the demo without proxies": demo[1:],
        "the demo without the supernet": [demo[0], *demo[2:]],
        "the demo without partial training": [demo[0], replace(demo[1], keep=None, top=1)],
        "20 epochs of all": [Stage(Replay(EPOCHS, curve), top=1, label="20 epochs")],
    }
    found = {way: funnel(stages, session, truth) for way, stages in ways.items()}
    for way in ("A", "the demo"):
        found[f"random search at the cost of: {way}"] = random_networks(session, truth, curve, found[way].cost)
    return found


def page(runs, networks) -> list[str]:
    """Return the lines of the page."""
    lines = [
        "# Pipeline A on the embedded benchmark",
        "",
        f"Made by `studies/pipelines_digits.py`: seeds 0 to {len(runs) - 1}, {networks} distinct networks, truth of",
        "three seeds. Proxies and supernet are computed anew by every seed, partial training is replayed from the two",
        f"curve seeds in turn. Training all networks costs {networks * EPOCHS:,} network-epochs. Even that does not",
        "name the best one: the choice is made by 500 pictures and one training, which is noise of its own. Read the",
        "ways beside a random search that costs the same.",
        "",
        "| way | true accuracy, mean | rank of 729: median, 10 %, 90 % | best found | among the ten best "
        "| network-epochs, mean | share of training all |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in runs[0]:
        mine = [run[way] for run in runs]
        accuracy, cost = np.mean([o.accuracy for o in mine]), np.mean([o.cost for o in mine])
        ranks = np.array([o.rank for o in mine])
        low, middle, high = np.quantile(ranks, [0.1, 0.5, 0.9], method="nearest")
        lines.append(
            f"| {way} | {accuracy:.2f} | {middle}, {low}, {high} | {np.mean(ranks == 1):.0%} "
            f"| {np.mean(ranks <= 10):.0%} | {cost:,.0f} | {cost / (networks * EPOCHS):.1%} |"
        )
    for way in ("A", "the demo"):
        lines += [
            "",
            f"In how many seeds the best network was still there after a stage of {way}, of those that ran it:",
            "",
        ]
        told = [stage for run in runs for stage in run[way].stages if stage[2] < stage[1]]
        for label in dict.fromkeys(stage[0] for stage in told):
            mine = [place is not None and place <= kept for name, _, kept, place in told if name == label]
            lines.append(f"- {label}: {sum(mine)} of {len(mine)}.")
    return lines


def main() -> None:
    """Search with every seed, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    truth, runs = Truth("nasbench-macro-digits", "test_acc"), []
    with Processes(chosen.workers) as executor:
        for seed in range(chosen.seeds):
            with Session(chosen.out / f"seed-{seed}", DEMO.space, DEMO.task, seed=seed, executor=executor) as session:
                runs.append(outcomes(session, truth))
                networks = len(session.pool())
            told = {way: (round(o.accuracy, 2), o.rank, round(o.cost)) for way, o in runs[-1].items()}
            print(f"seed {seed}:", told, flush=True)
    PAGE.write_text("\n".join(page(runs, networks)) + "\n")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
