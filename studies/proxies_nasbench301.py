"""Scores the 250 published DARTS cells by our proxies, beside the published scores, and writes a page.

    python studies/proxies_nasbench301.py --out runs/nasbench301
    python studies/proxies_nasbench301.py --out runs/nasbench301 --group draws --cells 25 --seed 1

Needs `published-proxies-nasbench301-cifar10.json` and CIFAR-10 (see `archsieve data`). It can be stopped and started
again: what is in the folder is not computed again, and the page, docs/proxies_nasbench301.md, is written after every
group of proxies from all that the folder holds for at least 25 cells. The groups take 1.5 to 4 seconds of one core a
cell.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, ESTIMATORS, TASKS, Session
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.runs.folder import RESULTS_FILE
from archsieve.runs.store import Store

PAGE = Path(__file__).parents[1] / "docs" / "proxies_nasbench301.md"
BENCHMARK = "nasbench301-published-proxies"
GROUPS = {  # in one pass each, the cheapest first
    "weights": ("l2_norm", "synflow", "synflow_log", "trainable_layers"),
    "features": ("nwot", "swap", "meco"),
    "zen": ("zen",),
    "gradients": ("snip", "grad_norm", "plain", "fisher"),
}
DRAWS = ("snip", "fisher")
"""What is scored by several seeds, beside each other."""
REFUSED = (
    "| `jacov` | 25 | 0.44 / 0.60 / 0.76 | -0.22 / -0.28 / -0.26 |",
    "| `epe_nas` | 25 | -0.25 / -0.04 / 0.21 | 0.37 / -0.17 / -0.27 |",
)
"""The same of two proxies that are refused for these networks today, measured before."""
SEEDS = (0, 1, 2)
SIZES = ("params", "macs", "flops")
PUBLISHED_AS = {"synflow_log": "synflow", "macs": "flops"}
"""What stands for ours where names differ: theirs of synflow is the logarithm."""
CHUNK = LEAST = 25
AGREEMENT = (
    "",
    "The size of the published scores suggests batches of 32. Our scores of `snip` and `grad_norm` are .71 of the",
    "published ones with 64 inputs (median of 50 cells), and .95 to 1.06 with 32. With 32 inputs, over the first 30",
    "cells, the rho of two of our seeds is .94 (`snip`), .94 (`grad_norm`) and .90 (`fisher`). The rho of these two",
    "seeds with the published scores is .96 and .95, .95 and .97, .92 and .91: as high as between our seeds. Without",
    "normalised poolings, cells with many poolings score too high relative to cells with few. The published networks",
    "of NAS-Bench-201 have no normalisation after poolings: our `flops` of that space equal the published ones for",
    "all 245 cells.",
)
"""What the agreement with the published scores is to be compared with."""
EARLIER = (  # over all 250 cells
    "| `nwot` | 0.407 | 0.036 | 0.575 | - | - | - |",
    "| `swap` | 0.388 | 0.008 | 0.552 | - | - | - |",
    "| `l2_norm` | 0.357 | 0.016 | 0.511 | 0.9999 | 0.357 | 0.016 |",
    "| `meco` | 0.357 | 0.040 | 0.510 | - | - | - |",
    "| `trainable_layers` | 0.356 | 0.016 | 0.502 | - | - | - |",
    "| `zen` | 0.325 | 0.020 | 0.469 | - | - | - |",
    "| `synflow` | 0.141 | 0.468 | 0.209 | 0.9999 | 0.141 | 0.468 |",
    "| `synflow_log` | 0.141 | 0.468 | 0.209 | 0.9999 | 0.141 | 0.468 |",
    "| `epe_nas` | 0.067 | 0.560 | 0.103 | 0.0228 | 0.018 | 0.976 |",
    "| `jacov` | 0.003 | 0.516 | 0.006 | 0.1547 | -0.048 | 0.588 |",
    "| `snip` | -0.172 | 0.164 | -0.261 | 0.8736 | -0.061 | 0.120 |",
    "| `grad_norm` | -0.172 | 0.168 | -0.261 | 0.8657 | -0.058 | 0.124 |",
    "| `plain` | -0.303 | 0.396 | -0.448 | 0.5153 | -0.303 | 0.472 |",
    "| `fisher` | -0.330 | 0.404 | -0.490 | 0.8406 | -0.255 | 0.260 |",
)
"""The figures of version 1 of the space, whose poolings were bare: proxy, tau, MKR, rho, beside the published ones."""


@dataclass(frozen=True)
class Cells:
    """The published cells: their codes, columns, and the truth."""

    recipe: object
    table: object

    @property
    def archs(self) -> list:
        """The codes, in the order of the file."""
        return list(self.table.archs)

    @property
    def truth(self):
        """The accuracies."""
        return self.table.columns[self.recipe.truth]

    def scores(self, folder, seed=0) -> dict:
        """Return the scores in the folder by proxy, NaN where a cell has none; of this version of space and proxy."""
        place = {self.recipe.space.canonical(arch): i for i, arch in enumerate(self.archs)}
        store = Store(folder / RESULTS_FILE, read_only=True)
        found: dict = {}
        for stored in store.rows():
            is_ours = stored.name in {*DRAWS, *(name for group in GROUPS.values() for name in group)}
            if is_ours and stored.key.seed == seed and stored.key.estimator == fingerprint(ZeroCost(stored.name)):
                found.setdefault(stored.name, np.full(len(place), np.nan))[place[stored.arch]] = stored.score
        store.close()
        return {name: scores for name, scores in found.items() if np.isfinite(scores).sum() >= LEAST}


def progress(label, done, total) -> None:
    """Print a line for every chunk."""
    print(f"{time.strftime('%H:%M:%S')} {done}/{total} {label}", flush=True)


def figures(scores, truth) -> str:
    """Return tau and the minimum keeping ratio as two cells."""
    return f"{kendall_tau(scores, truth):.3f} | {minimum_keeping_ratio(scores, truth):.3f}"


def row(name, scores, cells) -> str:
    """Return one line of the page: ours, and where it is published, theirs, over the cells that we scored."""
    theirs = cells.table.columns.get(PUBLISHED_AS.get(name, name))
    known = np.isfinite(scores)
    scores, truth = scores[known], cells.truth[known]
    beside = "- | - | -"
    if theirs is not None:
        beside = f"{spearman(scores, theirs[known]):.4f} | {figures(theirs[known], truth)}"
    return f"| `{name}` | {figures(scores, truth)} | {spearman(scores, truth):.3f} | {beside} | {known.sum()} |"


def draws(folder, cells) -> list[str]:
    """Return the table of our own draws beside each other and beside the published one."""
    found_by_seed = {seed: cells.scores(folder, seed) for seed in SEEDS}
    seeds = [seed for seed, found in found_by_seed.items() if all(name in found for name in DRAWS)]
    by_seed = [found_by_seed[seed] for seed in seeds]
    if len(seeds) < 2:
        return []
    lines = []
    for name in DRAWS:
        columns = [found[name] for found in by_seed]
        known = np.all(np.isfinite(columns), axis=0)
        own = [f"{spearman(a[known], b[known]):.2f}" for a, b in combinations(columns, 2)]
        theirs = [f"{spearman(a[known], cells.table.columns[name][known]):.2f}" for a in columns]
        lines.append(f"| `{name}` | {known.sum()} | {' / '.join(own)} | {' / '.join(theirs)} |")
    return [
        "",
        "## jacov and epe_nas are rounding error",
        "",
        "In these networks every path ends in a batch normalisation, followed by the mean over positions and a",
        "linear layer. Therefore the mean output of a batch is the bias of the classifier, whatever the inputs are.",
        "The gradient of the summed outputs with respect to the inputs, which `jacov` and `epe_nas` use, is zero.",
        "The computed value is rounding error: for the first cell (16 inputs), the norm of that gradient is 3.1e-6",
        "in single precision and 1.1e-13 in double precision. Without normalised poolings it is 21.1 in both.",
        "NASLib's networks end in the same way, so the published columns of the two proxies are rounding error too.",
        "`synflow_bn` is zero for the same reason. Rounding depends on the network, the library and the processor.",
        "Scores from one library may therefore correlate with each other without saying anything about published",
        "scores. archsieve refuses to give such networks a score of `jacov`, `epe_nas` or `synflow_bn`. The table",
        "gives what these proxies gave before they were refused: the rho of our draws (weights and batch by the seeds",
        f"{', '.join(map(str, seeds))}) with each other, and of each draw with the published scores.",
        "",
        f"| proxy | cells | seeds {' / '.join(f'{a}-{b}' for a, b in combinations(seeds, 2))} | published, by seed |",
        "|---|---|---|---|",
        *REFUSED,
        *lines,
    ]


def earlier() -> list[str]:
    """Return the table of what version 1 of the space gave."""
    return [
        "",
        "## Without normalised poolings",
        "",
        "These figures were measured with version 1 of the space, which had no normalisation after poolings, over all",
        "250 cells. They do not describe today's networks. `l2_norm` and `trainable_layers` do not see these",
        "normalisations, and `synflow` removes them. The scores and figures of these proxies are the same in both",
        "versions.",
        "",
        "| proxy | tau | MKR | rho | rho with published | published tau | published MKR |",
        "|---|---|---|---|---|---|---|",
        *EARLIER,
    ]


def write(folder, cells, sizes) -> list[str]:
    """Write the page, and return the names on it; `sizes` are scores by name."""
    found = {**sizes, **cells.scores(folder)}
    known = {name: np.isfinite(scores) for name, scores in found.items()}
    taus = {name: kendall_tau(scores[known[name]], cells.truth[known[name]]) for name, scores in found.items()}
    ordered = sorted(found, key=lambda name: -taus[name])
    lines = [
        "# Our proxies on NAS-Bench-301's cells, beside the published scores",
        "",
        f"Made by `python studies/proxies_nasbench301.py --out runs/nasbench301`. The {len(cells.archs)} DARTS cells",
        "are those whose scores NAS-Bench-Suite-Zero (arXiv 2210.03230) publishes. Their networks have 8 cells and",
        "32 channels, no auxiliary head, and a batch normalisation without parameters after every pooling",
        "(`pool_norm`, version 2 of the space). We scored them on CIFAR-10 (a copy in JPEG) with a batch of 64 and",
        "seed 0. The truth is `val_accuracy`, the published prediction of the NAS-Bench-301 surrogate (arXiv",
        "2008.09777); it comes from a model, not from training. tau is tau-b. MKR is the smallest top share of a",
        "ranking that still contains the best cell; lower is better. rho is Spearman's. All figures, also the",
        "published ones, are over the cells counted in the column `scored`. The published scores come from other",
        "batches and weights. The published `synflow` is the logarithm. The row of our `macs` is compared with",
        "their `flops` too. After the convolutions of a cell, their normalisations have no parameters and ours",
        "have. If we subtract these parameters from our `params`, and one for each element of these normalisations",
        "from our `flops`, we get exactly the published numbers. `params`, `macs` and `flops` are the baselines:",
        "they cost nothing.",
        "",
        "| proxy | tau | MKR | rho | rho with published | published tau | published MKR | scored |",
        "|---|---|---|---|---|---|---|---|",
        *(row(name, found[name], cells) for name in ordered),
        "",
        "Ordered by tau.",
    ]
    wanted = [name for names in GROUPS.values() for name in names] + ["zico", "gradsign", "az_nas", "grasp"]
    if left_out := ", ".join(f"`{name}`" for name in wanted if name not in found):
        lines += [
            "",
            f"Not computed for these networks, because each takes seconds of a core for one cell: {left_out}.",
        ]
    PAGE.write_text("\n".join([*lines, *AGREEMENT, *draws(folder, cells), *earlier()]) + "\n")
    return ordered


def main() -> None:
    """Score what is missing, group by group, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--group", choices=[*GROUPS, "draws", "none"], help="only these proxies, in one pass")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", type=int, default=250, help="how many, from the first")
    chosen = parser.parse_args()
    recipe = BENCHMARKS[BENCHMARK]
    cells = Cells(recipe, recipe.load())
    groups = {**GROUPS, "draws": DRAWS, "none": ()}
    for name in [*GROUPS] if chosen.group is None else [chosen.group]:
        members = [ZeroCost(proxy) for proxy in groups[name]]
        archs = cells.archs[: chosen.cells] if members else []
        bound = {"progress": progress, "tables": ()}
        with Session(chosen.out, recipe.space, TASKS["cifar10"](), seed=chosen.seed, **bound) as session:
            for start in range(0, len(archs), CHUNK):
                session.scores(members, archs[start : start + CHUNK])
        with Session(chosen.out, recipe.space, TASKS["cifar10"](), **bound) as session:
            sizes = session.scores([ESTIMATORS[size]() for size in SIZES], cells.archs)
        names = write(chosen.out, cells, dict(zip(SIZES, sizes.T, strict=True)))
        print(f"{PAGE} written: {', '.join(names)}", flush=True)


if __name__ == "__main__":
    main()
