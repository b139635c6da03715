"""What the study of searchers searches: spaces whose trainings are recorded, half of the networks drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from archsieve import BENCHMARKS, ESTIMATORS, TASKS
from archsieve.benchmarks.contract import task_of
from archsieve.benchmarks.digits import DIGITS, EPOCHS, TEST_IMAGES, VALIDATION_IMAGES
from archsieve.randomness import generator
from archsieve.runs.effort import Ledger
from archsieve.runs.score_tables import shipped

DARTS_POOL = 5_000


@dataclass(frozen=True, eq=False)
class Draw:
    """What one seed searches.

    Attributes:
        space: of the networks.
        archs: the candidates; None: the whole space, for a space too large to list.
        scores: returns what a full training tells a search of networks, (n,).
        truths: by name, what judges; each returns (n,).
        best: the best truth among the candidates, by name.
        short: returns what a short training tells; None where none is recorded.
        features: returns proxies by name, (n, f).
    """

    space: object
    archs: list
    scores: object
    truths: dict
    best: dict
    short: object
    features: object


@dataclass(frozen=True)
class Case:
    """A space with its recorded trainings.

    Attributes:
        name: of the case.
        epochs: of a full training.
        short_epochs: of a short one; 0: none is recorded.
        budget: full trainings that a search pays for at most.
        blur: the standard deviation of what is added to the scores of short trainings, in percent.
    """

    name: str
    benchmark: str
    epochs: int
    budget: int
    short_epochs: int = 0
    blur: float = 0.0

    @property
    def table(self):
        """The benchmark's name of its table of proxies."""
        return next(t for t in shipped() if t.name == self.benchmark)

    def price(self, names, count):
        """Return what proxies of so many networks cost, in network-epochs."""
        benchmark = BENCHMARKS[self.benchmark]
        task = TASKS["cifar10"]() if self.name.startswith(("201", "macro", "darts")) else task_of(benchmark)
        ledger = Ledger(benchmark.space, task)
        return sum(ledger.pay(_estimator(name), count) or 0.0 for name in names)

    def draw(self, seed):
        """Return half of the networks, and for the digits which training a search sees."""
        rng = generator(seed, "sample", "searchers", self.name.partition(",")[0])
        archs, columns, proxies = recorded(self.benchmark)
        chosen = np.sort(rng.choice(len(archs), len(archs) // 2, replace=False))
        archs = [archs[i] for i in rng.permutation(chosen)]
        if self.name == "digits":
            seen = int(rng.integers(len(columns["validation"])))
            columns = {"score": columns["validation"][seen], "test": np.delete(columns["test"], seen, 0).mean(0)}
            truths = {"test": columns["test"]}
        elif self.benchmark == "nasbench201-cifar10":
            truths = {"test": columns["test_acc_200"], "validation": columns["val_acc_200"]}
            columns = {"score": columns["val_acc_200"], "short": columns["val_acc_12"]}
            columns["short"] = columns["short"] + self.blur * rng.standard_normal(len(columns["short"]))
        else:
            truths, columns = {"test": columns["mean_acc"]}, {"score": columns["mean_acc"]}
        row = {arch: i for i, arch in enumerate(recorded(self.benchmark)[0])}

        def of(column):
            return lambda asked: column[[row[arch] for arch in asked]]

        def features(names, asked):
            rows = [row[arch] for arch in asked]
            return np.stack([proxies[name][rows] for name in names], axis=1)

        return Draw(
            BENCHMARKS[self.benchmark].space,
            archs,
            of(columns["score"]),
            {name: of(truth) for name, truth in truths.items()},
            {name: float(of(truth)(archs).max()) for name, truth in truths.items()},
            of(columns["short"]) if self.short_epochs else None,
            features,
        )


class Stand(Case):
    """DARTS, whose truth is the stand-in surrogate: 5,000 networks, or the whole space."""

    def draw(self, seed):
        """Return 5,000 networks drawn by seed."""
        space, predict = BENCHMARKS[self.benchmark].space, BENCHMARKS[self.benchmark].load()
        rng = generator(seed, "sample", "searchers", "darts")
        archs = list(dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(DARTS_POOL)))

        def truth(asked):
            return predict.lookup("standin_accuracy", list(asked))

        task = TASKS["cifar10"]()

        def features(names, asked):
            return np.array([[getattr(space, name)(arch, task) for name in names] for arch in asked], dtype=float)

        return Draw(space, archs, truth, {"test": truth}, {"test": float(truth(archs).max())}, None, features)


@cache
def recorded(benchmark):
    """Return the distinct networks of a benchmark, its columns, and all proxies of whole tables."""
    recipe = BENCHMARKS[benchmark]
    table, space = recipe.load(), recipe.space
    archs = [arch for arch in table.archs if space.canonical(arch) == arch]
    columns = {name: table.lookup(name, archs) for name in table.columns}
    if benchmark == DIGITS.name:
        with np.load(DIGITS.source.require(), allow_pickle=False) as arrays:
            codes = [tuple(map(int, code)) for code in arrays["codes"]]
            order = [codes.index(arch) for arch in archs]
            columns["validation"] = 100.0 * arrays["validation"][:, order, EPOCHS - 1] / VALIDATION_IMAGES
            columns["test"] = 100.0 * arrays["test"][:, order, EPOCHS - 1] / TEST_IMAGES
    proxies = {}
    for scores in shipped():
        if scores.name.startswith(benchmark) and scores.card.population == "all":
            for name in scores.card.estimators:
                found = scores.get(name, archs)
                proxies[name] = np.array([found[arch].score for arch in archs])
    return archs, columns, proxies


def _estimator(name):
    return ESTIMATORS[name]() if name in ESTIMATORS else ESTIMATORS["zero_cost"](name)


CASES = {
    case.name: case
    for case in (
        Case("digits", DIGITS.name, EPOCHS, 100),
        Case("macro", "nasbench-macro-cifar10", 50, 120),
        Case("201", "nasbench201-cifar10", 200, 150, 12),
        Case("201, blurred", "nasbench201-cifar10", 200, 150, 12, 1.0),
        Stand("darts", "nasbench301-standin", 200, 60),
    )
}
