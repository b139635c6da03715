"""The demo beside the funnel of mean rank that it replaced, their trainings replayed: true accuracy and cost.

    python studies/searchers_demo.py --draws 160

Each draw deals the five recorded trainings of each network out anew: three to the search, the others are the truth.
Proxies are those of the shipped table. The demo was chosen among 40 variants on the draws 0 to 59; these are others.
"""

from __future__ import annotations

import argparse

import numpy as np
from searcher_cases import CASES, recorded

from archsieve import BENCHMARKS
from archsieve.benchmarks.digits import DIGITS, EPOCHS
from archsieve.plans.equal_cost import chances_of_choice
from archsieve.searchers.contract import Candidates
from archsieve.searchers.guided import InMemory, search
from archsieve.searchers.guided_model import percentiles
from archsieve.searchers.guided_searcher import Guided

FIRST = 100  # draw
TWICE, THREE_TIMES = 10, 5


class Deal:
    """The trainings of one draw: those that a search may see, (3, n), and the truth, (n,)."""

    def __init__(self, draw):
        self.archs, columns, self.proxies = recorded(DIGITS.name)
        places = np.tile(np.arange(5)[:, None], (1, len(self.archs)))
        order = np.random.default_rng([7, draw]).permuted(places, axis=0)
        self.seen = np.take_along_axis(columns["validation"], order[:3], 0)
        self.truth = np.take_along_axis(columns["test"], order[3:], 0).mean(axis=0)

    def winner(self, trained):
        """Return the best of what is trained once: the best ten are trained again, the best five a third time."""
        left = np.array(trained)
        for count, times in ((len(left), 1), (TWICE, 2), (THREE_TIMES, 3)):
            left = left[:count]
            scores = self.seen[:times, left].T
            left = left[np.argsort(-percentiles(scores, scores).sum(axis=1), kind="stable")]
        return left[0]


def guided(deal, draw, count, names=("swap",)):
    """Return the positions that a guided search trains first."""
    row = {arch: i for i, arch in enumerate(deal.archs)}
    order = np.random.default_rng(draw).permutation(len(deal.archs))
    found = search(
        Guided(names),
        Candidates(
            BENCHMARKS[DIGITS.name].space,
            [deal.archs[i] for i in order],
            lambda asked: np.stack([deal.proxies[n][[row[a] for a in asked]] for n in names], axis=1),
        ),
        lambda asked: deal.seen[0, [row[arch] for arch in asked]],
        count,
        np.random.default_rng(draw),
        journal=InMemory(),
    )
    return [row[arch] for arch in found]


def by_mean_rank(deal, count):
    """Return the positions that the funnel of before trained first."""
    columns = np.stack([deal.proxies["swap"], deal.proxies["jacov"]], axis=1)
    return list(np.argsort(-percentiles(columns, columns) @ [2.0, 1.0], kind="stable")[:count])


def main() -> None:
    """Print one line a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=160)
    draws = range(FIRST, FIRST + parser.parse_args().draws)
    again = EPOCHS * (TWICE + THREE_TIMES)
    ways = {
        "the demo": (54, ("swap",), lambda deal, draw: guided(deal, draw, 54)),
        "the funnel of before": (45, ("swap", "jacov"), lambda deal, draw: by_mean_rank(deal, 45)),
    }
    for way, (count, names, trained) in ways.items():
        found, chance = [], []
        cost = CASES["digits"].price(names, 729) + EPOCHS * count + again
        for draw in draws:
            deal = Deal(draw)
            found.append(deal.truth[deal.winner(trained(deal, draw))])
            chance.append(chances_of_choice(deal.seen[0], round(cost / EPOCHS)) @ deal.truth)
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        told = f"{np.mean(found):.2f} ± {error:.2f}, 10 % below {np.quantile(found, 0.1):.1f}"
        print(
            f"{way}: {told}; {cost:,.0f} network-epochs, {cost / (729 * EPOCHS):.1%}; random {np.mean(chance):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
