"""Measures what the mean rank, and a model taught by the pilot, change in designs.

    python studies/design_choices.py --out runs/design-choices

On each recorded space pilots of 100 networks are drawn at random, and a funnel is designed for a risk of .1: from
single proxies, with their mean rank, and with a forest of the codes that the pilot teaches. It is then run over the
whole space. It can be stopped and started again. Writes a table of docs/planning.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from gambler import SPACES, known_space, survivors
from marks import DOCS, write_between

from archsieve import BENCHMARKS
from archsieve._files import replace_file
from archsieve.design.designer import Prices, choose, offers
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.contract import Context
from archsieve.estimators.lookup import Lookup
from archsieve.estimators.predictor import Predictor
from archsieve.randomness import generator

PILOT, REPETITIONS, DELTA = 100, 20, 0.1
RANKED = ("jacov", "nwot", "swap", "synflow_log")
WAYS = ("single proxies", "and their mean rank", "and a model of the pilot")


def one(data, codes, space, number):
    """Return cost and whether the optimum was kept, by way, for one pilot."""
    scores, truth, names, prices = data
    order = generator(number, "sample", "gambler", PILOT).permutation(len(truth))
    pool = generator(number, "sample", "pool").permutation(len(truth))
    pilot = order[:PILOT]
    at = [names.index(name) for name in RANKED]
    rank = MeanRank(tuple(Lookup(name) for name in RANKED)).combine(scores[:, at], scores[:, at])
    with tempfile.TemporaryDirectory() as folder:
        model = Predictor(teacher=Lookup("truth"), samples=PILOT, encoding="one_hot")
        taught = model._teach([codes[i] for i in pilot], truth[pilot], Context(space, None, Path(folder), number))
        predicted = taught.predict(codes)
    found = {}
    columns, once, each = scores, prices.once, prices.each
    more = {WAYS[1]: (rank, sum(each[i] for i in at)), WAYS[2]: (predicted, 0.0)}
    for way in WAYS:
        if way in more:
            columns = np.column_stack([columns, more[way][0]])
            once, each = (*once, 0.0), (*each, more[way][1])
        reckoned = Prices(once, each, prices.final, prices.pool)
        chosen = choose(offers(columns[pilot], truth[pilot], reckoned), DELTA).chosen
        left = survivors(chosen.chain, columns, pool)
        kept, ten = truth[left].max() == truth.max(), truth[left].max() >= np.sort(truth)[-10]
        found[way] = {"cost": chosen.cost, "kept": bool(kept), "top_10": bool(ten), "found": float(truth[left].max())}
    return found


def main() -> None:
    """Design with the pilots that are missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    path = chosen.out / "choices.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    lines = ["| space | to choose from | kept | top 10 kept | cost (quartiles) | found |", "|---|---|---|---|---|---|"]
    for name, (table, *_) in SPACES.items():
        data = known_space(SimpleNamespace(space=name, supernet=None))
        space = BENCHMARKS[table].space
        codes = [arch for arch in BENCHMARKS[table].load().archs if space.canonical(arch) == arch]
        for number in range(REPETITIONS):
            if f"{name}|{number}" not in rows:
                rows[f"{name}|{number}"] = one(data, codes, space, number)
                with replace_file(path) as temporary:
                    temporary.write_text(json.dumps(rows))
        everything = data[3].of(())
        for way in WAYS:
            mine = [rows[f"{name}|{number}"][way] for number in range(REPETITIONS)]
            low, median, high = np.quantile([r["cost"] / everything for r in mine], [0.25, 0.5, 0.75])
            kept, ten, value = (np.mean([r[key] for r in mine]) for key in ("kept", "top_10", "found"))
            lines.append(
                f"| {name} | {way} | {kept:.2f} | {ten:.2f} | {median:.3f} ({low:.3f}, {high:.3f}) | {value:.2f} |"
            )
        print(name, flush=True)
    write_between(DOCS / "planning.md", "designed", lines)


if __name__ == "__main__":
    main()
