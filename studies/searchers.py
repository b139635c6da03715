"""Compares ways to search where trainings are recorded: what each has found for what it has paid.

    python studies/searchers.py run --out runs/searchers.jsonl
    python studies/searchers.py settings --out runs/searcher-settings.jsonl
    python studies/searchers_page.py runs/searchers.jsonl runs/searcher-settings.jsonl

A search sees validation accuracies where there are some, and is judged by the test accuracy of the network that it
would return: of those fully trained so far, the best by what it sees. All ways pay for distinct networks, for proxies
and for short trainings. Every seed draws half of the networks of a space. It can be stopped and started again; each
line of the files is one search.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from searcher_cases import CASES

from archsieve import ESTIMATORS, SEARCHERS
from archsieve.estimators.combined.vote import Vote
from archsieve.randomness import generator
from archsieve.searchers.contract import Candidates, count_kept
from archsieve.searchers.guided import InMemory, search
from archsieve.searchers.guided_model import percentiles
from archsieve.searchers.guided_searcher import Guided

FOUR = ("nwot", "swap", "synflow_log", "jacov")
SIZES = ("params", "macs")
CHEAPLY, MOST_FULLY = 80, 42  # short trainings of the shipped plan, and full ones after them
TRUST = 0.3  # weight of proxies beside a short training, in the funnels
KEPT_OF_SHORT = 0.0056  # what pipeline A's first twelve epochs of partial training keep
SLOW = {"Optuna TPE": 20, "Optuna GP": 3}  # the most seeds of ways that take more than ten seconds a search
MOST_SEEDS = {"darts": 30, **SLOW}


class Log:
    """What a search pays, and what it has trained fully: (network-epochs so far, network)."""

    def __init__(self, case, draw, cost=0.0):
        self.case, self.draw, self.cost, self.trained = case, draw, cost, []

    def fully(self, archs):
        """Train fully, and return what the search sees."""
        for arch in archs:
            self.cost += self.case.epochs
            self.trained.append((self.cost, arch))
        return self.draw.scores(archs)

    def shortly(self, archs):
        """Train for a short time, and return what the search sees."""
        self.cost += self.case.short_epochs * len(archs)
        return self.draw.short(archs)


def ask(searcher, log, seed, budget, archs, scores, features=None):
    """Return the scores by network of what a searcher asks for."""
    rng = generator(seed, "sample", "search", searcher.name)
    candidates = Candidates(log.draw.space, archs, features)
    return search(searcher, candidates, scores, budget, rng, journal=InMemory())


def by_searcher(name, **settings):
    """Return a way that trains fully what a searcher without features asks for."""

    def way(case, draw, seed):
        log = Log(case, draw)
        ask(SEARCHERS[name](**settings), log, seed, case.budget, draw.archs, log.fully)
        return log

    return way


def mean_rank(draw, names, archs):
    """Return the mean percentile rank by proxies, (n,)."""
    columns = draw.features(names, archs)
    return percentiles(columns, columns).mean(axis=1)


def best_of(archs, values, count=None):
    """Return the best networks, in order."""
    return [archs[i] for i in np.argsort(-np.asarray(values), kind="stable")[:count]]


def in_order(names, short=0):
    """Return the baseline: full trainings in the order of the mean rank, `short` of them cheaply trained first."""

    def way(case, draw, seed):
        proxies = names if case.name != "darts" else SIZES
        log = Log(case, draw, case.price(proxies, len(draw.archs)))
        ranks = mean_rank(draw, proxies, draw.archs)
        order = best_of(draw.archs, ranks)
        if short:
            order = order[:short]
            own = np.stack([log.shortly(order), dict_of(draw.archs, ranks)(order)], axis=1)
            order = best_of(order, percentiles(own, own) @ [1.0, TRUST])
        log.fully(order[: MOST_FULLY if short else case.budget])
        return log

    return way


def dict_of(archs, values):
    """Return a function of networks to values."""
    known = dict(zip(archs, values, strict=True))
    return lambda asked: np.array([known[arch] for arch in asked])


def guided(names=FOUR, *, is_open=False, **settings):
    """Return the guided search with full trainings alone."""

    def way(case, draw, seed):
        proxies = names if case.name != "darts" or not names else SIZES
        log, searcher = Log(case, draw), Guided(proxies, **settings)
        archs = None if is_open else draw.archs
        log.cost += case.price(proxies, len(draw.archs) if archs else searcher.describes(case.budget, 10**9))
        ask(searcher, log, seed, case.budget, archs, log.fully, lambda asked: draw.features(proxies, asked))
        return log

    return way


def chain(names=FOUR, short=CHEAPLY):
    """Return two guided stages: short trainings, and full ones of what is left, led by the scores of the first."""

    def way(case, draw, seed):
        log = Log(case, draw, case.price(names, len(draw.archs)))
        first = ask(Guided(names), log, seed, short, draw.archs, log.shortly, lambda asked: draw.features(names, asked))
        left = [arch for arch in draw.archs if arch in first]

        def features(asked):
            return np.column_stack([draw.features(names, asked), [first[arch] for arch in asked]])

        second = Guided((*names, "short"), population=4, batch=2, earlier=1)
        ask(second, log, seed, MOST_FULLY, left, log.fully, features)
        return log

    return way


def funnel_of_a():
    """Return the first and third stage of pipeline A, recorded short trainings in the place of partial training."""

    def way(case, draw, seed):
        names = ("l2_norm", "nwot", "zen")
        log = Log(case, draw, case.price(names, len(draw.archs)))
        columns = draw.features(names, draw.archs)
        votes = Vote(tuple(map(ESTIMATORS["zero_cost"], names)), quantile=0.8).combine(columns, columns)
        left = [arch for arch, vote in zip(draw.archs, votes, strict=True) if vote > 1]
        left = best_of(left, log.shortly(left), count_kept(KEPT_OF_SHORT, len(left)))
        log.fully(left)
        return log

    return way


OTHERS = ("meco", "nwot", "synflow_log", "jacov")
WAYS = {
    "random search": by_searcher("random_search", batch=1),
    "regularized evolution": by_searcher("regularized_evolution"),
    "differential evolution": by_searcher("differential_evolution", population=20),
    "Optuna TPE": by_searcher("optuna"),
    "Optuna GP": by_searcher("optuna", sampler="gp"),
    "mean rank": in_order(FOUR),
    "guided": guided(),
    "guided, code alone": guided(()),
}
SHORT_WAYS = {
    "mean rank, 80 short trainings": in_order(FOUR, 80),
    "mean rank, 150 short trainings": in_order(FOUR, 150),
    "mean rank of meco, nwot, synflow_log, jacov, 150 short": in_order(OTHERS, 150),
    "guided, 80 short trainings": chain(),
    "guided, 150 short trainings": chain(short=150),
    "guided by meco, nwot, synflow_log, jacov, 80 short": chain(OTHERS),
    "A without its supernet": funnel_of_a(),
}
DARTS_WAYS = {
    name: WAYS[name]
    for name in ("random search", "regularized evolution", "Optuna TPE", "Optuna GP", "mean rank", "guided")
} | {"guided, the whole space": guided(is_open=True), "guided, code alone": guided(())}


def ways_of(case):
    """Return the ways that a case is searched by."""
    if case.name == "darts":
        return DARTS_WAYS
    if case.blur:
        return SHORT_WAYS
    return WAYS | (SHORT_WAYS if case.short_epochs else {})


SETTINGS = {
    "as shipped": {},
    "deviations 0": {"deviations": 0.0},
    "deviations 1": {"deviations": 1.0},
    "batch 1": {"batch": 1},
    "batch 8": {"batch": 8},
    "population 4": {"population": 4},
    "population 16": {"population": 16},
    "share .03": {"share": 0.03},
    "share .3": {"share": 0.3},
    **{f"without {name}": {"names": tuple(n for n in FOUR if n != name)} for name in FOUR},
    **{f"with {name}": {"names": (*FOUR, name)} for name in ("l2_norm", "zen", "snip", "epe_nas")},
    "l2_norm, nwot, zen": {"names": ("l2_norm", "nwot", "zen")},
    "no features": {"names": ()},
}


def row_of(case, name, seed, way):
    """Return what a search found, as plain values."""
    draw = case.draw(seed)
    begun = time.perf_counter()
    log = way(case, draw, seed)
    archs = [arch for _, arch in log.trained]
    scores = draw.scores(archs)
    row = {"case": case.name, "way": name, "seed": seed, "seconds": round(time.perf_counter() - begun, 2)}
    for truth, of in draw.truths.items():
        values, best, steps, found = of(archs), -np.inf, [], None
        for (cost, _), score, value in zip(log.trained, scores, values, strict=True):
            if score > best:
                best = score
                steps.append([round(cost, 1), round(float(draw.best[truth] - value), 4)])
            if found is None and value >= draw.best[truth]:
                found = round(cost, 1)
        row[truth] = {"steps": steps, "found": found}
    return row | {"trained": len(archs), "cost": round(log.cost, 1)}


def run(tasks, path):
    """Search what is not in the file yet, and append to it."""
    done = set()
    if path.exists():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        done = {(row["case"], row["way"], row["seed"]) for row in rows}
    for case, name, seed, way in tasks:
        if (case.name, name, seed) not in done:
            row = row_of(case, name, seed, way)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def tasks_of(chosen):
    """Yield case, name of the way, seed and way: few seeds of everything first."""
    cases = [CASES[name] for name in chosen.cases or CASES]
    if chosen.what == "settings":
        cases = [replace(case, short_epochs=0) for case in cases if not case.blur and case.name != "darts"]
    rounds = pairwise((0, 4, 10, 20, 30, 40, 50))
    for seeds, is_slow, case in (
        (seeds, is_slow, case) for seeds in rounds for is_slow in (False, True) for case in cases
    ):
        if chosen.what == "settings":
            ways = {name: guided(**settings) for name, settings in SETTINGS.items()}
        else:
            ways = ways_of(case)
        for name, way in ways.items():
            most = min(chosen.seeds, MOST_SEEDS.get(case.name, 50), MOST_SEEDS.get(name, 50))
            if (chosen.ways and name not in chosen.ways) or (name in SLOW) != is_slow:
                continue
            yield from ((case, name, seed, way) for seed in range(*seeds) if seed < most)


def main() -> None:
    """Search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "settings"))
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--cases", nargs="+", choices=CASES)
    parser.add_argument("--ways", nargs="+", help="default: all")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    run(tasks_of(chosen), chosen.out)


if __name__ == "__main__":
    main()
