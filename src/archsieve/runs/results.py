"""The outcome of a search: the values that `result.json` holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsieve.runs.provenance import Provenance
    from archsieve.spaces.contract import Picture


@dataclass(frozen=True)
class Spending:
    """What a part of a run cost, in three currencies.

    `seconds` of workers that the scores took whenever they were computed, learning included: counted once however
    often the run was gone on with, 0 for what was looked up; a process that was killed takes along what it had not
    stored, such as the time of a supernet that it trained. `network_epochs` (see `archsieve.plans.contract.unit`) and
    `macs`, multiply-adds (see `archsieve.runs.effort.in_macs`), as if nothing had been stored; None: unknown.
    """

    seconds: float
    network_epochs: float | None
    macs: float | None


@dataclass(frozen=True)
class StageReport(Spending):
    """What one stage did and cost: its estimator, candidates in, kept, how many could not be scored.

    `failed_parts` is how many of a composite's have a score although a part could not score them.
    """

    label: str
    estimator: str
    candidates: int
    kept: int
    failures: int
    failed_parts: int


@dataclass(frozen=True)
class Truth:
    """What a benchmark says of the winner: its value, its rank (1 is best, ties share it), and the best value.

    Of `count` codes of a table; where values are predicted, of the candidates of the run.

    Attributes:
        benchmark: its name.
        column: which values.
        value: of the winner.
        rank: in 1..count.
        count: codes with a value.
        best: the greatest value.
        spread: standard deviation of the predictions of the model's members; None where the value is recorded.
        caution: what must be said beside it; empty for nothing.
    """

    benchmark: str
    column: str
    value: float
    rank: int
    count: int
    best: float
    spread: float | None = None
    caution: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of a search, as `result.json` holds it.

    `best` is the architecture in the space's own notation; `digits` the same as reports write it, which every space
    parses. They, `code` and `picture` are None where a stage could score none of its candidates; `failure` then says
    which one and why, as it does where the final estimator failed, and is empty otherwise. `best_score` is None where
    no stage chose between two, or none could be scored; so is `final_score` where there is no final estimator, or it
    failed. `truth_note` says which table could not be read. `cost` is that of the pool, the stages and the final
    estimator, `exhaustive_network_epochs` that of the final estimator for every candidate; None where a part is
    unknown. `random_search` is what that finds at this cost, None where no table tells. `network_epoch` says in
    words what one network-epoch is, the unit of every key that ends in `network_epochs`. `seconds` is the time this
    run took on the wall. `picture` is how the winner is drawn. `pictures` says which scores were not made on the
    pictures of the task.

    Of `best_score` and `final_score` higher is better, so that an error has a minus sign; `higher_is_better` is the
    direction of the metric itself. `best_score_kind` says what `best_score` is: "metric" is a value of the task's
    metric, "relative" compares the candidates of the last stage only, "score" is any other score; empty where there is
    none.
    """

    best: str | None
    digits: str | None
    code: tuple[int, ...] | None
    best_score: float | None
    best_score_kind: str
    chosen_by: str
    final_estimator: str | None
    final_score: float | None
    metric: str
    higher_is_better: bool
    truth: Truth | None
    truth_note: str
    stages: tuple[StageReport, ...]
    cost: Spending
    exhaustive_network_epochs: float | None
    random_search: RandomSearch | None
    network_epoch: str
    seconds: float
    seed: int
    title: str
    picture: Picture | None
    provenance: Provenance
    failure: str
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class RandomSearch:
    """What random search finds: `networks` drawn at random, each trained once, the best by that training chosen.

    Attributes:
        networks: how many complete trainings the cost of the search pays for.
        value: the expected truth of the one chosen, exact: no search was simulated.
        chosen_by: the columns of single trainings it is the mean over.
    """

    networks: int
    value: float
    chosen_by: tuple[str, ...]
