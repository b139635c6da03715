"""Scores the printed network of AttentiveNAS's space beside the printed scores.

    python studies/attentivenas_note.py --out runs/attentivenas

It can be stopped and started again: what is scored is not scored again. The figures go into OUT/printed.json, and into
docs/attentivenas.md between the marks. `studies/proxy_search.py` searches that space.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from marks import DOCS, lines_of, write_between
from torch import nn

from archsieve import SPACES, TASKS, Session
from archsieve._files import replace_file
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.counting import count_macs, count_params
from archsieve.networks.supernets import build_supernet

FIGURES = "printed.json"
NETWORK = "288; 16 16 24 32 72 120 200 216 1792; 2 3 3 5 6 8 2; 5 5 5 5 5 3 5; 1 4 5 5 4 6 6"
PRINTED = {"l2_norm": 2663.55419921875, "nwot": 222.169, "zen": 230.552, "macs": 979_515_488}
RELU = (("activations", "relu"),)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=6, help="draws of the printed network")
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


def page_of(found) -> list[str]:
    """Return the part about the printed network."""
    (macs, counted), (params, counted_params) = found["macs"], found["params"]
    zen = found["scores"]["zen"]
    inside = "lies within" if min(zen) <= PRINTED["zen"] <= max(zen) else "does not lie within"
    rows = []
    for name, values in found["scores"].items():
        low, high = min(values), max(values)
        rows.append(
            f"| {name} | {PRINTED[name]:.2f} | {np.mean(values):.2f} | {np.std(values, ddof=1):.2f} "
            f"| {low:.2f} to {high:.2f} |"
        )
    he, missing = np.array(found["he_fan_out"]), found["missing_shortcuts"]
    return [
        *lines_of(
            "Made by `studies/attentivenas_note.py`. The authors of the method print a network of this space",
            "(arXiv 2011.09011) and its scores. They do not say how they computed them:",
        ),
        "",
        f"    {NETWORK}",
        "",
        *lines_of(
            f"Its costs are {macs:,} multiply-adds in closed form and {counted:,} counted on the built network",
            f"(printed: {PRINTED['macs']:,}). The same two ways give {params:,} and {counted_params:,} parameters.",
        ),
        "",
        *lines_of(
            "We computed its scores with batches of 32, on noise of 224 x 224 that the network resizes to 288. Each",
            f"of the {len(he)} seeds has its own weights and noise:",
        ),
        "",
        "| proxy | printed | ours: mean | standard deviation | range |",
        "|---|---|---|---|---|",
        *rows,
        "",
        *lines_of(f"- `zen`: the printed value {inside} the range over seeds."),
        *lines_of(
            '- `nwot` counts ReLU only (`activations = "relu"`). In this space these are the ReLUs of the 19 squeeze',
            "layers, 3,728 units. The score depends on the images, and the batch of the printed value is not known.",
            "The network may distinguish noise less than photographs; we did not test this.",
        ),
        *lines_of(
            "- `l2_norm` is the sum of the norms of untrained weights. It depends on how the weights are",
            "initialised, and not on data. We initialise each network by itself, with PyTorch's defaults. The",
            "printed value fits another procedure: the whole supernet is initialised by fan-out (He), the network",
            f"is cut out of it, and the shortcut of each of the {missing['count']} blocks that need no convolution",
            f"has one. Our supernet, initialised and cut in this way, gives {he.mean():.1f} (standard deviation",
            f"{he.std(ddof=1):.1f}). Those convolutions would add {missing['norm']:.1f}; the sum is",
            f"{he.mean() + missing['norm']:.1f}.",
        ),
    ]


def main() -> None:
    """Score and write."""
    torch.set_num_threads(1)
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    found = printed_network(chosen.out, chosen.seeds)
    with replace_file(chosen.out / FIGURES) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    write_between(DOCS / "attentivenas.md", "printed network", page_of(found))


if __name__ == "__main__":
    main()
