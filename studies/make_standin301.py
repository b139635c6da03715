"""Fits the stand-in for NAS-Bench-301's surrogate to 250 published DARTS cells, and writes it and its card.

    python studies/make_standin301.py

Needs `published-proxies-nasbench301-cifar10.json` (see `archsieve data`) and scikit-learn. The truth is itself the
prediction of a surrogate (arXiv 2008.09777), which this one imitates from few examples. A kind of model is chosen by
five folds inside of every training part, so that the nested figures have seen nothing of the cells they are about; the
kind that was chosen most is then fitted by members on bootstrap samples, and cross-validated as it is shipped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from collections import Counter
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import KFold

from archsieve import BENCHMARKS, TASKS
from archsieve._files import replace_file
from archsieve.benchmarks.nasbench301.stand_in import COLUMN, FILE, Trees, features
from archsieve.judging.metrics import kendall_tau, spearman
from archsieve.runs.executors import Processes
from archsieve.runs.provenance import processor

FOLDER = Path(__file__).parents[1] / "src" / "archsieve" / "benchmarks"
MEMBERS, TREES, DEPTH = 10, 400, 2
BOOSTED = {"learning_rate": 0.05, "subsample": 0.5, "max_features": 0.3}
KINDS = {
    "random forest": lambda seed: RandomForestRegressor(200, min_samples_leaf=2, max_features=0.33, random_state=seed),
    "extra trees": lambda seed: ExtraTreesRegressor(200, min_samples_leaf=2, max_features=0.5, random_state=seed),
    "boosted trees": lambda seed: GradientBoostingRegressor(
        n_estimators=TREES, max_depth=DEPTH, random_state=seed, **BOOSTED
    ),
}
SHIPPED = "boosted trees"
FOLDS, REPEATS, NESTED_REPEATS = 10, 5, 2


def folds(count, seed, parts=FOLDS):
    """Return (training, test) rows."""
    return KFold(parts, shuffle=True, random_state=seed).split(np.zeros(count))


def chosen_kind(rows, truth) -> str:
    """Return the kind of the least squared error over five folds of these rows."""
    errors = Counter()
    for train, test in folds(len(truth), 0, 5):
        for name, kind in KINDS.items():
            model = kind(0).fit(rows[train], truth[train])
            errors[name] += float(((model.predict(rows[test]) - truth[test]) ** 2).sum())
    return min(errors, key=errors.get)


def nested(rows, truth, repeat):
    """Return predictions by kinds that were chosen without the cells predicted, and how often each was."""
    predicted, kinds = np.empty(len(truth)), Counter()
    for train, test in folds(len(truth), repeat):
        name = chosen_kind(rows[train], truth[train])
        kinds[name] += 1
        predicted[test] = KINDS[name](0).fit(rows[train], truth[train]).predict(rows[test])
    print(f"nested, repeat {repeat}: tau {kendall_tau(predicted, truth):.3f}, {dict(kinds)}", flush=True)
    return predicted, kinds


def fitted(rows, truth) -> Trees:
    """Return members fitted to bootstrap samples."""
    rng = np.random.default_rng(0)
    splits = 2**DEPTH - 1
    members = []
    for seed in range(MEMBERS):
        drawn = rng.integers(len(truth), size=len(truth))
        members.append(KINDS[SHIPPED](seed).fit(rows[drawn], truth[drawn]))
    trees = [[complete(estimator[0].tree_, splits) for estimator in member.estimators_] for member in members]
    feature, threshold, leaf = (np.array([[tree[part] for tree in own] for own in trees]) for part in range(3))
    base = np.array([member.init_.constant_.item() for member in members])
    whole = Trees(
        feature.astype(np.uint16),
        threshold.astype(np.float32),
        (BOOSTED["learning_rate"] * leaf).astype(np.float32),
        base,
        1.0,
    )
    expected = np.stack([member.predict(rows) for member in members])
    np.testing.assert_allclose(whole.members(rows), expected, rtol=0, atol=1e-3)
    return whole


def complete(tree, splits):
    """Return (features, thresholds, leaves) of a tree whose early leaves are split where nothing goes right."""
    feature, threshold = [0] * splits, [np.inf] * splits
    leaf = [0.0] * (splits + 1)

    def fill(node, place) -> None:
        if place >= splits:
            leaf[place - splits] = tree.value[node].item()
        elif tree.children_left[node] < 0:
            fill(node, 2 * place + 1)
            fill(node, 2 * place + 2)
        else:
            feature[place], threshold[place] = tree.feature[node], tree.threshold[node]
            fill(tree.children_left[node], 2 * place + 1)
            fill(tree.children_right[node], 2 * place + 2)

    fill(0, 0)
    return feature, threshold, leaf


def shipped(rows, truth, repeat):
    """Return predictions of cells that were left out, and their members' deviations."""
    predicted, spread = np.empty(len(truth)), np.empty(len(truth))
    for train, test in folds(len(truth), 100 + repeat):
        members = fitted(rows[train], truth[train]).members(rows[test])
        predicted[test], spread[test] = members.mean(axis=0), members.std(axis=0)
    print(f"shipped, repeat {repeat}: tau {kendall_tau(predicted, truth):.3f}", flush=True)
    return predicted, spread


def work(rows, truth, item):
    """Return an item of (kind of validation, repeat) with what came of it."""
    kind, repeat = item
    return item, {"nested": nested, "shipped": shipped}[kind](rows, truth, repeat)


def interval(values) -> dict[str, float]:
    """Return least, mean and greatest, rounded."""
    return {"least": round(min(values), 4), "mean": round(float(np.mean(values)), 4), "greatest": round(max(values), 4)}


def over_repeats(predictions, truth):
    """Return tau, rho and the root of the mean squared error over repeats."""
    return {
        "tau": interval([kendall_tau(p, truth) for p in predictions]),
        "spearman": interval([spearman(p, truth) for p in predictions]),
        "rmse": interval([float(np.sqrt(np.mean((p - truth) ** 2))) for p in predictions]),
    }


def baselines(benchmark, table, truth):
    """Return what tau sizes and the best published proxies have over the same cells."""
    task = TASKS["cifar10"]()
    found = {
        size: round(kendall_tau(np.array([getattr(benchmark.space, size)(a, task) for a in table.archs]), truth), 4)
        for size in ("params", "macs")
    }
    published = {n: kendall_tau(values, truth) for n, values in table.columns.items() if n != benchmark.truth}
    best = max(published, key=published.get)
    return found | {f"published {best}, the best published proxy": round(published[best], 4)}


def main() -> None:
    """Validate, fit, and write the package's files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    benchmark = BENCHMARKS["nasbench301-published-proxies"]
    table = benchmark.load()
    rows, truth = features(table.archs), table.columns[benchmark.truth]
    items = [("shipped", i) for i in range(REPEATS)] + [("nested", i) for i in range(NESTED_REPEATS)]
    with Processes(chosen.workers) as executor:
        found = dict(executor.map(partial(work, rows, truth), items))
    inner = [found["nested", i][0] for i in range(NESTED_REPEATS)]
    kinds = sum((found["nested", i][1] for i in range(NESTED_REPEATS)), Counter())
    outer = [found["shipped", i] for i in range(REPEATS)]
    errors = np.array([np.abs(predicted - truth) / spread for predicted, spread in outer])
    stretch = round(float(np.quantile(errors, 0.68)), 3)
    whole = fitted(rows, truth)
    path = FOLDER / FILE
    parts = {name: getattr(whole, name) for name in ("feature", "threshold", "leaf", "base")}
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **parts, stretch=np.float64(stretch))
    libraries = ("numpy", "scikit-learn", "archsieve")
    card = {
        "kind": "surrogate",
        "title": "Stand-in surrogate for NAS-Bench-301: no network was trained for it",
        "column": COLUMN,
        "space": benchmark.space.identity(),
        "learnt_from": f"{benchmark.truth} of {benchmark.source.file}: predictions of NAS-Bench-301's own surrogate",
        "count": len(truth),
        "source": benchmark.source.origin,
        "citation": f"{benchmark.source.citation}; NAS-Bench-301, arXiv 2008.09777",
        "data_sha256": benchmark.source.sha256,
        "licence": benchmark.source.licence,
        "model": f"{MEMBERS} members on bootstrap samples, each {TREES} {SHIPPED} of depth {DEPTH} ({BOOSTED})",
        "caveat": "The features were designed in view of these cells, which no folds account for.",
        "command": "python studies/make_standin301.py",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
        "cross_validation": {
            "folds": FOLDS,
            "repeats": REPEATS,
            **over_repeats([predicted for predicted, _ in outer], truth),
            "stretch": stretch,
            "within_one_spread": round(float(np.mean(errors <= stretch)), 3),
            "within_two_spreads": round(float(np.mean(errors <= 2 * stretch)), 3),
        },
        "nested_cross_validation": {
            "folds": FOLDS,
            "repeats": NESTED_REPEATS,
            **over_repeats(inner, truth),
            "chosen": dict(kinds),
        },
        "baseline_tau": baselines(benchmark, table, truth),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "seed": 0,
        "processor": processor(),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, sha256 {card['sha256']}")
    print(json.dumps(card["cross_validation"]), json.dumps(card["nested_cross_validation"]))


if __name__ == "__main__":
    main()
