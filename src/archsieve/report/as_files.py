"""A report as files: figures as PNG and SVG, numbers as CSV."""

from __future__ import annotations

import csv
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from archsieve._files import replace_file, writing
from archsieve.report.draw import save
from archsieve.report.load import read_run, read_views
from archsieve.report.load_study import read_study
from archsieve.report.run_charts import run_charts
from archsieve.report.study_charts import study_charts
from archsieve.report.words import cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from archsieve.judging.mkr_study import Study
    from archsieve.report.plot import Chart


def write_run(folder: Path, out: Path) -> list[Path]:
    """Write figures and numbers of a run into the folder `out`, and return the files.

    Raises:
        RunFolderError: it is no run folder, or damaged, or `out` cannot be written.
        MissingPackageError: matplotlib is not installed.
    """
    run = read_run(folder, is_dashed=True)
    views = read_views(folder, run.result)
    tables: dict[str, list[dict[str, Any]]] = {
        "stages": [dict(stage) for stage in run.result["stages"]] if run.result is not None else [],
        "rankings": [asdict(row) for row in run.rankings],
        "best": [
            {**asdict(fate), "places": " ".join(map(str, fate.places)), "cut_by": fate.cut_by or ""}
            for fate in run.fates
        ],
        "estimators": [asdict(row) for row in run.estimators],
    }
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        return [*_drawn(run_charts(run, views), out), *_write_tables(tables, out)]


def write_study(folder: Path, out: Path) -> list[Path]:
    """Write figures and numbers of a study into the folder `out`, and return the files.

    Raises:
        RunFolderError: it holds no study, or a damaged one, or `out` cannot be written.
        MissingPackageError: matplotlib is not installed.
    """
    study = read_study(folder)
    tables = {"findings": _findings(study), "claims": _claims(study)}
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        return [*draw_study(study, out), *_write_tables(tables, out)]


def draw_study(study: Study, out: Path) -> list[Path]:
    """Write the charts of a study into the folder `out`, and return the files.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    return _drawn(study_charts(study), out)


def _drawn(charts: Sequence[Chart], out: Path) -> list[Path]:
    return [path for chart in charts for path in save(chart, out)]


def _findings(study: Study) -> list[dict[str, Any]]:
    return [
        {"truth": f.truth, "estimator": f.estimator, "tau": f.tau, "weighted_tau": f.weighted_tau, "mkr": f.mkr}
        | {"ndcg": f.ndcg, "regret": f.regret, "searcher": searcher, "seed": seed, "found": value}
        for f in study.findings
        for searcher, values in f.found.items()
        for seed, value in enumerate(values)
    ]


def _claims(study: Study) -> list[dict[str, Any]]:
    rows = []
    for claim in study.claims:
        for name in ("kendall", "pearson"):
            gains = {f"{measure} over tau": gain for measure, gain in getattr(claim, f"{name}_gains").items()}
            for measure, interval in {**getattr(claim, name), **gains}.items():
                low, value, high = interval or (None, None, None)
                who = {"truth": claim.truth, "searcher": claim.searcher, "correlation": name, "with": measure}
                rows.append({**who, "low": low, "value": value, "high": high})
    return rows


def _write_tables(tables: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> list[Path]:
    paths = []
    for name, rows in tables.items():
        if not rows:
            continue
        with replace_file(out / f"{name}.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
        paths.append(out / f"{name}.csv")
    return paths
