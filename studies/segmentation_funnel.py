"""Does a funnel find better segmentation networks than as much random search, and than the network made by hand?

    python studies/segmentation_funnel.py --out runs/segmentation-funnel

Runs the plan `a-topformer-tiny-cpu` by three seeds of everything but the scenes, as much random search (whole
trainings, the best by validation), and the hand-made TopFormer of that size trained alike. Stopped and started again,
it goes on. About half an hour of one core. Writes docs/segmentation.md between the marks.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from marks import DOCS, lines_of, write_between

from archsieve import SPACES, Session, random_search
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.plans.run import run_plan
from archsieve.randomness import generator

PLAN = "a-topformer-tiny-cpu"
SEEDS = (0, 1, 2)


def by_funnel(plan, folder: Path) -> dict:
    """Return what the plan finds."""
    with Session(folder, plan.space, plan.task, seed=plan.seed) as session:
        found = run_plan(plan, session)
    kept = [stage.kept for stage in found.stages]
    return {"best": found.best, "score": found.final_score, "cost": found.cost.network_epochs, "kept": kept}


def at_random(plan, cost: float, folder: Path) -> dict:
    """Return what whole trainings of networks drawn at random find, for no more than that cost."""
    epochs = plan.final.epochs
    budget = max(1, int(cost / epochs) - 1)  # the last scoring on the test set is another training in the plan's books
    whole = replace(plan.final, split="validation")
    with Session(folder, plan.space, plan.task, seed=plan.seed) as session:
        found = random_search(
            plan.space,
            lambda archs: session.scores([whole], archs)[:, 0],
            budget=budget,
            rng=generator(plan.seed, "sample", "random"),
        )
        score = float(session.scores([plan.final], [found.best])[0, 0])
    return {"best": plan.space.describe(found.best), "score": score, "networks": budget, "cost": (budget + 1) * epochs}


def by_hand(plan, folder: Path) -> dict:
    """Return what the hand-made network of the family comes to, trained alike."""
    space = SPACES["topformer-hand-made"]()
    arch = space.parse("tiny")
    with Session(folder, space, plan.task, seed=plan.seed) as session:
        score = float(session.scores([plan.final], [arch])[0, 0])
    return {"score": score, "published_flops": space.published_flops(arch, plan.task)}


def page_of(rows: list[dict], plan) -> list[str]:
    """Return the results as a table."""
    lines = [
        "| seed | funnel | its stages keep | its cost | random search | its networks | hand-made tiny |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        funnel, rand, hand = (row[kind] for kind in ("funnel", "random", "hand"))
        kept = list(dict.fromkeys(funnel["kept"]))
        lines.append(
            f"| {row['seed']} | {funnel['score']:.2f} | {' '.join(map(str, kept))} | {funnel['cost']:.0f} | "
            f"{rand['score']:.2f} | {rand['networks']} | {hand['score']:.2f} |"
        )
    scores = {kind: np.array([row[kind]["score"] for row in rows]) for kind in ("funnel", "random", "hand")}
    funnel, ahead = scores["funnel"], {kind: scores["funnel"] - scores[kind] for kind in ("random", "hand")}
    said = [f"- Seed {row['seed']}, by the funnel: `{row['funnel']['best']}`." for row in rows]
    return [
        *lines_of(
            f"Made by `studies/segmentation_funnel.py` with the plan `{PLAN}` ({plan.space.limits}). The table gives",
            "mean IoU in percent on the test scenes after 20 epochs, and costs in network-epochs. Random search",
            "trains each of its networks for 20 epochs and returns the best by validation; it costs at most as much",
            "as the funnel.",
        ),
        "",
        *lines,
        "",
        *lines_of(
            f"The means are {funnel.mean():.2f}, {scores['random'].mean():.2f} and {scores['hand'].mean():.2f}. The",
            f"funnel is better than random search with {(ahead['random'] > 0).sum()} of {len(rows)} seeds, and",
            f"better than the hand-made network with {(ahead['hand'] > 0).sum()}. The result of a single network",
            f"differs by up to {np.ptp(scores['hand']):.1f} points from seed to seed, so {len(rows)} seeds are too",
            "few for a conclusion.",
        ),
        "",
        *(line for text in said for line in lines_of(text)),
    ]


def main() -> None:
    """Run what is missing and write the page."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rows, shipped = [], load_plan(find_plan(PLAN))
    for seed in SEEDS:
        plan = replace(shipped, seed=seed)
        funnel = by_funnel(plan, out / f"funnel-{seed}")
        rows.append(
            {
                "seed": seed,
                "funnel": funnel,
                "random": at_random(plan, funnel["cost"], out / f"random-{seed}"),
                "hand": by_hand(plan, out / f"hand-{seed}"),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    write_between(DOCS / "segmentation.md", PLAN, page_of(rows, shipped))


if __name__ == "__main__":
    main()
