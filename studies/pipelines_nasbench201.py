"""Runs pipelines A, B and C on NAS-Bench-201 with real proxies and a trained supernet, beside their parts and rivals.

    python studies/supernets.py nasbench201 --epochs 15 --items 256 --again 1000 --out runs/supernet-201
    python studies/pipelines_nasbench201.py --supernet runs/supernet-201 --out runs/pipelines

Partial training is the recorded training of 12 epochs, with a cut that keeps what the paper's first twelve epochs keep;
the last training is the recorded one of 200 epochs, and its validation accuracy chooses. Seeds vary weights, batch and
noise of the proxies, the forest, its sample, and ties; the supernet is one. Proxies of seeds that no shipped table has
are computed: 40 minutes of two cores a seed where A, which scores every cell, is among the ways, a quarter of that
otherwise (`--seeds-of-a 0 1`). It can be stopped and started again. Writes docs/pipelines_nasbench201.md.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from ways import Truth, funnel

from archsieve import ESTIMATORS, SPACES, TASKS, Session, Stage, random_search, regularized_evolution
from archsieve._files import replace_file
from archsieve.estimators.lookup import Lookup
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.randomness import generator
from archsieve.runs.effort import Ledger
from archsieve.runs.executors import Processes
from archsieve.values import exact

PAGE = Path(__file__).parents[1] / "docs" / "pipelines_nasbench201.md"
SPACE = SPACES["nasbench201"]()
SHORT, LONG = Lookup("val_acc_12", epochs_behind=12), Lookup("val_acc_200", epochs_behind=200)
EVALUATIONS = 500
LACKING = """
## What B and C lack here

The forest of B does not recognise the best network. It learns from the votes of 200 cells, not from
accuracies. It gives the better optimum ranks from 99 to 2,530 of 6,590, and 1,318 networks pass. With rank
1,177 the optimum passed narrowly; with rank 2,530 it was lost, and no later stage can recover it. Whenever
it passed, the vote, the supernet and the short training kept it. So B needs a wider first cut or none:
without the forest, B finds an optimum as often, for 2,059 network-epochs.

The forest of C has too few examples. At a quantile of .99, about two of 200 cells pass the vote. With two
seeds the forest could not tell any networks apart, so the optimum had the last rank of all (6,392). With no
seed was an optimum among the 131 networks that pass (its best rank was 158), so all later stages choose
among networks without it. A forest that learns the ranks of the vote (without the setting `above`) does not
have this problem. A mean rank of four proxies has an optimum among its first 80 networks more often than
not: see [the study of searchers](searchers_study.md).
"""
"""What the runs say about B and C."""


@dataclass(frozen=True)
class Supernet:
    """The scores that studies/supernets.py left in a folder, at the price of making them."""

    folder: str
    epochs: int
    sampling: str
    items: int
    again: int
    share: float
    name = "supernet"
    version = 1
    chunk_size = 100_000

    def score(self, archs, ctx):
        """Return the recorded scores, shape (n,)."""
        with np.load(Path(self.folder) / "scores.npz", allow_pickle=False) as arrays:
            known = dict(zip(map(tuple, arrays["codes"].tolist()), arrays["scores"].tolist(), strict=True))
        return np.array([known[ctx.space.canonical(arch)] for arch in archs])

    def price(self, n, space, task):
        """Return the price of the supernet and of scoring with it, in one pass or in two."""
        supernet = OneShot(epochs=self.epochs, sampling=self.sampling, scoring_items=self.items)
        price = supernet.price(n, space, task)
        if self.again:
            second = replace(supernet, scoring_items=self.again).price(int(self.share * n), space, task)
            price = replace(price, scoring=price.scoring + second.scoring)
        return price


def stages_of(letter, supernet):
    """Return the stages of a shipped plan, recorded trainings in the place of real ones."""
    stages, kept = [], exact(1.0)
    for stage in load_plan(find_plan(f"{letter}-nasbench201")).stages:
        if isinstance(stage.estimator, PartialTraining):
            if stage.estimator.epochs <= 12:
                kept *= exact(stage.keep)
        elif isinstance(stage.estimator, OneShot):
            stages.append(Stage(supernet, keep=stage.keep, label="supernet"))
        else:
            stages.append(stage)
    return [*stages, Stage(SHORT, keep=float(kept), label="12 epochs"), Stage(LONG, top=1, label="200 epochs")]


def by_evolution(estimator, session, truth, *, name):
    """Return what evolution on an estimator finds, as the baselines of the method do it; the best is trained once."""
    found = regularized_evolution(
        SPACE,
        lambda archs: session.scores([estimator], archs)[:, 0],
        budget=EVALUATIONS,
        population=20,
        tournament=20,
        rng=generator(session.seed, "sample", name),
    )
    cost = Ledger(SPACE, session.task).pay(estimator, EVALUATIONS)
    return truth.outcome(found.best, cost + 200)


def by_training(search, session, truth, *, budget, name):
    """Return what a search on the 200-epoch validation accuracy finds; each network is trained once."""
    seen = set()

    def evaluate(archs):
        seen.update(archs)
        return session.scores([LONG], archs)[:, 0]

    found = search(SPACE, evaluate, budget=budget, rng=generator(session.seed, "sample", name))
    return truth.outcome(found.best, 200 * len(seen))


def outcomes(session, supernet, truth, letters):
    """Return every way's outcome with one seed."""
    found = {}
    for letter in letters:
        stages = stages_of(letter, supernet)
        found[letter.upper()] = funnel(stages, session, truth)
        for k, left_out in enumerate(stages[:-1]):
            rest = [s for i, s in enumerate(stages) if i != k]
            found[f"{letter.upper()} without {left_out.label}"] = funnel(rest, session, truth)
    alone = [Stage(SHORT, top=1, label="12 epochs")]
    found["12 epochs alone"] = funnel(alone, session, truth)
    found["evolution on the supernet"] = by_evolution(supernet, session, truth, name="spos")
    for proxy in ("l2_norm", "nwot", "synflow_log"):
        estimator = ESTIMATORS["zero_cost"](proxy)
        found[f"evolution on {proxy}"] = by_evolution(estimator, session, truth, name=f"zero-cost {proxy}")
    for budget in (100, 200):
        found[f"random search, {budget} trainings"] = by_training(
            random_search, session, truth, budget=budget, name="random"
        )
        found[f"regularized evolution, {budget} trainings"] = by_training(
            regularized_evolution, session, truth, budget=budget, name="evolution"
        )
    return found


def page(seeds, runs) -> list[str]:
    """Return the lines of the page."""
    lines = [
        "# Pipelines on NAS-Bench-201",
        "",
        f"Made by `studies/pipelines_nasbench201.py`, seeds {', '.join(map(str, seeds))}, on CIFAR-10 (a copy in",
        "JPEG), with real proxies, one trained supernet and recorded trainings. Costs are in network-epochs (see",
        "[pipelines](pipelines.md)). The best accuracy is 94.3733, which two networks share. If a row has fewer",
        "entries than there are seeds, the entries are those of the first seeds.",
        "",
        "| way | accuracy found, by seed | rank in the table | network-epochs, mean |",
        "|---|---|---|---|",
    ]
    for way in max(runs, key=len):
        mine = [run[way] for run in runs if way in run]
        lines.append(
            f"| {way} | {', '.join(f'{o.accuracy:.2f}' for o in mine)} | {', '.join(str(o.rank) for o in mine)} "
            f"| {math.fsum(o.cost for o in mine) / len(mine):.0f} |"
        )
    lines += [
        "",
        "For each stage: the number of candidates, the number kept, and the rank of the better optimum among the",
        "candidates (- if both optima are lost):",
        "",
    ]
    for letter in "ABC":
        for seed, run in zip(seeds, runs, strict=True):
            if letter not in run:
                continue
            told = "; ".join(f"{label} {n} to {kept}, {place or '-'}" for label, n, kept, place in run[letter].stages)
            lines.append(f"- {letter}, seed {seed}: {told}.")
    return [*lines, *LACKING.rstrip().split("\n")]


def main() -> None:
    """Search with every seed, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--supernet", type=Path, required=True, help="folder of studies/supernets.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seeds-of-a", type=int, nargs="*", help="those A is run with (default: all)")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    truth = Truth("nasbench201-cifar10", "test_acc_200")
    made = json.loads((chosen.supernet / "supernet.json").read_text())
    supernet = Supernet(
        str(chosen.supernet.resolve()), *(made[k] for k in ("epochs", "sampling", "items", "again", "share"))
    )
    runs = []
    for seed in chosen.seeds:
        with (
            Processes(chosen.workers) as executor,
            Session(chosen.out / f"seed-{seed}", SPACE, TASKS["cifar10"](), seed=seed, executor=executor) as session,
        ):
            with_a = chosen.seeds_of_a is None or seed in chosen.seeds_of_a
            runs.append(outcomes(session, supernet, truth, "abc" if with_a else "bc"))
        print(f"seed {seed}:", {way: (o.accuracy, o.rank, round(o.cost)) for way, o in runs[-1].items()}, flush=True)
    with replace_file(chosen.out / "pipelines.json") as temporary:
        temporary.write_text(json.dumps([{way: asdict(o) for way, o in run.items()} for run in runs]) + "\n")
    PAGE.write_text("\n".join(page(chosen.seeds, runs)) + "\n")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
