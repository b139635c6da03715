"""What the first stages of the method's pipelines keep of NAS-Bench-Macro, by its published accuracies.

python studies/pipelines_macro.py

It needs the published table (`archsieve data`) and takes the proxies from the shipped score tables, and runs in a
minute. Supernet and partial training are real trainings: they are left out here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, SEARCHERS, Session, funnel_search, load_plan
from archsieve.plans.read import make
from archsieve.randomness import generator
from archsieve.searchers.history import maximise

PAGE = Path(__file__).parents[1] / "docs" / "pipelines_macro.md"
BENCHMARK = BENCHMARKS["nasbench-macro-cifar10"]
PROXIES = ("l2_norm", "nwot", "zen", "synflow_log", "swap", "params", "macs")
SEEDS = 10

HEAD = """# Pipelines on NAS-Bench-Macro, published truth

Made by `python studies/pipelines_macro.py`, seed 0, with the shipped proxy scores and the published accuracies
(`mean_acc`). Only the stages that train nothing were run: a supernet of 50 epochs and partial training of the survivors
need a GPU, and were **not run**.

## What each stage keeps

| plan | stage | candidates | kept | the best network | of the ten best |
|---|---|---|---|---|---|
"""


def stage_rows(session: Session, pool: list, truth: np.ndarray) -> list[str]:
    """Return a row for each stage before the supernet."""
    order = np.argsort(-truth)
    best, ten = pool[order[0]], [pool[i] for i in order[:10]]
    rows = []
    for name in ("a", "b", "c"):
        plan = load_plan(f"{name}-nasbench-macro")
        labels = [stage.label for stage in plan.stages]
        result = funnel_search(list(plan.stages[: labels.index("supernet")]), pool, session.scores)
        for each in result.rounds:
            kept = {tuple(map(int, each.archs[i])) for i in each.kept}
            fate = "kept" if best in kept else "lost"
            counts = f"{len(each.archs):,} | {len(kept):,} | {fate} | {sum(arch in kept for arch in ten)}"
            rows.append(f"| `{name}-nasbench-macro` | {each.label} | {counts} |")
    return rows


def evolution_rows(session: Session, pool: list, truth: np.ndarray) -> list[str]:
    """Return a row for each proxy: what the method's evolution of 500 evaluations finds."""
    known = dict(zip(pool, truth, strict=True))
    searcher = SEARCHERS["regularized_evolution"](20, 20)
    rows = []
    for proxy in PROXIES:
        estimator, found = make("estimator", proxy), []
        for seed in range(SEEDS):
            ended = maximise(
                searcher,
                session.space,
                lambda archs, estimator=estimator: session.scores([estimator], archs)[:, 0],
                budget=500,
                rng=generator(seed, "sample", "evolution"),
            )
            archs, scores = ended.rounds[0].archs, np.asarray(ended.rounds[0].scores)
            found.append(known[session.space.canonical(tuple(map(int, archs[int(np.nanargmax(scores))])))])
        ranks = sorted(int((truth > value).sum()) + 1 for value in found)
        rows.append(f"| `{proxy}` | {min(found):.2f} to {max(found):.2f} | {ranks[0]} to {ranks[-1]} |")
    return rows


def main() -> None:
    """Write the page."""
    plan = load_plan("a-nasbench-macro")
    with Session(tempfile.mkdtemp(), plan.space, plan.task, seed=plan.seed) as session:
        pool = session.pool()
        truth = BENCHMARK.load().lookup(BENCHMARK.truth, pool)
        text = HEAD + "\n".join(stage_rows(session, pool, truth))
        text += f"""

The best network has {truth.max():.2f} %. At the paper's scale the supernet would keep a fifth (A, B) or a tenth (C) of
these, and partial training one of them.

## The zero-cost baseline: evolution on a proxy

The method's baseline: regularized evolution, population 20, the best of the population is the parent, 500 evaluations,
{SEEDS} seeds. It finds the network that the proxy likes best, so that all seeds agree.

| proxy | accuracy found, {SEEDS} seeds | rank of 3,969 |
|---|---|---|
"""
        text += "\n".join(evolution_rows(session, pool, truth)) + "\n"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
