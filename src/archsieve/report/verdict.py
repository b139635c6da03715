"""The opening sentences of a page: the winner, its quality, random search at equal cost, rank and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve.report.outcome import measure_of_result, true_value
from archsieve.report.words import ordinal, share

if TYPE_CHECKING:
    from collections.abc import Mapping


def verdict(result: Mapping[str, Any], task: str) -> str:
    """Return a one-sentence verdict on a run, from its `result.json` and the task name."""
    if result["best"] is None:
        return f"The search chose no network for {task} because none could be scored."
    return f"The search found a network for {task} {_quality(result)}{_beside_chance(result)}."


def place_and_cost(result: Mapping[str, Any]) -> list[str]:
    """Return sentences on the winner's true rank and on the cost, where known."""
    if result["best"] is None:
        return []
    stages, truth = result["stages"], result["truth"]
    count, sentences = stages[0]["candidates"] if stages else 1, []
    cost, whole = result["cost"]["network_epochs"], result["exhaustive_network_epochs"]
    if truth is not None:
        among = "candidates" if truth["spread"] is not None else "networks whose truth is recorded"
        place = f"It is {_place(truth)} of {truth['count']:,} {among}"
        sentences.append(f"{place}; the best has {true_value(truth['best'])}.")
    if cost and whole and count > 1:
        sentences.append(f"The search cost {share(cost / whole)} of training all candidates once.")
    return sentences


def _quality(result: Mapping[str, Any]) -> str:
    truth, metric = result["truth"], result["metric"]
    if truth is None:
        return _measured(result)
    if not measure_of_result(result).higher_is_better:  # a table has scores: higher is better
        metric = str(truth["column"])
    if truth["spread"] is not None:
        return f"that is predicted to reach {_of(metric, '{:.2f} ± {:.2f}'.format(truth['value'], truth['spread']))}"
    return f"that reaches {_of(metric, true_value(truth['value']))}"


def _measured(result: Mapping[str, Any]) -> str:
    """Return the winner's final score, else the last stage's score if it is a metric value."""
    measure, score, stage = measure_of_result(result), result["final_score"], ""
    if score is None and result.get("best_score_kind") == "metric":
        score, stage = result["best_score"], " in the last stage"
    if score is None:
        return "whose quality was not measured"
    if measure.higher_is_better:
        return f"that reaches {_of(measure.name, measure.text(score))}{stage}"
    return f"with {_of(measure.name, measure.text(score))}{stage}"


def _of(metric: str, value: str) -> str:
    """Return a value with its measure: "an accuracy of 91.88 %" for 91.88 of "accuracy in percent"."""
    name = metric.removesuffix(" in percent")
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return f"{article} {name} of {value}{'' if name == metric else ' %'}"


def _place(truth: Mapping[str, Any]) -> str:
    return "the best" if truth["rank"] == 1 else f"the {ordinal(truth['rank'])} best"


def _beside_chance(result: Mapping[str, Any]) -> str:
    truth, chance = result["truth"], result.get("random_search")  # older runs do not have it
    if truth is None or chance is None:
        return ""
    is_fraction = 0 < abs(truth["value"]) < 2
    difference = round(truth["value"] - chance["value"], 4 if is_fraction else 2)
    amount = f"{abs(difference):.4g}" if is_fraction else f"{abs(difference):.2f}"
    beside = f"{amount} {'more' if difference > 0 else 'less'} than" if difference else "the same as"
    networks = f"{chance['networks']:,} network{'' if chance['networks'] == 1 else 's'} trained once"
    found = f"{true_value(chance['value'])}, {networks}"
    return f", {beside} random search finds on average at the same cost ({found})"
