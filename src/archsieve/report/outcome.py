"""The outcome of a finished search as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZES = {"winner_params": "parameters", "winner_macs": "multiply-adds"}
_SHOWN = 12  # networks of a front
_MORE = 30  # further networks of an audit, of which `next_low` tells
_KINDS = {
    "relative": "It compares the candidates of that stage only; higher is better.",
    "score": "It only ranks candidates; higher is better.",
}


def measure_of_result(result: Mapping[str, Any]) -> Measure:
    """Return the metric of a result's task."""
    return Measure(result["metric"], result.get("higher_is_better", True))  # older results do not say it


def winner(result: Mapping[str, Any]) -> list[str]:
    """Return the winner in report notation, and in the space's published notation if it differs."""
    if result["best"] is None:
        return ["Best: none"]
    lines = [f"Best: {result['digits']}"]
    if result["best"] != result["digits"]:
        lines.append(f"    In the space's own notation: {result['best']}")
    return [*lines, f"    Size: {sizes}"] if (sizes := sizes_of_winner(result)) else lines


def sizes_of_winner(result: Mapping[str, Any]) -> str:
    """Return the parameters and multiply-adds of the winner as text; empty where they are unknown."""
    return ", ".join(f"{result[key]:,} {word}" for key, word in _SIZES.items() if result.get(key) is not None)


def weights_of(space: Mapping[str, Any]) -> list[str]:
    """Return a sentence on the initial weights, from a space's identity, if they are not drawn by the seed."""
    if space.get("weights") != "given":
        return []
    return [f"Every training started from the weights that {space['factory']} gives; zero-cost proxies drew their own."]


def scores_of_winner(result: Mapping[str, Any]) -> list[str]:
    """Return the score that selected the winner, with its meaning, and its final score."""
    measure, lines = measure_of_result(result), []
    best, kind, final = result["best_score"], result["best_score_kind"], result["final_score"]
    if best is not None:
        name = measure.name if kind == "metric" else "score"
        value = measure.text(best) if kind == "metric" else _plain(best)
        lines.append(f"In the last stage, {result['chosen_by']}: {name} {value}")
        lines += [f"    {_KINDS[kind]}"] if kind in _KINDS else []
    if final is not None:
        lines.append(f"Final {measure.name}, by {result['final_estimator']}: {measure.text(final)}")
    return lines


def outcome(result: Mapping[str, Any], run: str = "RUN") -> list[str]:
    """Return lines on the winner and the cost of the search; `run` is the folder named in suggested commands."""
    lines = [
        *scores_of_winner(result),
        *_truth(result["truth"]),
        *_cost(result),
        *_chance(result),
        *worth_lines(result, run),
        *limit_lines(result),
        *front_lines(result),
    ]
    return [*lines, *result.get("pictures", ())]  # older results do not say it


def front_lines(result: Mapping[str, Any]) -> list[str]:
    """Return lines on the non-dominated networks of a multi-objective search; empty for other searches."""
    front = result.get("front")
    if front is None:
        return []
    best = [network for network in front["networks"] if network["is_best"]]
    titles = [objective["title"] for objective in front["objectives"]]
    measures = [Measure(o["title"], o["higher_is_better"]) for o in front["objectives"]]
    count = f"{len(best)} of {_networks(len(front['networks']))} {_are(len(best))}"
    lines = [f"Front: {count} not dominated in {', '.join(titles)}"]
    for network in best[:_SHOWN]:
        values = (measure.amount(value) for measure, value in zip(measures, network["values"], strict=True))
        lines.append(f"    {network['architecture']}: {', '.join(values)}")
    return [*lines, f"    and {len(best) - _SHOWN} more in --json"] if len(best) > _SHOWN else lines


def limit_lines(result: Mapping[str, Any]) -> list[str]:
    """Return lines on the effect of a measured limit; empty without one."""
    limit = result.get("limit")
    if limit is None:
        return []
    missing = f", {limit['not_measured']} could not be measured" if limit["not_measured"] else ""
    counts = f"of {limit['measured']} measured {limit['within']} are within, {limit['beyond']} beyond{missing}"
    lines = [f"Limit: {limit['most']:g} ms by {limit['estimator']}: {counts}"]
    if limit["best"] is not None:
        twice = next((edge for edge in limit["edge"] if edge["architecture"] == result["digits"]), None)
        again = "" if twice is None or twice["again"] is None else f", measured again {twice['again']:.4g} ms"
        near = "" if twice is None else " (near the limit)"
        lines.append(f"    The network found takes {limit['best']:.4g} ms{again}{near}")
    if limit["edge"]:
        lines.append(f"    Near the limit, and measured twice: {_networks(len(limit['edge']))}")
    return lines


def true_value(value: float) -> str:
    """Return a true value as text: percentages with two decimals, fractions with four digits."""
    return f"{value:.4g}" if 0 < abs(value) < 2 else f"{value:.2f}"


def _truth(truth: Mapping[str, Any] | None) -> list[str]:
    if truth is None:
        return []
    spread = "" if truth["spread"] is None else f" ± {truth['spread']:.2f}"
    among = " networks" if truth["spread"] is None else " candidates"
    place = f"rank {truth['rank']} of {truth['count']}{among} (best {true_value(truth['best'])})"
    line = f"{truth['column']} of {truth['benchmark']}: {true_value(truth['value'])}{spread}, {place}"
    return [line, f"    {truth['caution']}"] if truth["caution"] else [line]


def _cost(result: Mapping[str, Any]) -> list[str]:
    spent, whole = result["cost"]["network_epochs"], result["exhaustive_network_epochs"]
    if spent is None:
        return []
    share = f", {100 * spent / whole:.1f} % of training all candidates" if whole else ""
    amount = f"{spent:.2g}" if 0 < spent < 10 else f"{spent:.0f}"
    unit = result.get("network_epoch", "")
    meaning = [f"    Unit: {unit}"] if unit and spent else []
    return [f"Cost: {amount} network-epochs{share}", *meaning]


def _chance(result: Mapping[str, Any]) -> list[str]:
    chance = result["random_search"]
    if chance is None or result["truth"] is None:
        return []
    networks = _networks(chance["networks"])
    return [f"Random search at this cost finds {true_value(chance['value'])} on average ({networks} trained once)"]


def worth_lines(result: Mapping[str, Any], run: str = "RUN") -> list[str]:
    """Return lines on the worth of a search in trainings of random search; empty for an older run.

    `run` is the folder that a command in them names.
    """
    worth = result.get("worth")
    if worth is None:
        return []
    paid = "" if worth["paid"] is None else f"; this search paid for {_trainings(worth['paid'])}"
    if worth["networks"] is not None:
        among = f"{worth['as_good']:,} of {worth['count']:,} networks {_are(worth['as_good'])} at least as good"
        return [
            f"Worth: random search needs {_trainings(worth['networks'])} on average for a network as good{paid}",
            f"    95 % of random searches need {worth['low']:,.0f} to {worth['high']:,.0f}: {among}",
        ]
    if is_unknown(worth):
        return [
            f"Worth: unknown, because no benchmark knows the truth{paid}",
            f"    `archsieve audit {run} --networks 12` gives a lower bound",
        ]
    is_audit = worth["source"] == "audit"
    asked = f"{worth['audited']} audited" if is_audit else f"{worth['count']:,} predicted"
    if is_audit and not worth["audited"]:
        asked = f"{worth['count'] - 1:,} other"  # the search itself scored them all by the recipe
    as_good = worth["as_good"] or "none"
    lines = [f"Worth: at least {_trainings(worth['low'])} of random search, 95 % confidence{paid}"]
    next_low = worth["next_low"] if worth["audited"] else None
    more = "" if next_low is None else f"; {_MORE} more, or all that are left, could raise it to {_number(next_low)}"
    return [*lines, f"    Of {asked} networks {as_good} {_are(worth['as_good'] or 2)} at least as good{more}"]


def is_unknown(worth: Mapping[str, Any]) -> bool:
    """Whether neither a benchmark nor an audit tells anything of a search's worth."""
    return bool(worth["source"] == "audit" and not worth["audited"] and worth["low"] <= 1)


def _networks(count: int) -> str:
    return "1 network" if count == 1 else f"{count:,} networks"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _trainings(count: float) -> str:
    """Return a number of trainings as text: small ones with two digits, large ones whole."""
    text = _number(count)
    return f"{text} training{'' if text == '1' else 's'}"


def _number(count: float) -> str:
    return f"{count:.2g}" if count < 9.95 else f"{count:,.0f}"


def _plain(score: float) -> str:
    """Return a score with six digits; large whole numbers, such as parameter counts, in full."""
    return f"{score:,.0f}" if score.is_integer() and 1e6 <= abs(score) < 1e15 else f"{score:.6g}"
