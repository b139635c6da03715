"""The findings of an audit as lines and as a table, from the plain values in `audit.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve.report.outcome import worth_lines
from archsieve.report.words import share
from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BETTER = 10


def audit_lines(audit: Mapping[str, Any]) -> list[str]:
    """Return the findings of an audit: networks as good as the winner, their likelihood, worth, and useless stages."""
    count, as_good = audit["audited"], audit["as_good"]
    measure = Measure(audit["metric"], audit["higher_is_better"])
    score = _value(audit["winner_score"], measure)
    least = "on average " if audit["winner_trainings"] > 1 else ""
    times = audit["winner_trainings"]
    seed = "which cannot be trained with another seed"
    if times:
        seed = "trained with another seed" if times == 1 else f"trained with {times} other seeds"
    lines = [
        f"Audited: {count} networks drawn from those removed, judged by {audit['recipe']}. "
        f"The winner, {seed}, has {least}{score}."
    ]
    lines += [
        f"    {better['architecture']} has {_value(better['score'], measure)}; removed by {better['lost_by']!r}"
        for better in audit["better"][:MOST_BETTER]
    ]
    if as_good > MOST_BETTER:
        lines.append(f"    and {as_good - MOST_BETTER} more")
    likely, most = share(audit["likely"]), share(audit["share"][1])
    shares = f"of all networks removed about {likely}, at most {most} (95 % confidence)"
    lines.append(f"At least as good as the winner: {as_good} of {count} audited; {shares}")
    lines += worth_lines({"worth": audit["worth"]})
    return [*lines, *(stage["accusation"] for stage in audit["stages"] if stage["accusation"])]


def audit_table(audit: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Return the header and rows of the audit findings by stage."""
    header = ["stage", "removed", "audited", "as good", "share as good", "tau", "MKR", "kept beats removed"]
    rows: list[list[Any]] = []
    for stage in audit["stages"]:
        low, high = stage["share"]
        win = "-" if stage["win"] is None else f"{stage['win']:.2f} (at most {stage['win_at_most']:.2f})"
        figures = [_with_interval(stage[name], stage[f"{name}_interval"]) for name in ("tau", "mkr")]
        row = [stage["label"], stage["cut"], stage["audited"], stage["as_good"], f"{share(low)} to {share(high)}"]
        rows.append([*row, *figures, win])
    return header, rows


def _value(score: float, measure: Measure) -> str:
    """Return a score as the metric's value, with its direction unless higher is better."""
    return f"{measure.value(score):.6g}{measure.direction}"


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if interval is None else f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
