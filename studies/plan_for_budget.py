"""Measures what the plans of `archsieve plan` take against their forecasts.

    python studies/plan_for_budget.py --out runs/budgets

For three budgets in three spaces: the plan is made and run on this device, by one worker; scores of shipped tables are
computed anew. It can be stopped and started again. Writes the table of docs/planning.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from marks import DOCS, write_between

from archsieve._files import replace_file

BUDGETS = ("1m", "2m", "4m")
SPACES = {
    "small Macro networks, digits": [
        "nasbench-macro",
        "--task",
        "digits",
        *(w for s in ("stem_width=8", "widths=[8,16,32]", "stages=[2,2,2]", "head_width=64") for w in ("--set", s)),
    ],
    "NAS-Bench-Macro at half width, digits": [
        "nasbench-macro",
        "--task",
        "digits",
        *("--set", "stem_width=16", "--set", "widths=[32,64,128]"),
    ],
    "NAS-Bench-201, one cell a stage, digits": [
        "nasbench201",
        "--task",
        "digits",
        *("--set", "cells=1", "--set", "width=8"),
    ],
}


def archsieve(*words):
    """Run a command, and return its standard output and the seconds it took."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "archsieve", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout, time.perf_counter() - begun


def one(words, budget, folder):
    """Return forecast and measurement of one plan."""
    plan = folder / "plan.toml"
    folder.mkdir(parents=True, exist_ok=True)
    said, planning = archsieve("plan", *words, "--budget", budget, "--out", str(plan), "--recompute", "--json")
    report = json.loads(said)
    _, seconds = archsieve("search", str(plan), "--out", str(folder / "run"), "--recompute")
    result = json.loads((folder / "run" / "result.json").read_text())
    return {
        "budget": report["budget_hours"] * 3600,
        "forecast": report["hours"] * 3600,
        "seconds": seconds,
        "of_workers": result["cost"]["seconds"],
        "planning": planning,
        "start": report["seconds_of_start"],
        "load": os.getloadavg()[0],
        "stages": [[s["label"], s["candidates"], s["hours"] * 3600] for s in report["stages"]],
        "took": [stage["seconds"] for stage in result["stages"]],
    }


def main() -> None:
    """Make and run the plans that are missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budgets", default=",".join(BUDGETS), help="those to run, with commas")
    chosen = parser.parse_args()
    path = chosen.out / "budgets.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    for budget in chosen.budgets.split(","):
        for place, (space, words) in enumerate(SPACES.items()):
            if f"{space}|{budget}" not in rows:
                rows[f"{space}|{budget}"] = one(words, budget, chosen.out / f"{place}-{budget}")
                with replace_file(path) as temporary:
                    temporary.write_text(json.dumps(rows, indent=1))
                print(space, budget, rows[f"{space}|{budget}"], flush=True)
    lines = [
        "| space | budget | forecast, of it the start | the search took, of it scoring | ratio | candidates by stage |",
        "|---|---|---|---|---|---|",
    ]
    for budget, space in (pair for pair in product(BUDGETS, SPACES) if "|".join(reversed(pair)) in rows):
        row = rows[f"{space}|{budget}"]
        counts = ", ".join(f"{label} {count}" for label, count, _ in row["stages"])
        lines.append(
            f"| {space} | {budget} | {row['forecast']:.0f} s, {row['start']:.0f} s | {row['seconds']:.0f} s, "
            f"{row['of_workers']:.0f} s | {row['seconds'] / row['forecast']:.2f} | {counts} |"
        )
    write_between(DOCS / "planning.md", "measured", lines)


if __name__ == "__main__":
    main()
