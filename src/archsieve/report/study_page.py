"""The page of a study."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from archsieve.judging.claims import conclusions, count_estimators, in_brackets, verdict
from archsieve.judging.mkr_study import without_verdict
from archsieve.report.page import Page, TextTable, Tile, made_by
from archsieve.report.study_charts import study_charts
from archsieve.report.study_tables import claims, findings
from archsieve.report.words import number

if TYPE_CHECKING:
    from archsieve.judging.mkr_study import Study

LEAD = (
    "Searches of a whole space maximise each estimator. Which figure of an estimator predicts what they find: "
    "Kendall's tau, the weighted tau, the minimum keeping ratio (MKR: the smallest top share of the ranking that "
    "contains the best network), the discounted gain of the top per cent (nDCG), or the distance of its top ten from "
    "the best (regret)?"
)


def study_page(study: Study) -> Page:
    """Return the page of a study."""
    verdicts = [
        verdict(gain, count_estimators(study.findings, claim.truth))
        for claim in study.claims
        for gains in (claim.kendall_gains, claim.pearson_gains)
        for gain in (gains.get("1 - MKR"),)
    ]
    judged = [answer for answer in verdicts if answer != "no verdict"]
    supported = f"{judged.count('yes')} of {len(judged)}" if judged else "no verdict"
    cards = [
        Tile("Networks", f"{study.count:,}", f"codes of {study.benchmark}"),
        Tile("Estimators", str(len({f.estimator for f in study.findings})), ""),
        Tile("Searches of each", str(study.seeds), f"seeds, {study.budget:,} evaluations"),
        Tile("MKR over tau", supported, without_verdict(study) or "gains of MKR whose interval excludes 0"),
    ]
    return Page(
        title=f"What predicts what searches find: {study.benchmark}",
        verdict=_verdict(bool(judged), study),
        lead=" ".join([LEAD, *study.pictures]),
        cards=cards,
        charts=study_charts(study),
        tables=[_claims(study), _findings(study)],
        made=made_by(asdict(study.provenance), study.seed),
    )


def _verdict(is_judged: bool, study: Study) -> str:
    """Return the measure that best predicts each searcher's results, with intervals, or why there is no verdict."""
    none = () if is_judged else (f"The study gives no verdict. {without_verdict(study)}",)
    return " ".join([*none, *conclusions(study.findings, study.claims)])


def _measure(value: float) -> str:
    return number(None if math.isnan(value) else value)


def _claims(study: Study) -> TextTable:
    note = (
        "Intervals of 95 %, by a bootstrap over estimators and seeds; over all truths, one draw has the same "
        "estimators for each. Supported: the interval of the gain lies above 0. Regret is what the estimator's top ten "
        "lack to the best, and so by its definition near to what a search finds."
    )
    return TextTable("Does the measure predict what a search finds?", *claims(study, in_brackets), note, text=3)


def _findings(study: Study) -> TextTable:
    return TextTable("What searches find by each estimator", *findings(study, _measure), text=2)
