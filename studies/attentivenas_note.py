"""Scores the printed network of AttentiveNAS's space beside the printed scores, and searches the space by proxies.

    python studies/attentivenas_note.py --out runs/attentivenas --networks 1000 --minutes 60 --evolution 300

It can be stopped and started again: what is scored is not scored again. `--minutes` is processor time, of one core; the
search ends with what was scored by then. The figures go into OUT/attentivenas.json, and docs/attentivenas.md is
written anew from them.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from attentivenas_page import NETWORK, page_of_printed, page_of_search
from torch import nn

from archsieve import SPACES, TASKS, Session
from archsieve.config import find_plan, load_plan
from archsieve.estimators.zero_cost import ZeroCost
from archsieve.files import replace_file
from archsieve.metrics import kendall_tau
from archsieve.networks import build_supernet, count_macs, count_params
from archsieve.pool import draw_pool
from archsieve.searchers.regularized_evolution import regularized_evolution

FIGURES = "attentivenas.json"
PAGE = Path(__file__).parents[1] / "docs" / "attentivenas.md"
RELU = (("activations", "relu"),)
SLICE = 4  # networks scored between two looks at the clock


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=6, help="draws of the printed network")
    parser.add_argument("--networks", type=int, default=1000, help="networks scored at random, at most")
    parser.add_argument("--minutes", type=float, default=60, help="processor time of the random sample, at most")
    parser.add_argument("--evolution", type=int, default=0, help="networks of an evolution")
    return parser.parse_args()


def printed_network(out: Path, seeds: int) -> dict:
    """Return the scores of the printed network by seed, and its costs."""
    space, task = SPACES["attentivenas"](), TASKS["synthetic"](shape=(3, 224, 224), num_outputs=1000, images=64)
    arch = space.parse(NETWORK)
    estimators = {
        "l2_norm": ZeroCost("l2_norm", batch_size=32),
        "nwot": ZeroCost("nwot", batch_size=32, options=RELU),
        "zen": ZeroCost("zen", batch_size=32),
    }
    rows = []
    for seed in range(seeds):
        with Session(out / f"printed-{seed}", space, task, seed=seed) as session:
            rows.append(session.scores(list(estimators.values()), [arch])[0].tolist())
        print(seed, rows[-1], flush=True)
    with torch.device("meta"):
        network = space.build(arch, task)
    return {
        "scores": {name: [row[k] for row in rows] for k, name in enumerate(estimators)},
        "macs": [space.macs(arch, task), count_macs(network, task.input_shape)],
        "params": [space.params(arch, task), count_params(network)],
        "he_fan_out": [he_fan_out_norm(space, task, arch, seed) for seed in range(seeds)],
        "missing_shortcuts": expected_norm_of_missing_shortcuts(space, arch),
    }


def he_fan_out_norm(space, task, arch, seed: int) -> float:
    """Return l2_norm of the network cut out of a supernet whose weights are of the scale of its own outputs."""
    supernet, generator = build_supernet(space, task, seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in supernet.modules():
            if isinstance(module, nn.Conv2d):
                deviation = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
                module.weight.normal_(0, deviation, generator=generator)
    layers = [m for m in supernet.extract(arch).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return sum(layer.weight.norm().item() for layer in layers)


def expected_norm_of_missing_shortcuts(space, arch) -> dict:
    """Return how many blocks have no convolution in their shortcut, and what the norms of such would add up to.

    A convolution of c to c channels cut out of one whose outputs are the widest has c^2 weights of variance 2 / widest.
    """
    widest = space.genes(space.extremes[1]).widths[1:-1]
    blocks = [
        (block.inputs, width)
        for stage, width in zip(space.stages(space.genes(arch)), widest, strict=True)
        for block in stage
        if block.inputs == block.outputs
    ]
    return {"count": len(blocks), "norm": sum(math.sqrt(channels**2 * 2 / width) for channels, width in blocks)}


def search(out: Path, networks: int, minutes: float, evolution: int) -> dict:
    """Return what a random sample, scored by the plan's proxies, and an evolution of as many find."""
    plan = load_plan(find_plan("proxies-attentivenas-cpu"))
    parts = list(plan.stages[0].estimator.parts)
    pool = draw_pool(plan.space, plan.seed, networks)
    clock = out / "processor_seconds.json"  # of all runs in this folder
    spent, begun, scored = json.loads(clock.read_text()) if clock.exists() else 0.0, time.process_time(), 0
    with Session(out / "search", plan.space, plan.task, seed=plan.seed) as session:
        while scored < len(pool) and time.process_time() - begun < 60 * minutes:
            scored = min(scored + SLICE, len(pool))
            session.scores(parts, pool[:scored])
            clock.write_text(json.dumps(spent + time.process_time() - begun))
            print(f"{time.strftime('%H:%M:%S')} {scored}/{len(pool)}", flush=True)
        pool = pool[:scored]
        scores = session.scores(parts, pool)
        found = {
            "count": scored,
            "processor_seconds": json.loads(clock.read_text()),
        }
        found |= told(plan, parts, pool, scores)
        if evolution:
            found["evolution"] = evolved(plan, session, parts, pool, evolution)
    return found


def told(plan, parts, pool, scores) -> dict:
    """Return what the scores of a sample say: who wins, how the proxies agree, what they favour."""
    space, task = plan.space, plan.task
    votes = plan.stages[0].estimator.combine(scores, scores)
    ranks = plan.stages[1].estimator.combine(scores, scores)
    passed = np.flatnonzero(votes > 1)
    winner = int(passed[np.argmax(ranks[passed])])
    costs = np.array([[space.macs(arch, task), space.params(arch, task)] for arch in pool], dtype=float)
    resolution = np.array([space.values(arch)[0] for arch in pool], dtype=float)
    names = [part.name for part in parts]
    return {
        "passed": len(passed),
        "winner": space.describe(pool[winner]),
        "winner_macs": int(costs[winner, 0]),
        "winner_params": int(costs[winner, 1]),
        "winner_scores": dict(zip(names, scores[winner].tolist(), strict=True)),
        "winner_ranks": {n: int((c > c[winner]).sum()) + 1 for n, c in zip(names, scores.T, strict=True)},
        "mean": dict(zip(names, scores.mean(axis=0).tolist(), strict=True)),
        "deviation": dict(zip(names, scores.std(axis=0).tolist(), strict=True)),
        "largest": dict(zip(names, scores.max(axis=0).tolist(), strict=True)),
        "tau": {
            f"{a} and {b}": kendall_tau(scores[:, i], scores[:, j])
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i < j
        },
        "tau_with": {
            n: {
                "macs": kendall_tau(c, costs[:, 0]),
                "params": kendall_tau(c, costs[:, 1]),
                "resolution": kendall_tau(c, resolution),
            }
            for n, c in zip(names, scores.T, strict=True)
        },
    }


def evolved(plan, session, parts, pool, budget: int) -> dict:
    """Return what an evolution finds by the mean rank among the sample, and how it stands to the sample's best."""
    reference = session.scores(parts, pool)
    mean_rank = plan.stages[1].estimator

    def evaluate(archs):
        return mean_rank.combine(session.scores(parts, archs), reference)

    result = regularized_evolution(
        plan.space,
        evaluate,
        budget=budget,
        population=min(20, budget),
        tournament=min(5, budget),
        rng=np.random.default_rng(plan.seed),
    )
    best = result.best
    scores = session.scores(parts, [best])[0]
    alike = pool[:budget]  # as many networks at random
    of_random = mean_rank.combine(session.scores(parts, alike), reference)
    return {
        "budget": budget,
        "best": plan.space.describe(best),
        "macs": plan.space.macs(best, plan.task),
        "mean_rank": result.best_score,
        "mean_rank_of_as_many_at_random": float(of_random.max()),
        "scores": dict(zip([p.name for p in parts], scores.tolist(), strict=True)),
    }


def main() -> None:
    """Score, search, write."""
    torch.set_num_threads(1)
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    found = {"printed": printed_network(chosen.out, chosen.seeds)}
    found["search"] = search(chosen.out, chosen.networks, chosen.minutes, chosen.evolution)
    with replace_file(chosen.out / FIGURES) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    PAGE.write_text("\n".join([*page_of_printed(found["printed"]), "", *page_of_search(found["search"])]) + "\n")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
