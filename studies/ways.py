"""What the studies of whole pipelines share: ways of searching, judged by a recorded truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsieve import BENCHMARKS
from archsieve.runs.effort import Ledger, total
from archsieve.searchers.funnel import run_funnel

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Outcome:
    """What a way of searching found: code, accuracy, rank in the table, cost, and survivors and place by stage."""

    code: tuple[int, ...]
    accuracy: float
    rank: int
    cost: float
    stages: Sequence[tuple[str, int, int, int | None]] = ()


class Truth:
    """A column of a benchmark that judges what is found."""

    def __init__(self, benchmark: str, column: str) -> None:
        table = BENCHMARKS[benchmark].load()
        self.space = BENCHMARKS[benchmark].space
        self.archs, self.values = list(table.archs), table.columns[column]
        self._by_code = dict(zip(table.archs, self.values.tolist(), strict=True))
        self.optima = {self.space.canonical(a) for a, v in self._by_code.items() if v == self.values.max()}

    def outcome(self, code, cost, stages=()):
        """Return the outcome for what was found."""
        accuracy = self._by_code[code]
        return Outcome(code, accuracy, 1 + int((self.values > accuracy).sum()), cost, stages)


def funnel(stages, session, truth):
    """Return the outcome of a funnel over all networks."""
    ledger, costs, told = Ledger(session.space, session.task), [], []
    run = run_funnel(stages, session.pool(), session.scores)
    for stage, found in run:
        archs = [tuple(code) for code in found.archs.tolist()]
        costs.append(ledger.pay(stage.estimator, len(archs)))
        there = [i for i, arch in enumerate(archs) if arch in truth.optima]
        places = [int((found.scores >= found.scores[i]).sum()) or len(archs) for i in there]  # without a score: last
        told.append((found.label, len(archs), len(found.kept), min(places, default=None)))

    return truth.outcome(run.result().best, total(costs), told)
