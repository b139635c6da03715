"""Measures how well `dss` and other proxies rank small vision transformers, and writes docs/vision_transformers.md.

    python studies/vision_transformers.py --train --device cuda --processes 8 --seconds 450   # trains: the truth
    python studies/vision_transformers.py --score runs/transformers                           # scores, on the CPU
    python studies/vision_transformers.py                                                     # writes the page's tables

The transformers are those of studies/strangers/small_vit.py on CIFAR-10. What was trained and scored lies in
studies/vision_transformers/. Networks are drawn and trained in an order by seed, so that the first ones are a random
sample. Every fifth is trained by a second seed too. Training can be stopped and started again, and so can scoring.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from marks import DOCS, write_between
from newest_proxies import Sample, difference
from strangers.small_vit import SmallViT

from archsieve import TASKS, Session, space_of
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, ndcg_at_k
from archsieve.networks.building import build_network
from archsieve.registry import ESTIMATORS, PROXIES
from archsieve.tasks.evaluation import evaluate
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve import Architecture

PAGE = DOCS / "vision_transformers.md"
FOLDER = Path(__file__).parent / "vision_transformers"
TRUTH = FOLDER / "accuracies.jsonl"
SCORES = FOLDER / "scores.json"
SEEDS = (0, 1)
DRAWN = 400
TOP = 5  # of nDCG
AGAIN = 5  # every so many networks one is trained by a second seed
EPOCHS = 12
RECIPE = Recipe(
    horizon=EPOCHS,
    learning_rate=2e-3,
    weight_decay=0.05,
    batch_size=512,
    clip=1.0,
    by_step=True,
    warm_up_steps=100,
    optimiser="adamw",
    norm_decay=False,
    label_smoothing=0.1,
)


def drawn() -> list[Architecture]:
    """Return the networks, each once, in the order of training."""
    space, rng, found = space_of(SmallViT), np.random.default_rng(0), {}
    while len(found) < DRAWN:
        found[space.canonical(space.sample(rng))] = True
    return list(found)


def train_all(device: str, processes: int, seconds: float) -> None:
    """Train until no time is left to begin another, and write each accuracy as it comes."""
    ends, known = time.monotonic() + seconds, {(line["network"], line["seed"]) for line in trained()}
    jobs = [(i, seed) for i in range(DRAWN) for seed in SEEDS if not seed or i % AGAIN == 0]
    next(iter(TASKS["cifar10"]().batches("train", batch_size=8)))  # decodes the pictures once, for all processes
    FOLDER.mkdir(exist_ok=True)
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
    with pool, TRUTH.open("a") as stream:
        waiting = [pool.submit(train_one, *job, device, ends) for job in jobs if job not in known]
        for done in as_completed(waiting):
            if line := done.result():
                stream.write(json.dumps(line) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
                print(json.dumps(line), flush=True)


def train_one(number: int, seed: int, device: str, ends: float) -> dict[str, Any] | None:
    """Train a network; return its accuracy on the test set in percent, or None if the time is up."""
    if time.monotonic() > ends:
        return None
    torch.set_num_threads(1)
    begun, space, task, arch = time.perf_counter(), space_of(SmallViT), TASKS["cifar10"](), drawn()[number]
    network = build_network(space, arch, task, seed)
    train(network, task, RECIPE, epochs=EPOCHS, seed=seed, device=device)
    accuracy = evaluate(network.eval(), task, "test", batch_size=1000, device=device)
    return {
        "network": number,
        "seed": seed,
        "code": space.describe(arch),
        "accuracy": accuracy,
        "epochs": EPOCHS,
        "seconds": round(time.perf_counter() - begun, 1),
    }


def trained() -> list[dict[str, Any]]:
    """Return the lines of what was trained."""
    return [json.loads(line) for line in TRUTH.read_text().splitlines()] if TRUTH.exists() else []


def trainings(seed: int) -> dict[int, float]:
    """Return the accuracies of a seed, up to the first network that has none: those beyond are the quick ones."""
    found = {line["network"]: line["accuracy"] for line in trained() if line["seed"] == seed}
    step = AGAIN if seed else 1
    ends = next(i for i in range(0, DRAWN + step, step) if i not in found)
    return {i: found[i] for i in range(0, ends, step)}


def score(folder: Path) -> None:
    """Score what was trained by two seeds, and write the scores."""
    codes, found = drawn()[: len(trainings(0))], {}
    estimators = [*map(ZeroCost, sorted(PROXIES)), ZeroCost("meco", options=(("channels", 8),))]
    estimators += [ESTIMATORS[name]() for name in ("params", "macs", "az_nas", "vkdnw_agg")]
    for seed in SEEDS:
        with Session(folder / f"seed{seed}", space_of(SmallViT), TASKS["cifar10"](), seed=seed) as session:
            for estimator in estimators:
                scores = session.scores([estimator], codes)[:, 0]
                found[f"{estimator.name}, seed {seed}"] = [None if math.isnan(value) else value for value in scores]
                print(f"seed {seed}: {estimator.name}", flush=True)
    SCORES.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "\n}\n")


def sample_of(seed: int) -> Sample:
    """Return the networks with their accuracies and the scores of a seed; proxies with one value only are left out."""
    known, truth = json.loads(SCORES.read_text()), np.array(list(trainings(0).values()))
    scores = {}
    for title, values in known.items():
        name, _, drawn_by = title.rpartition(", seed ")
        if int(drawn_by) == seed and None not in values and len(set(values)) > 1:
            scores[name] = np.array(values)
    return Sample("transformers", drawn()[: len(truth)], truth, scores)


def about() -> list[str]:
    """Return what the truth is like."""
    first, again = trainings(0), trainings(1)
    values = np.array(list(first.values()))
    pairs = np.array([(first[i], again[i]) for i in again if i in first])
    noise = float((pairs[:, 1] - pairs[:, 0]).std(ddof=1) / np.sqrt(2))
    return [
        f"- **Truth.** {len(first)} networks: {values.min():.1f} to {values.max():.1f} %, median "
        f"{np.median(values):.1f} %, standard deviation {values.std(ddof=1):.1f} points.",
        f"- **Noise.** {len(pairs)} networks were trained by two seeds. Tau of the two trainings is "
        f"{kendall_tau(*pairs.T):.2f}; one training has a standard deviation of {noise:.2f} points.",
    ]


def ranking(sample: Sample, other: Sample) -> list[str]:
    """Return the table of all estimators, best first."""
    lines = ["| | tau | tau, seed 1 | MKR | nDCG | tau minus that of `macs` | partial tau |", "|---" * 7 + "|"]
    for name in sorted(sample.scores, key=lambda name: (-sample.tau(name), name)):
        column, is_size = sample.scores[name], name == "macs"
        cells = [
            f"`{name}`",
            _with_interval(sample, lambda drawn, name=name: sample.tau(name, drawn)),
            f"{other.tau(name):.2f}" if name in other.scores else "-",
            f"{minimum_keeping_ratio(column, sample.truth):.2f}",
            f"{ndcg_at_k(column, sample.truth, TOP):.2f}",
            "-" if is_size else difference(sample, name, "macs"),
            "-" if is_size else _with_interval(sample, lambda drawn, name=name: partial_tau(sample, name, drawn)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def partial_tau(sample: Sample, name: str, chosen: np.ndarray | slice = slice(None)) -> float:
    """Return the partial tau of an estimator and the truth, given the multiply-adds (Kendall, Biometrika 1942)."""
    with_size = kendall_tau(sample.scores[name][chosen], sample.scores["macs"][chosen])
    with_truth, of_size = sample.tau(name, chosen), sample.tau("macs", chosen)
    return (with_truth - with_size * of_size) / math.sqrt((1 - with_size**2) * (1 - of_size**2))


def _with_interval(sample: Sample, figure: Callable[..., float]) -> str:
    return f"{figure(slice(None)):.2f} {sample.interval(figure)}"


def differences(sample: Sample) -> list[str]:
    """Return by how much `dss` differs from others, in tau."""
    names = ("params", "gradsign", "meco[channels=8]", "snip", "nwot", "swap", "synflow", "lswag")
    lines = ["| tau of `dss` minus that of | |", "|---|---|"]
    return lines + [f"| `{name}` | {difference(sample, 'dss', name)} |" for name in names]


def main() -> None:
    """Train, score, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--score", type=Path, metavar="FOLDER")
    parser.add_argument("--device", default="cpu", help="where to train")
    parser.add_argument("--processes", type=int, default=1, help="that train at the same time")
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which no training begins")
    chosen = parser.parse_args()
    if chosen.train:
        train_all(chosen.device, chosen.processes, chosen.seconds)
    elif chosen.score:
        score(chosen.score)
    else:
        samples = [sample_of(seed) for seed in SEEDS]
        write_between(PAGE, "truth", about())
        write_between(PAGE, "ranking", ranking(*samples))
        write_between(PAGE, "differences", differences(samples[0]))


if __name__ == "__main__":
    main()
