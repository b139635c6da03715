"""What the stages of the method's pipelines keep of NAS-Bench-Macro, by its published accuracies.

python studies/pipelines_macro.py
python studies/macro_supernet.py --out runs/macro-supernet
python studies/pipelines_macro.py --supernet runs/macro-supernet

It needs the published table (`archsieve data`) and takes the proxies from the shipped score tables, and runs in two
minutes. The supernet is the one of the second command, if its folder is named. Partial training is left out.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, SEARCHERS, Session, funnel_search, load_plan
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio
from archsieve.plans.parts import make
from archsieve.randomness import generator
from archsieve.searchers.history import maximise

PAGE = Path(__file__).parents[1] / "docs" / "pipelines_macro.md"
BENCHMARK = BENCHMARKS["nasbench-macro-cifar10"]
PROXIES = ("l2_norm", "nwot", "zen", "synflow_log", "swap", "params", "macs")
SEEDS = 10

HEAD = """# Pipelines on NAS-Bench-Macro, published truth

Made by `python studies/pipelines_macro.py --supernet runs/macro-supernet`, seed 0, with the shipped proxy
scores and the published accuracies (`mean_acc`). The stages up to the supernet were run. The supernet is a
small one (see below). Partial training of the networks that remain needs a GPU and was **not run**.

## What each stage keeps

| plan | stage | candidates | kept | the best network | of the ten best | best kept, rank |
|---|---|---|---|---|---|---|
"""
SUPERNET = """
The best network has {best:.2f} %. Partial training would choose one of the networks that the supernet keeps. A
perfect partial training would return the network of the last column.

## The supernet

Made by `python studies/macro_supernet.py` in 31 minutes of one core. It has the settings of the plans,
except for 10 epochs instead of 50, images of 16 x 16 pixels instead of 32 x 32, and scores on 1,000 images
instead of 5,000. Over the 3,969 networks it has a tau of {tau:.3f} and an MKR of {mkr:.4f} with the published
accuracies. [Supernets](supernets.md) describes a larger one: 15 epochs at 32 x 32 pixels, scores on 5,000
images, tau .541.

## The one-shot baseline: evolution on the supernet

The plan `spos-nasbench-macro` runs an evolution on this supernet, with the settings of the next section and
{seeds} seeds. It finds networks of {low:.2f} to {high:.2f} %,
which have ranks {first:,} to {last:,} of 3,969. The network to which
the supernet gives its highest score has the true rank {favourite:,}.
"""


@dataclass(frozen=True)
class Supernet:
    """The scores that studies/macro_supernet.py left in a folder."""

    folder: str
    name = "supernet"
    version = 1
    chunk_size = 100_000

    def score(self, archs, ctx):
        """Return the recorded scores, shape (n,)."""
        with np.load(Path(self.folder) / "scores.npz", allow_pickle=False) as arrays:
            known = dict(zip(map(tuple, arrays["codes"].tolist()), arrays["scores"].tolist(), strict=True))
        return np.array([known[ctx.space.canonical(arch)] for arch in archs])


def stage_rows(session: Session, pool: list, truth: np.ndarray, supernet: Supernet | None) -> list[str]:
    """Return a row for each stage up to the supernet."""
    ranks = {arch: int((truth > value).sum()) + 1 for arch, value in zip(pool, truth, strict=True)}
    rows = []
    for name in ("a", "b", "c"):
        plan = load_plan(f"{name}-nasbench-macro")
        at = [stage.label for stage in plan.stages].index("supernet")
        stages = list(plan.stages[:at])
        stages += [] if supernet is None else [replace(plan.stages[at], estimator=supernet)]
        for each in funnel_search(stages, pool, session.scores).rounds:
            kept = [ranks[tuple(map(int, each.archs[i]))] for i in each.kept]
            fate = "kept" if 1 in kept else "lost"
            counts = f"{len(each.archs):,} | {len(kept):,} | {fate} | {sum(rank <= 10 for rank in kept)} | {min(kept)}"
            rows.append(f"| `{name}-nasbench-macro` | {each.label} | {counts} |")
    return rows


def evolved(session: Session, estimator, pool: list, truth: np.ndarray) -> tuple[list[float], list[int]]:
    """Return what the method's evolution of 500 evaluations finds: accuracies and ranks of all seeds, sorted."""
    known = dict(zip(pool, truth, strict=True))
    searcher, found = SEARCHERS["regularized_evolution"](20, 20), []
    for seed in range(SEEDS):
        ended = maximise(
            searcher,
            session.space,
            lambda archs: session.scores([estimator], archs)[:, 0],
            budget=500,
            rng=generator(seed, "sample", "evolution"),
        )
        archs, scores = ended.rounds[0].archs, np.asarray(ended.rounds[0].scores)
        found.append(known[session.space.canonical(tuple(map(int, archs[int(np.nanargmax(scores))])))])
    return sorted(found), sorted(int((truth > value).sum()) + 1 for value in found)


def evolution_rows(session: Session, pool: list, truth: np.ndarray) -> list[str]:
    """Return a row for each proxy: what evolution on it finds."""
    rows = []
    for proxy in PROXIES:
        found, ranks = evolved(session, make("estimator", proxy), pool, truth)
        rows.append(f"| `{proxy}` | {found[0]:.2f} to {found[-1]:.2f} | {ranks[0]} to {ranks[-1]} |")
    return rows


def about_supernet(session: Session, supernet: Supernet, pool: list, truth: np.ndarray) -> str:
    """Return how well the supernet ranks, and what evolution on it finds."""
    scores = session.scores([supernet], pool)[:, 0]
    found, ranks = evolved(session, supernet, pool, truth)
    return SUPERNET.format(
        best=truth.max(),
        tau=kendall_tau(scores, truth),
        mkr=minimum_keeping_ratio(scores, truth),
        seeds=SEEDS,
        low=found[0],
        high=found[-1],
        first=ranks[0],
        last=ranks[-1],
        favourite=int((truth > truth[int(np.argmax(scores))]).sum()) + 1,
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--supernet", default="", help="folder of studies/macro_supernet.py")
    folder = parser.parse_args().supernet
    supernet = Supernet(folder) if folder else None
    plan = load_plan("a-nasbench-macro")
    with Session(tempfile.mkdtemp(), plan.space, plan.task, seed=plan.seed) as session:
        pool = session.pool()
        truth = BENCHMARK.load().lookup(BENCHMARK.truth, pool)
        text = HEAD + "\n".join(stage_rows(session, pool, truth, supernet)) + "\n"
        text += about_supernet(session, supernet, pool, truth) if supernet else ""
        text += f"""
## The zero-cost baseline: evolution on a proxy

The method's baseline: regularized evolution, population 20, the best of the population is the parent, 500 evaluations,
{SEEDS} seeds. It finds the network that the proxy likes best, so all seeds agree.

| proxy | accuracy found, {SEEDS} seeds | rank of 3,969 |
|---|---|---|
"""
        text += "\n".join(evolution_rows(session, pool, truth)) + "\n"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
