"""The page of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve.judging.agreement import sentences
from archsieve.report.audit_words import audit_lines, audit_table
from archsieve.report.drawing import cell_svg
from archsieve.report.load import meaning_of_scores, read_run, read_views
from archsieve.report.outcome import is_unknown, measure_of_result, sizes_of_winner, weights_of, worth_lines
from archsieve.report.page import FunnelPart, Page, Text, TextTable, Tile, made_by, settings_of
from archsieve.report.run_charts import CURRENCIES, run_charts
from archsieve.report.verdict import place_and_cost, verdict
from archsieve.report.views import joined
from archsieve.report.words import number, ordinal, share
from archsieve.runs.folder import PLAN_FILE, plan_text_of
from archsieve.runs.provenance import folder_in_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from archsieve.report.load import RunReport
    from archsieve.report.views import Fate, Ranking

MOST_FAILURES = 50


def run_page(folder: Path) -> Page:
    """Return the page of a run folder, finished or not.

    Raises:
        RunFolderError: it is no run folder, or damaged.
    """
    run = read_run(folder)
    settings = settings_of(run)
    texts = [Text("Plan", plan_text_of(folder))] if (folder / PLAN_FILE).is_file() else []
    if run.result is None:
        lead = f"{without_result(folder)} The page shows what is stored so far."
        return Page(f"Search in {_name(run.space)}", lead, tables=_tables(run), made=settings, texts=texts)
    result = run.result
    picture, views = result["picture"], read_views(folder, result)
    return Page(
        title=result["title"] or f"Search in {_name(run.space)}",
        lead=" ".join(filter(None, [*place_and_cost(result), _lead(result), *weights_of(run.space)])),
        verdict=verdict(result, _name(run.task)),
        cards=_cards(result, str(folder)),
        funnel=_funnel(result, run.fates),
        winner=result["digits"] or "",
        published="" if result["best"] == result["digits"] else result["best"] or "",
        blocks=picture["blocks"] if picture else (),
        cells=[cell_svg(name, edges) for name, edges in picture["cells"].items()] if picture else (),
        size=sizes_of_winner(result),
        usage=_usage(folder, result) if result["best"] is not None else "",
        charts=run_charts(run, views),
        tables=_tables(run),
        made=[*made_by(result["provenance"], result["seed"]), *_digest(result, str(folder)), *settings],
        texts=texts,
    )


def _usage(folder: Path, result: Mapping[str, Any]) -> str:
    """Return lines that use the winner, on the command line and in Python."""
    return (
        f"archsieve export {folder_in_command(str(folder), result)} --to winner   # source code, weights, ONNX\n\n"
        f"from pathlib import Path\nfrom archsieve.export.run import model_of\nmodel = model_of(Path({str(folder)!r}))"
    )


def _digest(result: Mapping[str, Any], folder: str) -> list[tuple[str, str]]:
    """Return the hash of the stages' scores and survivors, and the command that recomputes the scores."""
    digest, named = result["rounds_sha256"], folder_in_command(folder, result)
    return [("SHA-256 of its scores", f"{digest} (archsieve verify {named} computes them again)")] if digest else []


def _lead(result: Mapping[str, Any]) -> str:
    truth, missing = result["truth"], result["truth_note"]
    sentences = list(result["pictures"])
    sentences += [
        text for text in (result["failure"], missing and f"The truth could not be looked up: {missing}") if text
    ]
    if truth and truth["caution"]:
        sentences.append(f"The truth on this page is {truth['column']} of {truth['benchmark']}. {truth['caution']}")
    return " ".join(sentences)


def _name(identity: Mapping[str, Any]) -> str:
    return str(identity.get("name", identity.get("type", "a space")))


def _cards(result: Mapping[str, Any], folder: str) -> list[Tile]:
    final, cost, whole = (result[key] for key in ("final_score", "cost", "exhaustive_network_epochs"))
    cards, measure = [], measure_of_result(result)
    if result["final_estimator"] is not None:
        note = f"{measure.title}, by {result['final_estimator']}" if final is not None else "it could not be computed"
        cards.append(Tile("Final score", "-" if final is None else measure.amount(measure.value(final)), note))
    if truth := result["truth"]:
        value, name = number(truth["value"]), "True rank"
        if (spread := truth["spread"]) is not None:
            value, name = f"{value} ± {number(spread)}", "Predicted rank among the candidates"
        note = f"{value}, the best is {number(truth['best'])}: {truth['column']} of {truth['benchmark']}"
        cards.append(Tile(name, f"{truth['rank']:,} of {truth['count']:,}", note))
    if (epochs := cost["network_epochs"]) is not None:
        unit = result["network_epoch"]
        notes = (whole and f"{share(epochs / whole)} of training all candidates", unit and f"one is {unit}")
        note = "; ".join(text for text in notes if text)
        cards.append(Tile("Cost in network-epochs", number(epochs), note))
    cards.append(
        Tile("Seconds of workers", number(cost["seconds"]), f"{number(result['seconds'])} s on the wall, this time")
    )
    if worth := result["worth"]:
        sentences = ". ".join(line.strip() for line in worth_lines(result, folder_in_command(folder, result)))
        least = "" if worth["networks"] is not None else "at least "
        value = "unknown" if is_unknown(worth) else f"{least}{number(worth['networks'] or worth['low'])}"
        words = sentences.removeprefix("Worth: ").removeprefix("unknown, ")
        cards.append(Tile("Worth in random trainings", value, words[:1].upper() + words[1:]))
    if cost["macs"] is not None:
        cards.append(Tile("Multiply-adds", number(cost["macs"]), "as if nothing had been looked up"))
    return cards


def _funnel(result: Mapping[str, Any], fates: Sequence[Fate]) -> list[FunnelPart]:
    steps = joined(result["stages"])
    if not steps:
        return []
    parts = []
    for i, step in enumerate(steps, 1):
        lost = [ordinal(place) for place, fate in enumerate(fates, 1) if fate.cut_in == i]
        costs = [
            f"{number(cost)} {title}"
            for unit, title in CURRENCIES.items()
            if unit != "macs" and (cost := getattr(step, unit)) is not None
        ]
        together = f", {step.stages} stages together" if step.stages > 1 else ""
        parts.append(
            FunnelPart(
                label=step.label,
                kept=step.kept,
                counts=f"{step.candidates:,} → {step.kept:,} ({share(step.kept / step.candidates)}){together}",
                cost=", ".join(costs),
                lost=f"cut here of the truly best: {', '.join(lost)}" if lost else "",
            )
        )
    return parts


def without_result(folder: Path) -> str:
    """Return the sentence on a folder that has no result of a search."""
    if (folder / PLAN_FILE).is_file():
        return "This search is not finished."
    return "This folder has scores, but no plan of a search: the command that made it shows figures of these scores."


def _tables(run: RunReport) -> list[TextTable]:
    tables = []
    if run.rankings:
        header = ["stage", "ranked by", "candidates", "tau", "weighted tau", "nDCG", "MKR", "kept", "lost by the cut"]
        note = (
            "nDCG: the discounted gain of the top per cent of the ranking (at least one candidate), against that of "
            "the true one. MKR: the least share of the ranking that still holds the best candidate; a stage whose MKR "
            "is above the share that it keeps loses it. For sizes and chance, the same number is kept; chance shows "
            "expected values."
        )
        rows = [_ranking(row) for row in run.rankings]
        tables.append(TextTable("How well each stage ranked", header, rows, note, text=2, own="its estimator"))
    if run.audit is not None:
        header, cells = audit_table(run.audit)
        note = " ".join(line.strip().rstrip(".") + "." for line in audit_lines(run.audit))
        rows = [[str(cell) for cell in row] for row in cells]
        tables.append(TextTable("Audit of what was cut", header, rows, note))
    if blind := sentences(run.agreements, folder_in_command(run.folder, run.result or {})):
        rows = [[a.stage, a.judged_by or "-", f"{a.count}", number(a.tau)] for a in run.agreements]
        header = ["stage", "beside", "networks that both saw", "tau"]
        tables.append(TextTable("How stages agree", header, rows, " ".join(blind), text=2))
    if run.fates:
        header = ["place", "architecture", "truth", "cut by", "place in each stage that cut"]
        rows = [
            [str(i), f.architecture, number(f.truth), _cut(f), ", ".join(map(str, f.places))]
            for i, f in enumerate(run.fates, 1)
        ]
        tables.append(TextTable("The truly best candidates", header, rows, text=2))
    header = ["estimator", "its best", "with", "scored", "failures", "seconds", "seconds of learning"]
    rows = []
    for e in run.estimators:
        figures = map(number, (e.scored, e.failures, e.seconds, e.learning_seconds))
        name = f"{e.estimator} ({e.pictures} of the pictures)" if e.pictures else e.estimator
        rows.append([name, e.best or "-", number(e.best_value), *figures])
    tables.append(TextTable("Stored scores", header, rows, meaning_of_scores(run), text=2))
    if run.failures:
        rows = [[f.estimator, f.architecture, f.reason] for f in run.failures[:MOST_FAILURES]]
        rest = len(run.failures) - len(rows)
        note = f"And {rest:,} more." if rest else ""
        tables.append(
            TextTable("Architectures without a score", ["estimator", "architecture", "why"], rows, note, text=3)
        )
    return tables


def _cut(fate: Fate) -> str:
    return "kept" if fate.cut_in is None else f"{fate.cut_in}. {fate.cut_by}"


def _ranking(row: Ranking) -> list[str]:
    by = "its estimator" if row.by == "estimator" else row.by
    figures = [f"{row.count:,}", number(row.tau), number(row.weighted_tau), number(row.ndcg)]
    return [f"{row.number}. {row.stage}", by, *figures, share(row.mkr), share(row.kept), number(row.regret)]
