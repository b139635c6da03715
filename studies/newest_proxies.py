"""Measures how well the proxies of 2024 to 2026 rank two samples, and writes the tables of docs/newest_proxies.md.

    python studies/newest_proxies.py --score runs/newest nasbench201 --codes 1000   # scores, then writes score tables
    python studies/newest_proxies.py                                                # writes the tables of the page
    python studies/newest_proxies.py --seconds                                      # prints what each proxy takes

Both need CIFAR-10 and the benchmark files (see `archsieve data`). The codes are the first ones of a permutation, by
seed 0, of the shipped sample of 1,000, so that older proxies need no computation. A quarter of them is scored by seed 1
too: of every four chunks of ten the first. Scoring can be stopped and started again. For a larger number it adds to the
shipped tables.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from make_tables import write_table
from marks import DOCS, write_between
from proxy_quality import VKDNW, is_connected

from archsieve import BENCHMARKS, SPACES, TASKS, Session
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, ndcg_at_k, spearman, top_hundredth
from archsieve.registry import ESTIMATORS
from archsieve.runs.score_tables import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve import Architecture

PAGE = DOCS / "newest_proxies.md"
TRUTHS = {
    "nasbench201": ("nasbench201-cifar10", "test_acc_200"),
    "nasbench-macro": ("nasbench-macro-cifar10", "mean_acc"),
}
NEW = (*map(ZeroCost, ("vkdnw", "wrcor", "lswag")), ZeroCost("meco", options=(("channels", 8),)))
OTHERS = ("params", "macs", "az_nas", "vkdnw_agg")
PUBLISHED = {name: tau for name, (tau, _) in VKDNW.items()} | {"vkdnw": 0.618, "vkdnw_agg": 0.750}
"""Kendall's tau over the connected cells, CIFAR-10, of the table in VKDNW (arXiv 2502.04975)."""
COMPARED = ("vkdnw_agg", "lswag", "wrcor", "vkdnw", "meco[channels=8]")
AGAINST = ("az_nas", "nwot", "meco", "trainable_layers", "macs")
CHUNK = 10
DRAWS = 1000


def main() -> None:
    """Score the codes of a space, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", nargs="?", choices=TRUTHS)
    parser.add_argument("--score", type=Path, metavar="FOLDER")
    parser.add_argument("--codes", type=int, default=1000)
    parser.add_argument("--seconds", action="store_true")
    chosen = parser.parse_args()
    if chosen.seconds:
        print_seconds()
        return
    if chosen.score:
        score(chosen.score, chosen.space, chosen.codes)
        return
    samples = [sample_of(name) for name in TRUTHS]
    write_between(PAGE, "ranking", ranking(*samples))
    write_between(PAGE, "differences", [line for sample in samples for line in differences(sample)])
    write_between(PAGE, "seeds", [line for sample in samples for line in by_seed(sample)])


def codes_of(name: str, count: int) -> list[Architecture]:
    """Return the first codes of a permutation of the shipped sample."""
    known = next(table for table in shipped() if table.name == f"{name}-cifar10-sample").archs
    return [known[i] for i in np.random.default_rng(0).permutation(len(known))[:count]]


def score(folder: Path, name: str, count: int) -> None:
    """Score chunk by chunk, then write the score tables."""
    space, task, codes = SPACES[name](), TASKS["cifar10"](), codes_of(name, count)
    command = f"python studies/newest_proxies.py --score runs/newest {name} --codes {count}"
    for seed, step in ((0, 1), (1, 4)):
        chunks = [codes[start : start + CHUNK] for start in range(0, count, step * CHUNK)]
        table = f"{name}-cifar10-newest{f'-seed{seed}' if seed else ''}"
        earlier = [known for known in shipped() if known.name == table]
        with Session(folder / name / f"seed{seed}", space, task, seed=seed, tables=earlier) as session:
            for number, chunk in enumerate(chunks):
                session.scores(NEW, chunk)
                print(f"{name}, seed {seed}: {number + 1} of {len(chunks)} chunks", flush=True)
            scored = [code for chunk in chunks for code in chunk]
            write_table(table, session, list(NEW), scored, "sample", command, earlier)


def print_seconds() -> None:
    """Print the processor seconds of one network of medium size, each proxy by itself, the smallest of three."""
    task = TASKS["cifar10"]()
    for name in TRUTHS:
        space = SPACES[name]()
        warm, *codes = codes_of(name, 10)
        medium = sorted(codes, key=lambda code: space.macs(code, task))[len(codes) // 2]
        for proxy in (*NEW, *map(ZeroCost, ("nwot", "az_expressivity", "az_trainability", "jacov"))):
            taken = []
            for _ in range(3):
                with tempfile.TemporaryDirectory() as folder, Session(folder, space, task, tables=()) as session:
                    session.scores([proxy], [warm])
                    begun = time.process_time()
                    session.scores([proxy], [medium])
                    taken.append(time.process_time() - begun)
            print(f"{name} {proxy.name}: {min(taken):.2f} s", flush=True)


@dataclass(frozen=True)
class Sample:
    """The codes of one space, their truth, and the scores that are known of all of them, by name."""

    name: str
    codes: list[Architecture]
    truth: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def connected(self) -> np.ndarray:
        """Which codes have no dead edge."""
        return np.array([is_connected(code) for code in self.codes])

    def interval(self, figure: Callable[[np.ndarray], float]) -> str:
        """Return the interval of a figure over bootstrap draws of the codes."""
        rng = np.random.default_rng(1)
        draws = [figure(rng.integers(0, len(self.codes), len(self.codes))) for _ in range(DRAWS)]
        return "[{:.2f}, {:.2f}]".format(*np.quantile(draws, [0.025, 0.975]))

    def tau(self, name: str, chosen: np.ndarray | slice = slice(None)) -> float:
        """Return Kendall's tau of an estimator over some of the codes."""
        return kendall_tau(self.scores[name][chosen], self.truth[chosen])


def sample_of(name: str) -> Sample:
    """Return the codes of the shipped table of a space with all that the tables know of them."""
    codes = next(table for table in shipped() if table.name == f"{name}-cifar10-newest").archs
    space, task = SPACES[name](), TASKS["cifar10"]()
    members = {}
    for table in shipped():
        if table.knows(space, task, 0):
            for column in table.card.estimators:
                if len(table.get(column, codes)) == len(codes):
                    members[column] = _member(column)
    estimators = {**members, **{other: ESTIMATORS[other]() for other in OTHERS}}
    with tempfile.TemporaryDirectory() as folder, Session(folder, space, task) as session:
        scores = session.scores(list(estimators.values()), codes)
    benchmark, column = TRUTHS[name]
    truth = BENCHMARKS[benchmark].load().lookup(column, codes)
    return Sample(name, codes, truth, dict(zip(estimators, scores.T, strict=True)))


def _member(column: str) -> ZeroCost:
    return next((new for new in NEW if new.name == column), None) or ZeroCost(column)


def ranking(cells: Sample, blocks: Sample) -> list[str]:
    """Return the table of both spaces, best mean tau first."""
    head = ("proxy", "201: tau", "connected", "published", "MKR", "nDCG", "Macro: tau", "MKR", "nDCG")
    names = sorted({*cells.scores, *blocks.scores}, key=lambda name: (-_mean_tau(name, cells, blocks), name))
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name in names:
        connected = f"{cells.tau(name, cells.connected):.3f}" if name in cells.scores else "-"
        published = f"{PUBLISHED[name]:.3f}" if PUBLISHED.get(name) else "-"
        tau, *rest = _figures(name, cells)
        shown = f"**`{name}`**" if name in {"vkdnw_agg", *(new.name for new in NEW)} else f"`{name}`"
        lines.append(f"| {' | '.join((shown, tau, connected, published, *rest, *_figures(name, blocks)))} |")
    return lines


def _mean_tau(name: str, *samples: Sample) -> float:
    taus = [sample.tau(name) for sample in samples if name in sample.scores]
    return float(np.mean(taus))


def _figures(name: str, sample: Sample) -> tuple[str, str, str]:
    """Return tau with its interval, MKR and nDCG; dashes where not all codes have a score."""
    if name not in sample.scores:
        return "-", "-", "-"
    column, truth = sample.scores[name], sample.truth
    tau = f"{sample.tau(name):.3f} {sample.interval(lambda drawn: sample.tau(name, drawn))}"
    return (
        tau,
        f"{minimum_keeping_ratio(column, truth):.3f}",
        f"{ndcg_at_k(column, truth, top_hundredth(len(truth))):.2f}",
    )


def differences(sample: Sample) -> list[str]:
    """Return the table of differences in tau, over the same draws of codes."""
    against = [name for name in AGAINST if name in sample.scores]
    lines = [f"{sample.name}, {len(sample.codes):,} codes:", ""]
    lines += [
        f"| tau minus that of | {' | '.join(f'`{name}`' for name in against)} |",
        "|---" * (len(against) + 1) + "|",
    ]
    for name in COMPARED:
        cells = [difference(sample, name, other) for other in against]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return [*lines, ""]


def difference(sample: Sample, name: str, other: str) -> str:
    """Return the difference in tau of two estimators, with its interval."""
    between = sample.interval(lambda drawn: sample.tau(name, drawn) - sample.tau(other, drawn))
    return f"{sample.tau(name) - sample.tau(other):+.3f} {between}"


def by_seed(sample: Sample) -> list[str]:
    """Return the table of two seeds."""
    first, second = (
        next(t for t in shipped() if t.name == f"{sample.name}-cifar10-newest{end}") for end in ("", "-seed1")
    )
    benchmark, column = TRUTHS[sample.name]
    truth = BENCHMARKS[benchmark].load().lookup(column, second.archs)
    lines = [f"{sample.name}, {len(second.archs)} codes:", ""]
    lines += ["| proxy | tau, seed 0 | tau, seed 1 | Spearman correlation of the two seeds |", "|---|---|---|---|"]
    for name in second.card.estimators:
        columns = [table.get(name, second.archs) for table in (first, second)]
        one, other = (np.array([column[code].score for code in second.archs]) for column in columns)
        taus = f"{kendall_tau(one, truth):.3f} | {kendall_tau(other, truth):.3f}"
        lines.append(f"| `{name}` | {taus} | {spearman(one, other):.3f} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
