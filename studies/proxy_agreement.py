"""Compares scores with themselves: computed fast and plainly, by two seeds, by two initialisations.

    python studies/proxy_agreement.py --out runs/agreement

Draws 300 distinct networks of NAS-Bench-Macro and of NAS-Bench-201 and writes docs/proxy_agreement.md. Fast is what a
session does: networks shared by proxies, or the tree of common prefixes. Plain is one proxy and one architecture at a
time, a fresh network each. It can be stopped and started again; about an hour and a half on two cores.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, PROXIES, SPACES, TASKS, Session
from archsieve.errors import PartialScoringError, ScoringError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.networks.generators import drawing
from archsieve.randomness import derive_seed
from archsieve.runs.executors import Processes
from archsieve.spaces.contract import draw_distinct

PAGE = Path(__file__).parents[1] / "docs" / "proxy_agreement.md"
PROXY_NAMES = [
    "l2_norm",
    "nwot",
    "zen",
    "snip",
    "grad_norm",
    "plain",
    "fisher",
    "jacov",
    "epe_nas",
    "synflow",
    "synflow_log",
    "swap",
    "meco",
    "trainable_layers",
]
SLOW = ["grasp"]  # on a fifth of the networks
TRUTHS = {
    "nasbench-macro": ("nasbench-macro-cifar10", "mean_acc"),
    "nasbench201": ("nasbench201-cifar10", "test_acc_200"),
}


@dataclass(frozen=True)
class Plainly:
    """A proxy computed as one writes it first: a fresh network for every architecture and every proxy."""

    proxy: str
    chunk_size = 8
    needs = ("data", "labels")

    @property
    def name(self) -> str:
        """The name beside the proxy's."""
        return f"plainly {self.proxy}"

    @property
    def version(self) -> int:
        """The proxy's version."""
        return PROXIES[self.proxy].version

    def score(self, archs, ctx):
        """Return the scores, shape (n,)."""
        member, proxy = ZeroCost(self.proxy), PROXIES[self.proxy]
        probe = member._probe(ctx, proxy.batches)
        scores, reasons = np.full((len(archs), 1), np.nan), {}
        for i, arch in enumerate(archs):
            try:
                with drawing(derive_seed(ctx.seed, "noise", "forward"), ctx.device):
                    scores[i] = proxy(member.network(arch, ctx), probe)
            except ScoringError as error:
                reasons[i, 0] = str(error)
        if reasons:
            raise PartialScoringError(scores, reasons)
        return scores[:, 0]


def measured(space_name, out, count, workers):
    """Return codes, and columns by the way they were made, for every proxy."""
    space, found = SPACES[space_name](), {}
    codes = draw_distinct(space, count, np.random.default_rng(0))
    with Processes(workers) as executor:

        def scores(estimators, seed, archs):
            folder = out / f"{space_name}-{seed}"
            with Session(folder, space, TASKS["cifar10"](), seed=seed, executor=executor, tables=()) as session:
                return session.scores(estimators, archs)

        for names, archs in ((PROXY_NAMES, codes), (SLOW, codes[: count // 5])):
            shared = [ZeroCost(name) for name in names]
            ways = {
                "fast": scores(shared, 0, archs),
                "plain": scores([Plainly(name) for name in names], 0, archs),
                "seed 1": scores(shared, 1, archs),
                "per architecture": scores([ZeroCost(name, init="per_architecture") for name in names], 0, archs),
            }
            for k, name in enumerate(names):
                found[name] = archs, {way: table[:, k] for way, table in ways.items()}
    return found


def difference(first, second) -> str:
    """Return how two columns differ: equal in every bit, or the largest relative difference."""
    if np.array_equal(first, second, equal_nan=True):
        return "equal"
    if (np.isnan(first) != np.isnan(second)).any():
        return "other networks have a score"
    with np.errstate(invalid="ignore", divide="ignore"):
        return f"{np.nanmax(np.abs(first - second) / np.abs(first)):.1e}"


def agreement(first, second) -> str:
    """Return Spearman and tau over what both score."""
    both = np.isfinite(first) & np.isfinite(second)
    return f"{spearman(first[both], second[both]):.3f} / {kendall_tau(first[both], second[both]):.3f}"


def section(space_name, found) -> list[str]:
    """Return the lines about one space."""
    benchmark, column = TRUTHS[space_name]
    table = BENCHMARKS[benchmark].load()
    lines = [
        f"## {SPACES[space_name].__name__}, truth `{column}`",
        "",
        "| proxy | networks | fast and plain | seeds 0 and 1 | shared and per architecture "
        "| tau: seed 0, seed 1, per architecture | MKR: the same |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (codes, columns) in found.items():
        truth = table.lookup(column, codes)
        fast, plain, other, apart = (columns[way] for way in ("fast", "plain", "seed 1", "per architecture"))
        taus = ", ".join(f"{kendall_tau(c, truth):.3f}" for c in (fast, other, apart))
        ratios = ", ".join(f"{minimum_keeping_ratio(c, truth):.3f}" for c in (fast, other, apart))
        lines.append(
            f"| `{name}` | {len(codes)} | {difference(fast, plain)} | {agreement(fast, other)} "
            f"| {agreement(fast, apart)} | {taus} | {ratios} |"
        )
    return lines


def main() -> None:
    """Score and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    lines = [
        "# How far scores agree with themselves",
        "",
        'Made by `python studies/proxy_agreement.py` on CIFAR-10 (a copy in JPEG) with a batch of 64. The column "fast',
        'and plain" says whether the fast implementation gives the scores of the plain one: equal in every bit, or the',
        "largest relative difference. The next two columns give Spearman's rho / tau: first between two seeds",
        "(weights, batch and noise all differ), then between weights initialised by position (shared) and weights",
        "initialised for each architecture, both with seed 0. The last two columns say how well each proxy ranks",
        "these networks.",
        "",
    ]
    for space_name in TRUTHS:
        lines += [*section(space_name, measured(space_name, chosen.out, chosen.count, chosen.workers)), ""]
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
