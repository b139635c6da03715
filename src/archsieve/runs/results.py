"""The outcome of a search: the contents of `result.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from torch import nn

    from archsieve.runs.provenance import Provenance
    from archsieve.spaces.contract import Picture


@dataclass(frozen=True)
class Spending:
    """The cost of a part of a run, in three units.

    Attributes:
        seconds: time that workers spent on the scores, learning included, whenever that was. Each score counts once,
            however often the run was resumed; looked-up scores count 0. Of a killed process, what led to a checkpoint
            counts; what was lost with it is missing.
        network_epochs: as if nothing had been stored (see `archsieve.plans.contract.unit`); None: unknown.
        macs: multiply-adds, as if nothing had been stored (see `archsieve.runs.effort.in_macs`); None: unknown.
    """

    seconds: float
    network_epochs: float | None
    macs: float | None


@dataclass(frozen=True)
class StageReport(Spending):
    """The work and cost of one stage: its estimator, candidates, survivors, and failures.

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
    """A benchmark's data on the winner: its value, its rank (1 is best, ties share it), and the best value.

    Of the `count` networks of a table, each counted once; where values are predicted, of the candidates of the run.

    Attributes:
        benchmark: its name.
        column: which values.
        value: of the winner.
        rank: in 1..count.
        count: networks with a value.
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
class Edge:
    """A network near a measured limit, as digits: first and repeated measurement, and whether it is within."""

    architecture: str
    first: float
    again: float | None
    is_within: bool


@dataclass(frozen=True)
class LimitReport:
    """The effect of a measured limit: estimator, limit, and counts of networks measured, within, beyond and failed.

    `best` is what was measured of the winner; `edge` are the networks that were measured again because they are near
    the limit. `values` has every network that could be measured, by its digits: the lower of both numbers where there
    are two; older results do not have it.
    """

    estimator: str
    most: float
    measured: int
    within: int
    beyond: int
    not_measured: int
    best: float | None
    edge: tuple[Edge, ...]
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """An objective: its estimator, its measure, and its direction."""

    estimator: str
    title: str
    higher_is_better: bool


@dataclass(frozen=True)
class Trade:
    """A network with all objectives scored: its digits and code, the objective values, and its rank.

    `is_best` says that no other network is at least as good in every objective and better in one; `rank` is its place
    in the last stage, from 1.
    """

    architecture: str
    code: tuple[int, ...]
    values: tuple[float, ...]
    is_best: bool
    rank: int


@dataclass(frozen=True)
class Front:
    """The objectives of a search, and every network scored by all of them, non-dominated ones first."""

    objectives: tuple[Objective, ...]
    networks: tuple[Trade, ...]


@dataclass(frozen=True)
class Result:
    """The outcome of a search, as stored in `result.json`.

    Where a stage could score none of its candidates there is no winner: `best`, `digits`, `code`, `picture` are None.
    Of `best_score` and `final_score` higher is better, so that an error has a minus sign.

    Attributes:
        best: the winner in the space's own notation.
        digits: the winner as reports write it; every space parses that.
        code: the winner's code.
        best_score: the winner's score in the last stage; None where no stage had a choice, or none could be scored.
        best_score_kind: "metric" is a value of the task's metric, "relative" compares the candidates of the last stage
            only, "score" is any other score; empty where there is none.
        chosen_by: the label of the last stage that ran; empty where none did, or there is no winner.
        final_estimator: its name; None where the plan has none.
        final_score: None where there is no final estimator, or it failed.
        metric: the name of the task's metric.
        higher_is_better: the direction of the metric itself.
        truth: what a benchmark says of the winner; None where none does.
        truth_note: which table could not be read; else empty.
        stages: the report of each stage.
        cost: of the pool, the stages and the final estimator.
        exhaustive_network_epochs: cost of the final estimator for every candidate; None where a part is unknown.
        random_search: what random search finds at this cost; None where no table has the truth.
        worth: how many networks random search would have to train for as good a winner; None without a winner.
        network_epoch: in words, one network-epoch: the unit of every key that ends in `network_epochs`.
        seconds: wall-clock time of this run.
        seed: of the search.
        title: of the plan.
        picture: how to draw the winner.
        provenance: what the result was made with.
        failure: which stage could score no candidate and why, or why the final estimator failed; else empty.
        pictures: which scores were not made on the pictures of the task.
        winner_params: the winner's parameters; None without a winner, or where the space has no networks.
        winner_macs: its multiply-adds for one input.
        rounds_sha256: of what all stages scored and kept (see `archsieve.runs.folder.digest_of_rounds`).
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
    worth: Worth | None
    network_epoch: str
    seconds: float
    seed: int
    title: str
    picture: Picture | None
    provenance: Provenance
    failure: str
    pictures: tuple[str, ...]
    rounds_sha256: str = ""
    limit: LimitReport | None = None
    front: Front | None = None
    winner_params: int | None = None
    winner_macs: int | None = None

    def model(self) -> nn.Module:
        """Return the winner as a network on the CPU in evaluation mode, with the weights of its last training.

        Raises:
            SettingError: this is no result that `run_plan` returned in this process.
            RunFolderError: there is no winner, or the files of the run were changed since.
        """
        source: Any = vars(self).get("_source")
        if source is None:
            raise SettingError(
                "Only a result that `run_plan` returned knows its network: archsieve.export.run.model_of."
            )
        network: nn.Module = source()
        return network


@dataclass(frozen=True)
class RandomSearch:
    """The expected result of random search: `networks` random draws, each trained once, the best one selected.

    Attributes:
        networks: how many complete trainings the cost of the search pays for.
        value: the expected truth of the one chosen, exact: no search was simulated.
        chosen_by: the columns of single trainings it is the mean over.
    """

    networks: int
    value: float
    chosen_by: tuple[str, ...]


@dataclass(frozen=True)
class Worth:
    """How many networks random search must train by the same recipe to expect an equally good winner.

    Random search draws from `count` networks without replacement, until one is at least as good as the winner.

    Attributes:
        source: what tells it: "truth" of a benchmark, exactly; "predictions" of one, for a sample of the space; or
            "audit" of the search's own cuts.
        count: networks that random search would draw from; of a sample, those looked at.
        as_good: how many of them are at least as good, the winner included; of a sample the others; None: unknown.
        audited: networks of an audit.
        networks: the expected number of draws; None where only a lower bound is known.
        low: where `networks` is known 95 % of random searches need between `low` and `high` draws; else a lower bound
            of the expectation, with 95 % confidence.
        high: None where only a lower bound is known.
        paid: what the search cost, in trainings of one network by the recipe; None: unknown.
        next_low: what the bound would be with 30 more networks audited, or all where fewer are left, none of them as
            good; None without an audit, and where none is left.
    """

    source: str
    count: int
    as_good: int | None
    audited: int
    networks: float | None
    low: float
    high: float | None
    paid: float | None
    next_low: float | None = None
