"""Makes a score table that is shipped with the package, and its card.

    python studies/make_tables.py nasbench201 --proxies nwot,zen --name nasbench201-cifar10 --out runs/table
    python studies/make_tables.py demo --proxies nwot,zen --name nasbench-macro-digits --out runs/table-digits

It can be stopped and started again: what is in the run folder is not computed again. Several proxies are scored in one
pass; proxies given to a second call with the same folder join the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sys
import time
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import archsieve
from archsieve import SPACES, TASKS, Session
from archsieve._files import replace_file
from archsieve.cli.options import estimators_named
from archsieve.fingerprints import identity
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.randomness import generator
from archsieve.runs.executors import Processes
from archsieve.runs.folder import RESULTS_FILE
from archsieve.runs.provenance import processor
from archsieve.runs.score_tables import CODES, Card
from archsieve.runs.store import Store
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.text import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.score_tables import ScoreTable

CHUNK = 32
FOLDER = Path(__file__).parents[1] / "src" / "archsieve" / "runs" / "tables"


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", help="a space, on CIFAR-10, or a plan, for its space and task")
    parser.add_argument("--proxies", required=True, help="names, separated by commas, as in nwot,meco[channels=8]")
    parser.add_argument("--name", required=True, help="of the table")
    parser.add_argument("--out", required=True, help="run folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=0, help="distinct networks drawn by seed 0; 0 for all")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def subject(name: str) -> tuple[archsieve.SearchSpace, archsieve.Task]:
    """Return the space and the task that a name stands for."""
    if name in SPACES:
        return SPACES[name](), TASKS["cifar10"]()
    plan = load_plan(find_plan(name))
    return plan.space, plan.task


def population(space: archsieve.SearchSpace, sample: int) -> list[archsieve.Architecture]:
    """Return the canonical codes, all or a fixed sample, in lexicographic order."""
    codes = sorted({space.canonical(arch) for arch in enumerate_space(space)})
    if not sample:
        return codes
    order = generator(0, "sample", "table").permutation(len(codes))
    return [codes[i] for i in sorted(order[:sample])]


def progress(label: str, done: int, total: int) -> None:
    """Print a line for every tenth of the work, or a few less."""
    if total and done * 10 // total > (done - CHUNK) * 10 // total:
        print(f"{time.strftime('%H:%M:%S')} {done}/{total} {label}", flush=True)


def write_table(
    name: str,
    session: Session,
    estimators: Sequence[AnyEstimator],
    codes: list[archsieve.Architecture],
    population: str,
    command: str,
    earlier: Sequence[ScoreTable] = (),
) -> None:
    """Write the scores that a session has of these codes as a table with its card; `earlier` gave some of them."""
    import torch

    scores = session.scores(estimators, codes)
    failures = {e.name: {encode(a): why for a, why in session.failures(e, codes).items()} for e in estimators}
    named, chosen = {e.name for e in estimators}, set(codes).difference(*(table.archs for table in earlier))
    with closing(Store(session.folder / RESULTS_FILE, read_only=True)) as store:
        seconds = math.fsum(row.seconds for row in store.rows() if row.name in named and row.arch in chosen)
    seconds += math.fsum(table.card.seconds for table in earlier)
    texts = [*(table.card.processor for table in earlier), processor()]
    processors = dict.fromkeys(name for text in texts for name in text.split("; "))
    table = FOLDER / f"{name}.npz"
    with replace_file(table) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, **{CODES: np.array(codes, dtype=np.int8)}, **{e.name: scores[:, k] for k, e in enumerate(estimators)}
        )
    card = Card(
        space=identity(session.space),
        task=identity(session.task),
        seed=session.seed,
        estimators={e.name: identity(e) for e in estimators},
        population=population,
        count=len(codes),
        command=command,
        seconds=round(seconds, 1),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "archsieve": version("archsieve"),
        },
        processor="; ".join(processors),
        sha256=hashlib.sha256(table.read_bytes()).hexdigest(),
        failures={column: reasons for column, reasons in failures.items() if reasons},
    )
    table.with_suffix(".json").write_text(json.dumps(asdict(card), indent=1) + "\n")
    print(f"{table}: {table.stat().st_size} bytes, {len(codes)} networks, {seconds:.0f} seconds of one process")


def main() -> None:
    """Score, then write table and card."""
    chosen = arguments()
    space, task = subject(chosen.space)
    estimators = estimators_named(chosen.proxies.split(","), ())
    codes = population(space, chosen.sample)
    command = " ".join(["python", "studies/make_tables.py", *sys.argv[1:]])
    with (
        Processes(chosen.workers) as executor,
        Session(chosen.out, space, task, seed=chosen.seed, executor=executor, progress=progress, tables=()) as session,
    ):
        write_table(chosen.name, session, estimators, codes, "sample" if chosen.sample else "all", command)


if __name__ == "__main__":
    main()
