"""Takes the winner of a short search of every space home as torch.export and ONNX, and writes how far each form is off.

    python studies/exports.py --out runs/exports

Each search draws two networks, trains them for an epoch on 24 random items and exports the better one with its weights.
One line of JSON a space is written as soon as it is done; a space that has one is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from archsieve.estimators.partial_training import PartialTraining
from archsieve.export.run import export_run
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan
from archsieve.registry import SPACES, TASKS
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage

SMALL = {"images": 24, "test_images": 4}
CASES = {
    **dict.fromkeys(
        ("nasbench201", "nats-size", "nasbench-macro", "darts", "nasbench101", "nasbench1shot1-1"),
        ("synthetic", {"shape": (3, 32, 32), "num_outputs": 10, **SMALL}),
    ),
    **dict.fromkeys(
        ("transnas-micro", "transnas-macro"), ("synthetic", {"shape": (3, 64, 64), "num_outputs": 10, **SMALL})
    ),
    "attentivenas": ("synthetic", {"shape": (3, 224, 224), "num_outputs": 1000, **SMALL}),
    "topformer": ("synthetic-segmentation", {"side": 64, **SMALL}),
}


def main() -> None:
    """Search, export, and write a line for each space."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/exports"))
    parser.add_argument("--spaces", default=",".join(CASES), help="those to export, with commas")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in chosen.spaces.split(","):
        line = chosen.out / f"{name}.json"
        if not line.exists():
            line.write_text(json.dumps(exported(name, chosen.out / name)) + "\n")
        print(line.read_text(), end="", flush=True)


def exported(name: str, folder: Path) -> dict:
    """Return the differences of the winner's forms, and the processor seconds of search and export."""
    task_name, settings = CASES[name]
    space, task = SPACES[name](), TASKS[task_name](**settings)
    stage = Stage(PartialTraining(epochs=1, horizon=1, batch_size=8, learning_rate=0.01), top=1)
    plan = Plan(space, task, (stage,), Pool(sample=2))
    begun = time.process_time()
    with Session(folder / "run", space, task) as session:
        best = run_plan(plan, session).best
    searched = time.process_time()
    home = export_run(folder / "run", folder / "home", form="all")
    spent = {"search": searched - begun, "export": time.process_time() - searched}
    check = (folder / "home" / "CHECK.txt").read_text().splitlines()
    return {
        "space": name, "best": best, "differences": home.differences, "notes": home.notes, "cpu": spent, "check": check
    }  # fmt: skip


if __name__ == "__main__":
    main()
