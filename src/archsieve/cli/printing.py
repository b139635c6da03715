"""Printing of results on standard output, and of progress and notes on standard error."""

from __future__ import annotations

from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from archsieve.cli.guard import guarded as guarded
from archsieve.cli.lines import duration
from archsieve.cli.lines import note as note
from archsieve.cli.lines import out as out
from archsieve.cli.lines import out_json as out_json
from archsieve.cli.lines import plain as plain
from archsieve.cli.lines import record as record
from archsieve.cli.lines import results as results
from archsieve.cli.lines import write as write
from archsieve.cli.tables import table as table
from archsieve.judging.claims import conclusions
from archsieve.judging.mkr_study import without_verdict
from archsieve.report.audit_words import audit_lines, audit_table
from archsieve.report.outcome import outcome, winner
from archsieve.report.study_tables import claims, findings
from archsieve.runs.effort import total
from archsieve.runs.provenance import folder_in_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from archsieve.judging.judgement import Judgement
    from archsieve.judging.mkr_study import Study
    from archsieve.plans.contract import StageForecast
    from archsieve.runs.results import Result
    from archsieve.searchers.contract import Round


def stages(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the stages of a search in 80 columns; multiply-adds are in `--json` and on the page."""
    rows = _joined(rows)
    columns = ["label", "candidates", "kept", "failures", "failed_parts", "seconds", "network_epochs"]
    if not any(row["failed_parts"] for row in rows):
        columns.remove("failed_parts")
    table(columns, [[_shown(row[c]) for c in columns] for row in rows])


def _joined(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the stages; a stage that cut nothing and had no failure is merged with the next, and costs are added.

    It stays alone where the search of the next looked at fewer.
    """
    joined_rows: list[dict[str, Any]] = []
    waiting: list[Mapping[str, Any]] = []
    for row, following in zip_longest(rows, rows[1:]):
        waiting.append(row)
        is_quiet = row["kept"] == row["candidates"] and not row["failures"] and not row["failed_parts"]
        if is_quiet and following is not None and following["candidates"] >= row["kept"]:
            continue
        costs = {unit: total(part[unit] for part in waiting) for unit in ("seconds", "network_epochs")}
        joined_rows.append({**row, **costs, "label": _of_several(row["label"], len(waiting))})
        waiting = []
    return joined_rows


_ALL = (
    *("estimator", "tau", "spearman", "weighted_tau", "partial_spearman", "ndcg", "precision_at_10"),
    *("best_rank_at_10", "regret_at_10", "mkr", "mkr_band", "mkr_near_band", "mkr_noise_band"),
    *("tau_interval", "mkr_interval", "regret_interval", "failures", "failed_parts"),
)
_BASIC = ("estimator", "tau", "ndcg", "regret_at_10", "mkr", "mkr_band")
_WHERE_THERE = ("tau_interval", "mkr_interval", "regret_interval")  # somebody asked for these
_UNLIMITED = 100_000


def judgements(results: Sequence[Judgement], pictures: Sequence[str] = (), *, is_wide: bool = False) -> None:
    """Print how well estimators rank, with a note on scores made on other pictures than the user's.

    Args:
        results: one for each estimator.
        pictures: sentences on scores that were made on other pictures.
        is_wide: print all figures, however wide the table; else those that fit 80 columns.
    """
    known = [c for c in _ALL if any(getattr(j, c) is not None for j in results)]
    failing = [c for c in ("failures", "failed_parts") if any(getattr(j, c) for j in results)]
    shown = known if is_wide else [c for c in known if c in (*_BASIC, *_WHERE_THERE, *failing)]
    rows = [[_shown(getattr(j, c)) for c in shown] for j in results]
    table(shown, rows, width=_UNLIMITED if is_wide else None)
    if hidden := [c for c in known if c not in shown and c not in ("failures", "failed_parts")]:
        note(f"Not shown: {', '.join(hidden)}. Use --wide or --json.")
    first = results[0]
    out(f"Truth: {first.truth} of {first.benchmark}, {first.count} codes, {first.near} near-optimal.")
    for sentence in pictures:
        out(sentence)
    for j in results:
        if j.first_failure:
            note(f"{j.estimator} gave no complete score for {j.failures + j.failed_parts} codes; {j.first_failure}")


def study(the_study: Study) -> None:
    """Print which measure predicts search results, what searches find by estimator, and all correlations."""
    for sentence in conclusions(the_study.findings, the_study.claims):
        out(sentence)
    out()
    table(*findings(the_study, _shown))
    out()
    table(*claims(the_study, _shown))
    if few := without_verdict(the_study):
        out(few)
    for sentence in the_study.pictures:
        out(sentence)
    searches = f"{the_study.seeds} seeds of {the_study.budget} evaluations"
    out(f"\n{the_study.count} codes of {the_study.benchmark}; {searches}; intervals as low/value/high.")


def _shown(value: Any) -> Any:
    """Return an interval as text, a number with four digits, and any other value unchanged."""
    if isinstance(value, tuple):
        return "/".join(f"{part:.3g}" for part in value)
    return float(f"{value:.4g}") if isinstance(value, float) else value


def forecast(rows: Sequence[StageForecast], as_json: bool, unit: str = "", timed: str = "") -> None:
    """Print how many candidates each stage of a plan scores and keeps, and its cost.

    After a cut that depends on scores, the numbers are bounds.

    Args:
        rows: the stages.
        as_json: print JSON.
        unit: what a network-epoch is.
        timed: where the hours were measured; empty where they were not.
    """
    if as_json:
        out_json(rows)
        return
    is_bound = False
    shown = []
    for row in rows:
        at_most = "at most " if is_bound else ""
        is_bound = is_bound or row.kept is None
        kept = "by score" if row.kept is None else f"{at_most}{row.kept}"
        costs = [_amount(row.network_epochs, at_most), *([_time(row.hours, at_most)] if timed else [])]
        shown.append((row.label, f"{at_most}{row.candidates}", kept, *costs))
    table(("stage", "candidates", "kept", "network-epochs", *(["time, about"] if timed else [])), shown)
    bound = "at most " if is_bound else ""
    out(f"\nTotal: {_in_all([row.network_epochs for row in rows], 'network-epochs', bound, 'cost')}")
    if unit and any(row.network_epochs != 0 for row in rows):
        out(f"One network-epoch: {unit}.")
    if timed:
        hours = [row.hours for row in rows]
        amount = duration(3600 * sum(hour for hour in hours if hour is not None))
        out(f"Time on this device ({timed}): {bound}about {amount}{_unknown(hours, 'time')}.")


def _amount(cost: float | None, at_most: str) -> str:
    """Return a cost with one decimal, and a small one with two digits."""
    if cost is None:
        return "unknown"
    return f"{at_most}{cost:.2g}" if 0 < cost < 1 else f"{at_most}{cost:.1f}"


def _in_all(costs: Sequence[float | None], unit: str, bound: str, what: str) -> str:
    """Return the sum of the known costs, and how many are unknown."""
    spent = sum(cost for cost in costs if cost is not None)
    return f"{bound}{f'{spent:.2g}' if 0 < spent < 10 else f'{spent:.0f}'} {unit}{_unknown(costs, what)}."


def _unknown(costs: Sequence[float | None], what: str) -> str:
    count = sum(cost is None for cost in costs)
    return f", plus {count} stage{'s' * (count > 1)} of unknown {what}" if count else ""


def _time(hours: float | None, at_most: str) -> str:
    return "unknown" if hours is None else f"{at_most}{duration(3600 * hours)}"


def round_notes() -> Callable[[Round], None]:
    """Return a function that prints one line at the end of each stage.

    One that cuts nothing shares the line of the next, unless the search of that one looks at fewer.
    """
    waiting: list[Round] = []

    def over(latest: Round) -> None:
        if waiting and len(latest.archs) < len(waiting[-1].kept):
            say(waiting[-1])
        waiting.append(latest)
        if len(latest.kept) < len(latest.archs) or latest.failures or latest.failed_parts:
            say(latest)

    def say(latest: Round) -> None:
        seconds, count = sum(r.seconds for r in waiting), len(waiting)
        waiting.clear()
        failed = f", {latest.failures} could not be scored" if latest.failures else ""
        parts = f", {latest.failed_parts} scored by some parts only" if latest.failed_parts else ""
        sizes = f"{len(latest.archs)} -> {len(latest.kept)}"
        note(f"{_of_several(latest.label, count)}: {sizes} in {seconds:.1f} s{failed}{parts}")

    return over


def _of_several(label: str, count: int) -> str:
    """Return the label of a stage merged with the stages before it that cut nothing."""
    return label if count == 1 else f"{label} ({count} stages)"


def result(the_result: Result, folder: Path) -> None:
    """Print the outcome of a search."""
    stages([asdict(stage) for stage in the_result.stages])
    out()
    content = asdict(the_result)
    for line in [*winner(content), *outcome(content, folder_in_command(str(folder), content))]:
        out(line)
    if the_result.truth_note:
        note(f"The truth could not be looked up: {the_result.truth_note}")
    out(f"{the_result.seconds:.1f} seconds. Run folder: {folder}")


def audit(found: Mapping[str, Any]) -> None:
    """Print the findings of an audit, overall and by stage."""
    for line in audit_lines(found):
        out(line)
    out()
    table(*audit_table(found))


def note_failures(the_result: Result, folder: Path, again: str) -> None:
    """Print how many scores of a search are missing, where the reasons are stored, and how to retry."""
    count = sum(stage.failures + stage.failed_parts for stage in the_result.stages)
    if count or the_result.failure:
        what = f"Candidates without a complete score: {count}. " if count else ""
        note(f"{what}Reasons: archsieve report {folder}. Retry: {again} --retry-failed")
