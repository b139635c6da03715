"""The page of a study."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from archsieve.judging.mkr_study import comparable, verdict, without_verdict
from archsieve.report.page import Page, TextTable, Tile, made_by
from archsieve.report.study_charts import study_charts
from archsieve.report.study_tables import claims, findings
from archsieve.report.words import number

if TYPE_CHECKING:
    from archsieve.judging.mkr_study import Study

LEAD = (
    "Each estimator is maximised by searches of a whole space. Does Kendall's tau tell what they will find, or does "
    "the minimum keeping ratio (MKR), the least share of its ranking that still holds the best network?"
)


def study_page(study: Study) -> Page:
    """Return the page of a study."""
    verdicts = [
        verdict(gain, len(comparable(study.findings, claim.truth)))
        for claim in study.claims
        for gain in (claim.kendall_gain, claim.pearson_gain)
    ]
    judged = [answer for answer in verdicts if answer != "no verdict"]
    supported = f"{judged.count('yes')} of {len(judged)}" if judged else "no verdict"
    cards = [
        Tile("Networks", f"{study.count:,}", f"codes of {study.benchmark}"),
        Tile("Estimators", str(len({f.estimator for f in study.findings})), ""),
        Tile("Searches of each", str(study.seeds), f"seeds, {study.budget:,} evaluations"),
        Tile("Claim supported", supported, without_verdict(study) or "correlations whose gain excludes 0"),
    ]
    return Page(
        title=f"What searches find, by tau and by MKR: {study.benchmark}",
        verdict=_verdict(supported, len(judged), study),
        lead=" ".join([LEAD, *study.pictures]),
        cards=cards,
        charts=study_charts(study),
        tables=[_claims(study), _findings(study)],
        made=made_by(asdict(study.provenance), study.seed),
    )


def _verdict(supported: str, judged: int, study: Study) -> str:
    """Return the answer of a study in one sentence."""
    if not judged:
        return f"The study gives no verdict. {without_verdict(study)}"
    return (
        f"MKR predicts what a search finds better than tau in {supported} correlations (the 95 % interval of its gain "
        "excludes 0)."
    )


def _interval(interval: tuple[float, float, float] | None) -> str:
    return "-" if interval is None else f"{interval[1]:.2f} [{interval[0]:.2f}, {interval[2]:.2f}]"


def _measure(value: float) -> str:
    return number(None if math.isnan(value) else value)


def _claims(study: Study) -> TextTable:
    note = "Intervals of 95 %, by a bootstrap over estimators and seeds. Supported: that of the gain lies above 0."
    return TextTable("Does the measure predict what a search finds?", *claims(study, _interval), note, text=3)


def _findings(study: Study) -> TextTable:
    return TextTable("What searches find by each estimator", *findings(study, _measure), text=2)
