"""Searches with real training, beside random search of equal measured cost: small NAS-Bench-Macro networks on CIFAR-10.

    python studies/real_training.py --out runs/real --seeds 0 1 2

Each seed runs three searches in one process on one thread: the mean rank of four proxies with short trainings (what
docs/searchers_study.md recommends), the guided chain of short and full trainings, and random search, which trains
networks by the same recipe until it has cost as much as the dearer of the others. Costs are seconds of processor time,
all counted. Each winner is trained again from two fresh seeds and tested on the 10,000 test images, which no search
sees. The script can be stopped and started again; it writes a line for each part that has ended to `outcomes.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from archsieve import SPACES, TASKS, Architecture, PartialTraining, Session, load_plan, run_plan
from archsieve._files import replace_file

PAGE = Path(__file__).parents[1] / "docs" / "real_training.md"
SPACE = SPACES["nasbench-macro"](stem_width=8, widths=(8, 16, 32), head_width=64)
TASK = TASKS["cifar10"](train_fraction=0.04, validation_fraction=0.04)
FULL, SHORT = 10, 3  # epochs
RECIPE = {"batch_size": 32, "learning_rate": 0.05, "weight_decay": 3e-4}
SHORT_COUNT, FULL_COUNT, POOL = 16, 4, 150
TRUTH_SEEDS = (101, 102)
PROXIES = ("nwot", "swap", "synflow_log", "jacov")

HEAD = """
title = "{title}"
seed = {seed}
[space]
name = "nasbench-macro"
stem_width = 8
widths = [8, 16, 32]
head_width = 64
[task]
name = "cifar10"
train_fraction = 0.04
validation_fraction = 0.04
"""
TRAINING = (
    'name = "partial_training", horizon = {0}, epochs = {0}, batch_size = 32, learning_rate = 0.05, weight_decay = 3e-4'
)
PARTS = ", ".join(f'{{ name = "{name}" }}' for name in PROXIES)
MEAN_RANK = f"""
[pool]
sample = {POOL}
[[stage]]
top = {SHORT_COUNT}
[stage.estimator]
name = "mean_rank"
parts = [{PARTS}]
[[stage]]
top = {FULL_COUNT}
[stage.estimator]
name = "mean_rank"
weights = [1, 0.3]
parts = [{{ {TRAINING.format(SHORT)} }}, {{ name = "mean_rank", parts = [{PARTS}] }}]
[[stage]]
top = 1
estimator = {{ {TRAINING.format(FULL)} }}
"""
GUIDED = f"""
[[stage]]
keep = 1
budget = {SHORT_COUNT}
estimator = {{ {TRAINING.format(SHORT)} }}
search = {{ name = "guided", features = [{PARTS}] }}
[[stage]]
top = 1
budget = {FULL_COUNT}
estimator = {{ {TRAINING.format(FULL)} }}
[stage.search]
name = "guided"
population = 2
batch = 1
earlier = 1
features = [{PARTS}, {{ {TRAINING.format(SHORT)} }}]
"""
WAYS = {"mean rank": MEAN_RANK, "guided": GUIDED}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--page", action="store_true", help="write the page from what is there, and train nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.page:
        write_page(options.out, options.seeds)
        return
    for seed in options.seeds:
        for way in options.ways:
            if not lines(options.out, seed, way):
                run_way(options.out, seed, way, WAYS[way])
        paid = max(line["seconds"] for line in searched(options.out, seed))
        run_random(options.out, seed, paid)
        for arch in sorted({tuple(line["arch"]) for line in winners(options.out, seed)}):
            for truth_seed in TRUTH_SEEDS:
                run_truth(options.out, seed, arch, truth_seed)


def lines(folder: Path, seed: int, kind: str) -> list[dict]:
    """Return what is written of a seed and a kind of line."""
    path = folder / "outcomes.jsonl"
    every = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in every if line["seed"] == seed and line["kind"] == kind]


def write(folder: Path, **line: object) -> None:
    """Append a line, and wait until it is on the disk."""
    with (folder / "outcomes.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    print(time.strftime("%H:%M:%S"), line, flush=True)


def searched(folder: Path, seed: int) -> list[dict]:
    """Return what the searches of a seed found, of those that have ended."""
    return [line for way in WAYS for line in lines(folder, seed, way)]


def winners(folder: Path, seed: int) -> list[dict]:
    """Return the winner of each way, and random search's at the cost of each."""
    found = searched(folder, seed)
    return found + [random_winner(lines(folder, seed, "random"), line["seconds"]) for line in found]


def within(trained: list[dict], paid: float) -> list[dict]:
    """Return the networks whose training had begun before the cost was reached."""
    spent = np.cumsum([0.0] + [line["seconds"] for line in trained[:-1]])
    return [line for line, before in zip(trained, spent, strict=True) if before < paid]


def random_winner(trained: list[dict], paid: float) -> dict:
    """Return the best network by validation accuracy of those trained within the cost."""
    return max(within(trained, paid), key=lambda line: line["accuracy"])


def run_way(folder: Path, seed: int, way: str, text: str) -> None:
    """Run a plan from the beginning, for its cost is that of the whole."""
    place = folder / f"{way.replace(' ', '-')}-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    plan_file = folder / f"{place.name}.toml"
    plan_file.write_text(HEAD.format(title=f"{way}, small Macro networks", seed=seed) + text)
    begun = time.process_time()
    plan = load_plan(plan_file)
    with Session(place, plan.space, plan.task, seed=plan.seed) as session:
        best = run_plan(plan, session).best
    seconds = time.process_time() - begun
    if best is None:
        raise SystemExit(f"{plan_file}: the search found no network.")
    write(folder, seed=seed, kind=way, arch=SPACE.parse(best), seconds=seconds)


def run_random(folder: Path, seed: int, paid: float) -> None:
    """Train networks drawn at random until as much is paid; the last may end beyond, to random search's good."""
    done = lines(folder, seed, "random")
    spent = sum(line["seconds"] for line in done)
    with Session(folder / f"random-{seed}", SPACE, TASK, seed=seed) as session:
        for arch in session.pool(sample=POOL)[len(done) :]:
            if spent >= paid:
                return
            begun = time.process_time()
            accuracy = float(session.scores([PartialTraining(epochs=FULL, horizon=FULL, **RECIPE)], [arch])[0, 0])
            seconds = time.process_time() - begun
            spent += seconds
            write(folder, seed=seed, kind="random", arch=arch, accuracy=accuracy, seconds=seconds)


def run_truth(folder: Path, seed: int, arch: Architecture, truth_seed: int) -> None:
    """Train a winner from a fresh seed, and test it."""
    if any(tuple(line["arch"]) == arch and line["truth_seed"] == truth_seed for line in lines(folder, seed, "truth")):
        return
    with Session(folder / f"truth-{truth_seed}", SPACE, TASK, seed=truth_seed) as session:
        training = PartialTraining(epochs=FULL, horizon=FULL, split="test", **RECIPE)
        accuracy = float(session.scores([training], [arch])[0, 0])
    write(folder, seed=seed, kind="truth", arch=arch, accuracy=accuracy, truth_seed=truth_seed)


def truth_of(folder: Path, seed: int, winner: dict) -> float:
    """Return the mean test accuracy in percent of the trainings from fresh seeds."""
    found = [line["accuracy"] for line in lines(folder, seed, "truth") if line["arch"] == winner["arch"]]
    if len(found) != len(TRUTH_SEEDS):
        raise SystemExit(
            f"Seed {seed}: {len(found)} of {len(TRUTH_SEEDS)} tests of {winner['arch']} are there. Run the script."
        )
    return float(np.mean(found))


def write_page(folder: Path, seeds: list[int]) -> None:
    """Write the tables between the marks of the page."""
    rows = ["| seed | search | cost, s | its winner | random search at this cost: trained | its winner | difference |"]
    rows.append("|---|---|---|---|---|---|---|")
    differences: dict[str, list[float]] = {}
    for seed in seeds:
        for winner in searched(folder, seed):
            way, trained = winner["kind"], lines(folder, seed, "random")
            by_chance = random_winner(trained, winner["seconds"])
            ours, theirs = truth_of(folder, seed, winner), truth_of(folder, seed, by_chance)
            differences.setdefault(way, []).append(ours - theirs)
            count = len(within(trained, winner["seconds"]))
            cells = [
                seed,
                way,
                f"{winner['seconds']:.0f}",
                f"{ours:.2f}",
                count,
                f"{theirs:.2f}",
                f"{ours - theirs:+.2f}",
            ]
            rows.append(f"| {' | '.join(map(str, cells))} |")
    rows += ["", "| search | mean difference, percent | standard error | better in |", "|---|---|---|---|"]
    for way, found in differences.items():
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        rows.append(f"| {way} | {np.mean(found):+.2f} | {error:.2f} | {sum(d > 0 for d in found)} of {len(found)} |")
    repeats = [line["accuracy"] for seed in seeds for line in lines(folder, seed, "truth")]
    apart = np.abs(np.diff(np.reshape(repeats, (-1, len(TRUTH_SEEDS))), axis=1)).mean()
    rows += ["", f"Two trainings of one winner differ by {apart:.2f} percent on average ({len(repeats)} trainings)."]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measured -->\n")
    after = rest.partition("<!-- end of measured -->")[2]
    with replace_file(PAGE) as temporary:
        text = before + "<!-- measured -->\n" + "\n".join(rows) + "\n<!-- end of measured -->" + after
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
