"""How much of the front do searches with two objectives find? Recorded accuracy against multiply-adds.

    python studies/fronts.py --picture docs/fronts.png

Each search pays for distinct networks, one at a time, and is told both values. It is judged by the hypervolume of what
it has met, as a share of that of the whole table. The reference point is the median accuracy and the largest number of
multiply-adds of the table. It can be stopped and started again: each line of the file is one search. The table of
docs/latency.md is written from that file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from marks import DOCS, write_between

from archsieve.fronts import hypervolume
from archsieve.registry import BENCHMARKS, SEARCHERS, TASKS
from archsieve.report.draw import save
from archsieve.report.plot import Axis, Chart, Line, array
from archsieve.searchers.contract import Candidates
from archsieve.searchers.guided import InMemory, search

TABLES = {"nasbench201-cifar10": "NAS-Bench-201", "nasbench-macro-cifar10": "NAS-Bench-Macro"}
SEEDS, BUDGET, COSTS = 3, 150, (25, 50, 100, 150)
WAYS = {
    "random search": lambda: SEARCHERS["random_search"](batch=10),
    "Optuna's NSGA-II": lambda: SEARCHERS["optuna"]("nsga2", population=10, batch=10),
    "guided, code alone": lambda: SEARCHERS["guided"](features=(), population=10, batch=5),
}


class Table:
    """Two values of every network of a benchmark: recorded accuracy, and minus its multiply-adds."""

    def __init__(self, name):
        benchmark = BENCHMARKS[name]
        self.space, self.records, self.column = benchmark.space, benchmark.load(), str(benchmark.truth)
        self.task = TASKS["synthetic"](shape=(3, 32, 32), num_outputs=10)
        every = self.values(list(dict.fromkeys(map(self.space.canonical, self.records.archs))))
        self.reference = np.median(every[:, 0]), every[:, 1].min()
        self.whole = hypervolume(every, self.reference)

    def values(self, archs):
        """Return the values, shape (n, 2)."""
        accuracy = self.records.lookup(self.column, archs)
        return np.stack([accuracy, [-float(self.space.macs(arch, self.task)) for arch in archs]], axis=1)

    def share(self, points):
        """Return the hypervolume of points as a share of the table's."""
        return hypervolume(points, self.reference) / self.whole


def run(out):
    """Make every search that has no line yet."""
    out.parent.mkdir(parents=True, exist_ok=True)
    done = {tuple(row["what"]) for row in rows(out)}
    for name in TABLES:
        table = Table(name)
        for way, searcher in WAYS.items():
            for seed in range(SEEDS):
                if (name, way, seed) in done:
                    continue
                candidates, rng = Candidates(table.space, objectives=2), np.random.default_rng(seed)
                known = search(searcher(), candidates, table.values, BUDGET, rng, journal=InMemory())
                points = list(known.values())
                shares = [round(table.share(points[: cost + 1]), 5) for cost in range(len(points))]
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"what": [name, way, seed], "shares": shares}) + "\n")


def rows(out):
    """Return what is stored."""
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else []


def shares_text(curves, cost):
    """Return the mean of curves at a cost with the lowest and the highest, as the page has them."""
    values = [curve[min(cost, len(curve)) - 1] for curve in curves]
    mean, low, high = (f"{value:.2f}".removeprefix("0") for value in (np.mean(values), min(values), max(values)))
    return f"{mean} ({low} to {high})"


def table(stored):
    """Return the table of the page, of all searches."""
    rows = [
        f"| table | search | {' | '.join(f'{cost} networks' for cost in COSTS)} |",
        "|---|---|" + "---|" * len(COSTS),
    ]
    for name, title in TABLES.items():
        for way in WAYS:
            curves = [stored[name, way, seed] for seed in range(SEEDS)]
            cells = " | ".join(shares_text(curves, cost) for cost in COSTS)
            rows.append(f"| {title} | {way} | {cells} |")
    return rows


def draw(stored, picture):
    """Draw the mean share over cost for the first benchmark."""
    marks = []
    looks = ("grey", "dotted"), ("orange", "dashed"), ("blue", "solid")
    first = next(iter(TABLES))
    for way, (colour, dash) in zip(WAYS, looks, strict=True):
        mean = np.mean([stored[first, way, seed] for seed in range(SEEDS)], axis=0)
        marks.append(Line(array(range(1, len(mean) + 1)), array(mean), way, colour, dash))
    axes = Axis("networks scored"), Axis("share of the table's hypervolume")
    title = f"{TABLES[first]}: accuracy and multiply-adds, mean of {SEEDS} seeds"
    save(Chart(picture.stem, title, marks, *axes), picture.parent)
    picture.with_suffix(".svg").unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/fronts.jsonl"), help="file of the outcomes")
    parser.add_argument("--picture", type=Path, help="draw the first table's curves, e.g. docs/fronts.png")
    asked = parser.parse_args()
    run(asked.out)
    outcomes = {tuple(row["what"]): row["shares"] for row in rows(asked.out)}
    write_between(DOCS / "latency.md", "fronts", table(outcomes))
    if asked.picture is not None:
        draw(outcomes, asked.picture)
