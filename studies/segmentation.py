"""Does a network segment what no pixel says alone, and only where there is something to learn?

    python studies/segmentation.py --out runs/segmentation

Trains the smallest TopFormer and a network of 1x1 convolutions on synthetic scenes, each with the right masks and with
masks of other pictures, by three seeds of everything (scenes, split, weights, order), and scores all on test scenes
with the right masks. Stopped and started again, it goes on. Two minutes of one core. Writes the results between the
marks of docs/segmentation.md.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from marks import DOCS, lines_of, write_between
from torch import nn

from archsieve import SPACES, TASKS
from archsieve.networks.building import build_network, initialise
from archsieve.networks.counting import count_params
from archsieve.tasks.evaluation import evaluate
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe

SIDE, IMAGES = 64, 200
SEEDS, MARGIN, NEAR = (6, 7, 8), 20.0, 3.0
RECIPE = Recipe(horizon=20, learning_rate=0.1, weight_decay=1e-4, batch_size=10)


def topformer(task, seed):
    """Return the smallest of the three networks of the TopFormer paper."""
    space = SPACES["topformer-hand-made"]()
    return build_network(space, space.parse("tiny"), task, seed)


def pixelwise(task, seed):
    """Return a network that sees one pixel at a time."""
    widths, layers = (task.input_shape[0], 32, 32), []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return initialise(nn.Sequential(*layers, nn.Conv2d(widths[-1], task.num_outputs, 1)), seed)


def background(task, seed):
    """Return a network that always answers with the background, to be left untrained."""
    network = nn.Conv2d(task.input_shape[0], task.num_outputs, 1)
    nn.init.zeros_(network.weight)
    network.bias.data = nn.functional.one_hot(network.bias.new_zeros(()).long(), task.num_outputs).float()
    return network


NETWORKS = {"TopFormer-tiny": topformer, "1x1 convolutions": pixelwise, "always background": background}


def result(name, shuffled, seed):
    """Return one trained network's figures."""
    task = TASKS["synthetic-segmentation"](
        side=SIDE, images=IMAGES, split_seed=seed, data_seed=seed, shuffle_masks=shuffled
    )
    network, begun = NETWORKS[name](task, seed), time.process_time()
    if name != "always background":
        train(network, task, RECIPE, epochs=RECIPE.horizon, seed=seed)
    score = evaluate(network.eval(), task, "test")
    seconds = time.process_time() - begun
    about = {"network": name, "shuffled": shuffled, "seed": seed, "params": count_params(network)}
    return {**about, "mean_iou_percent": round(score, 2), "seconds": round(seconds, 1)}


def page_of(rows):
    """Return the results as a table and a verdict."""
    scores = {
        (name, shuffled): np.array(
            [r["mean_iou_percent"] for r in rows if (r["network"], r["shuffled"]) == (name, shuffled)]
        )
        for name in NETWORKS
        for shuffled in (False, True)
    }
    lines = ["| network | parameters | correct masks: mean IoU by seed | shuffled masks |", "|---|---|---|---|"]
    for name in NETWORKS:
        params = next(r["params"] for r in rows if r["network"] == name)
        cells = (", ".join(f"{s:.2f}" for s in scores[name, shuffled]) for shuffled in (False, True))
        lines.append(f"| {name} | {params:,} | {' | '.join(cells)} |")
    ahead, behind = (scores["TopFormer-tiny", s] - scores["1x1 convolutions", s] for s in (False, True))
    holds = bool((ahead >= MARGIN).all() and (np.abs(behind) <= NEAR).all())
    seconds = sum(r["seconds"] for r in rows)
    return [
        *lines,
        "",
        *lines_of(
            f"With the correct masks, TopFormer-tiny is {ahead.min():.1f} to {ahead.max():.1f} points better than",
            f"the 1x1 convolutions; with shuffled masks, {behind.min():.1f} to {behind.max():.1f}. The claim was: at",
            f"least {MARGIN:.0f} points better with every seed, and at most {NEAR:.0f} points different with",
            f"shuffled masks. It {'holds' if holds else 'does not hold'}. All trainings took {seconds:.0f} seconds",
            "of one core.",
        ),
    ]


def main():
    """Train what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    rows = [row for row in rows if row["seed"] in SEEDS]
    known = {(r["network"], r["shuffled"], r["seed"]) for r in rows}
    for seed in SEEDS:
        for shuffled in (False, True):
            for name in NETWORKS:
                if (name, shuffled, seed) in known:
                    continue
                rows.append(result(name, shuffled, seed))
                print(rows[-1], flush=True)
                with file.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
    write_between(DOCS / "segmentation.md", "results", page_of(rows))


if __name__ == "__main__":
    main()
