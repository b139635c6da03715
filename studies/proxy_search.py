"""Searches a large space under its limits by proxies alone, by the plan named: a random sample, and an evolution.

    python studies/proxy_search.py proxies-attentivenas-cpu --page attentivenas --out runs/attentivenas

It can be stopped and started again: what is scored is not scored again. `--minutes` is processor time, of one core; the
sample ends with what was scored by then. The figures go into OUT/PLAN.json, and into the page between the marks of the
plan's name.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from marks import DOCS, lines_of, write_between

from archsieve import Session
from archsieve._files import replace_file
from archsieve.judging.metrics import kendall_tau
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.searchers.funnel import funnel_search
from archsieve.searchers.regularized_evolution import regularized_evolution
from archsieve.spaces.sampling import draw_pool

SLICE = 4  # networks scored between two looks at the clock


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", help="a shipped plan: a vote of proxies over a random sample, then their mean rank")
    parser.add_argument("--page", required=True, help="name of the page, in docs/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--minutes", type=float, default=60, help="processor time of the random sample, at most")
    parser.add_argument("--evolution", type=int, default=300, help="networks of each evolution")
    parser.add_argument("--seeds", type=int, default=1, help="evolutions")
    return parser.parse_args()


class Clock:
    """The processor time of all runs in a folder."""

    def __init__(self, file: Path) -> None:
        self._file, self._begun = file, time.process_time()
        self._before = json.loads(file.read_text()) if file.exists() else 0.0

    def minutes(self) -> float:
        """Return what this run has taken."""
        return (time.process_time() - self._begun) / 60

    def keep(self) -> float:
        """Write what all runs have taken, in seconds, and return it."""
        spent = self._before + time.process_time() - self._begun
        self._file.write_text(json.dumps(spent))
        return spent


def search(plan, out: Path, minutes: float, evolution: int, seeds: int) -> dict:
    """Return what a random sample, scored by the plan's proxies, and evolutions find."""
    parts = list(plan.stages[0].estimator.parts)
    pool = draw_pool(plan.space, plan.seed, plan.pool.sample)
    with Session(out / "search", plan.space, plan.task, seed=plan.seed) as session:
        clock, scored = Clock(out / "processor_seconds.json"), 0
        while scored < len(pool) and clock.minutes() < minutes:
            scored = min(scored + SLICE, len(pool))
            session.scores(parts, pool[:scored])
            clock.keep()
            print(f"{time.strftime('%H:%M:%S')} {scored}/{len(pool)}", flush=True)
        found = {"asked": len(pool), "count": scored, "processor_seconds": clock.keep()}
        pool = pool[:scored]
        scores = session.scores(parts, pool)
        found |= told(plan, parts, pool, scores)
        if 0 < evolution <= scored:  # else there are not as many at random to compare with
            found["evolution"] = [evolved(plan, session, parts, pool, scores, evolution, s) for s in range(seeds)]
    return found


def costs_of(plan, pool) -> dict:
    """Return what proxies may go with, by name: columns of numbers, one a network."""
    space, task = plan.space, plan.task
    names = {"multiply-adds": "macs", "parameters": "params", "published count": "published_flops"}
    whole = space.whole
    costs = {
        shown: np.array([float(getattr(whole, name)(arch, task)) for arch in pool])
        for shown, name in names.items()
        if hasattr(whole, name)
    }
    if hasattr(whole, "resolutions"):
        costs["resolution"] = np.array([float(whole.values(arch)[0]) for arch in pool])
    return costs


def combined(estimators, rows) -> np.ndarray:
    """Return the columns of a vote or a mean rank of networks whose proxies are known."""
    columns = np.array(rows)
    return np.stack([e.combine(columns, columns) for e in estimators], axis=1)


def told(plan, parts, pool, scores) -> dict:
    """Return what the scores of a sample say: who wins, how the proxies agree, what they favour."""
    rows = dict(zip(pool, scores, strict=True))
    result = funnel_search(plan.stages, pool, lambda estimators, archs: combined(estimators, [rows[a] for a in archs]))
    winner = pool.index(result.best)
    costs, names = costs_of(plan, pool), [part.name for part in parts]
    columns = dict(zip(names, scores.T, strict=True))
    return {
        "passed": len(result.rounds[0].kept),
        "winner": plan.space.describe(pool[winner]),
        "winner_costs": {name: values[winner] for name, values in costs.items()},
        "winner_scores": {n: float(c[winner]) for n, c in columns.items()},
        "winner_ranks": {n: int((c > c[winner]).sum()) + 1 for n, c in columns.items()},
        "mean": {n: float(c.mean()) for n, c in columns.items()},
        "deviation": {n: float(c.std()) for n, c in columns.items()},
        "largest": {n: float(c.max()) for n, c in columns.items()},
        "tau": {
            f"{a} and {b}": kendall_tau(columns[a], columns[b]) for i, a in enumerate(names) for b in names[i + 1 :]
        },
        "tau_with": {n: {name: kendall_tau(c, values) for name, values in costs.items()} for n, c in columns.items()},
    }


def evolved(plan, session, parts, pool, reference, budget: int, seed: int) -> dict:
    """Return what an evolution finds by the mean rank among the sample, and how it stands to as many at random."""
    mean_rank = plan.stages[1].estimator

    def evaluate(archs):
        return mean_rank.combine(session.scores(parts, archs), reference)

    result = regularized_evolution(
        plan.space,
        evaluate,
        budget=budget,
        population=min(50, budget),
        tournament=min(10, budget),
        rng=np.random.default_rng(seed),
    )
    at_random = mean_rank.combine(reference, reference)
    draws = np.random.default_rng(seed).permuted(np.tile(at_random, (1000, 1)), axis=1)[:, :budget].max(axis=1)
    scores = session.scores(parts, [result.best])[0]
    return {
        "budget": budget,
        "best": plan.space.describe(result.best),
        "costs": {name: float(values[0]) for name, values in costs_of(plan, [result.best]).items()},
        "mean_rank": result.best_score,
        "at_random": np.quantile(draws, [0.1, 0.5, 0.9]).tolist(),
        "sample_beaten": {
            part.name: float((column < score).mean())
            for part, column, score in zip(parts, reference.T, scores, strict=True)
        },
    }


def page_of(plan_name: str, plan, found: dict) -> list[str]:
    """Return what was found, in words."""
    count, seconds = found["count"], found["processor_seconds"]
    keys = ("mean", "deviation", "largest", "winner_scores")
    costs = list(found["winner_costs"])
    lines = [
        *lines_of(
            f"Made by `studies/proxy_search.py` with the plan `{plan_name}` ({plan.space.limits}) and seed",
            f"{plan.seed}. Of {found['asked']:,} random networks, {count:,} were scored in {seconds:,.0f} seconds of",
            f"one core: {count / seconds:.2f} networks in a second, {seconds / count:.2f} seconds for each.",
        ),
        "",
        "| proxy | mean | standard deviation | maximum | of the winner | rank of the winner |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {' | '.join(f'{found[key][name]:.2f}' for key in keys)} | {rank} |"
            for name, rank in found["winner_ranks"].items()
        ),
        "",
        *lines_of(
            f"{found['passed']} networks got at least two of three votes at the 0.8 quantile. Among these, the",
            f"winner has the best mean rank: `{found['winner']}`: {said(found['winner_costs'])}.",
        ),
        "",
        "Correlation of the proxies with sizes and with each other (Kendall's tau over the sample):",
        "",
        f"| proxy | {' | '.join(costs)} |",
        "|---|" + "---|" * len(costs),
        *(f"| {n} | {' | '.join(f'{taus[c]:.2f}' for c in costs)} |" for n, taus in found["tau_with"].items()),
        "",
        *lines_of("; ".join(f"{pair}: {tau:.2f}" for pair, tau in found["tau"].items()) + "."),
    ]
    for of in found.get("evolution", ()):
        low, middle, high = of["at_random"]
        beaten = ", ".join(f"{share:.1%} of the sample in {name}" for name, share in of["sample_beaten"].items())
        lines += [
            "",
            *lines_of(
                f"At equal cost, an evolution that scores {of['budget']} networks and maximises the mean rank within",
                f"the sample reaches {of['mean_rank']:.4f}. The best of {of['budget']} random networks of the sample",
                f"has {middle:.4f} (median of 1,000 draws; 10 to 90 %: {low:.4f} to {high:.4f}). The evolution finds",
                f"`{of['best']}`: {said(of['costs'])}. Its score is above that of {beaten}.",
            ),
        ]
    return [
        *lines,
        "",
        *lines_of(
            "These results do not show whether the winner is a good network. No accuracies of these networks are",
            "recorded here, so we can judge neither the winner nor random search. The winner has high proxy scores",
            "by construction. A correlation of proxies with size is no evidence of a correlation with accuracy.",
        ),
    ]


def said(costs: dict) -> str:
    """Return costs in words."""
    return ", ".join(f"{int(value):,} {name}" for name, value in costs.items() if name != "resolution")


def main() -> None:
    """Score, search, write."""
    torch.set_num_threads(1)
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    plan = load_plan(find_plan(chosen.plan))
    found = search(plan, chosen.out, chosen.minutes, chosen.evolution, chosen.seeds)
    with replace_file(chosen.out / f"{chosen.plan}.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    page = DOCS / f"{chosen.page}.md"
    write_between(page, chosen.plan, page_of(chosen.plan, plan, found))
    print(f"{page} written")


if __name__ == "__main__":
    main()
