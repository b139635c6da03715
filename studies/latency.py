"""Do two measurements of latency agree? 24 networks of two spaces, by torch and by onnxruntime.

    python studies/latency.py export
    python studies/latency.py measure --label quiet
    python studies/latency.py summary

`export` writes the networks as ONNX, once. `measure` times all networks twice by each runtime, in the chunks and rounds
of the estimator `latency`, and takes two minutes on a quiet machine. It adds lines to a file; what is in the file
under its label is not measured again. `summary` prints the tables of docs/latency.md from that file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from archsieve import _machine
from archsieve.estimators.contract import Context
from archsieve.estimators.measured.latency import Latency
from archsieve.estimators.measured.rounds import Timing, timed
from archsieve.judging.metrics import kendall_tau
from archsieve.registry import TASKS
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sampling import draw_pool

SPACES = {"nasbench201": NASBench201(cells=1), "nasbench-macro": NASBenchMacro()}
TASK = TASKS["synthetic"](shape=(3, 32, 32), num_outputs=10)
NETWORKS = 12  # of each space
RUNTIMES = ("eager", "onnxruntime")
REPEATS = 2
READINGS = {
    "wall, minimum": lambda timing: min(timing.wall),
    "wall, median": lambda timing: float(np.median(timing.wall)),
    "processor, minimum": lambda timing: min(timing.processor),
}


def networks():
    """Return the networks: space and architecture."""
    return [(name, arch) for name, space in SPACES.items() for arch in draw_pool(space, 0, NETWORKS)]


def onnx_file(folder, name, arch):
    """Return where a network lies as ONNX."""
    return folder / "onnx" / f"{name}-{SPACES[name].describe(arch)}.onnx"


def export(folder):
    """Write what is missing of the networks as ONNX."""
    from archsieve.networks.building import build_network
    from archsieve.networks.inputs import drawn_for
    from archsieve.networks.programs import plain, save_onnx

    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    for name, arch in networks():
        path = onnx_file(folder, name, arch)
        if not path.exists():
            network, inputs = build_network(SPACES[name], arch, TASK, 0).eval(), drawn_for(TASK, 2)
            partly = path.with_suffix(".part")
            save_onnx(plain(network, inputs), inputs, partly)
            partly.rename(path)


def passes(folder, runtime, name, arch):
    """Return what runs a network."""
    from archsieve.estimators.measured.runtimes import eager, session_passes
    from archsieve.networks.inputs import drawn_for

    if runtime == "onnxruntime":
        return session_passes(onnx_file(folder, name, arch), drawn_for(TASK, 1))
    return eager(arch, Context(SPACES[name], TASK, Path(tempfile.gettempdir())), 1, "float32", channels_last=True)


def measure(folder, label):
    """Time the networks that have no line yet under this label."""
    import torch

    torch.set_num_threads(1)
    file, usual = folder / "timings.jsonl", Latency()
    done = {(*row["what"][:4], tuple(row["what"][4])) for row in rows(file)}
    for runtime in RUNTIMES:
        for repeat in range(REPEATS):
            left = [
                (name, arch) for name, arch in networks() if (label, runtime, repeat, name, tuple(arch)) not in done
            ]
            for begin in range(0, len(left), usual.chunk_size):
                chunk = left[begin : begin + usual.chunk_size]
                timings = timed(
                    [passes(folder, runtime, *each) for each in chunk], rounds=usual.rounds, seconds=usual.seconds
                )
                with file.open("a", encoding="utf-8") as out:
                    for (name, arch), timing in zip(chunk, timings, strict=True):
                        row = {
                            "what": [label, runtime, repeat, name, arch],
                            "wall": timing.wall,
                            "load": _machine.load(),
                        }
                        row |= {"processor": timing.processor, "passes": timing.passes, "on": _machine.processor()}
                        out.write(json.dumps(row) + "\n")


def rows(file):
    """Return what is stored."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def summary(folder):
    """Print what repeats agree on, what is refused, and how multiply-adds rank beside latency."""
    stored = {}
    loads = {}
    for row in rows(folder / "timings.jsonl"):
        label, runtime, repeat, name, arch = row["what"]
        timing = Timing(tuple(row["wall"]), tuple(row["processor"]), row["passes"])
        stored.setdefault((label, runtime, name), {}).setdefault(tuple(arch), {})[repeat] = timing
        loads.setdefault(label, []).append(row["load"])
    for label, values in loads.items():
        print(
            f"{label}: load {min(values):.1f} to {max(values):.1f} on {_machine.cores()} cores, {_machine.processor()}"
        )
    print("\n| machine | runtime | space | reading | tau of two measurements | median change | greatest | refused |")
    print("|---|---|---|---|---|---|---|---|")
    for (label, runtime, name), by_arch in stored.items():
        pairs = [each for each in by_arch.values() if len(each) == REPEATS]
        if len(pairs) < 2:
            continue
        for reading, read in READINGS.items():
            first, second = (np.array([read(pair[i]) for pair in pairs]) for i in range(REPEATS))
            change = np.abs(second / first - 1)
            clock = "cpu" if reading.startswith("processor") else "wall"
            refused = sum(bool(Latency(clock=clock).refusal(pair[i])) for pair in pairs for i in range(REPEATS))
            figures = f"{kendall_tau(first, second):.2f} | {100 * np.median(change):.1f} % | {100 * change.max():.0f} %"
            print(f"| {label} | {runtime} | {name} | {reading} | {figures} | {refused} of {2 * len(pairs)} |")
    beside(stored)


def beside(stored):
    """Print how sizes and the other runtime rank the networks."""
    print("\n| machine | space | latency by | tau with multiply-adds | with parameters | with the other runtime |")
    print("|---|---|---|---|---|---|")
    for (label, runtime, name), by_arch in stored.items():
        archs = list(by_arch)
        least = {
            arch: min(min(t.processor if label != "quiet" else t.wall) for t in by_arch[arch].values())
            for arch in archs
        }
        other = stored.get((label, RUNTIMES[1 - RUNTIMES.index(runtime)], name), {})
        sizes = {size: [getattr(SPACES[name], size)(arch, TASK) for arch in archs] for size in ("macs", "params")}
        own = [least[arch] for arch in archs]
        taus = [kendall_tau(np.array(sizes[size], float), np.array(own)) for size in sizes]
        between = "-"
        if len(other) == len(archs):
            theirs = [
                min(min(t.processor if label != "quiet" else t.wall) for t in other[arch].values()) for arch in archs
            ]
            between = f"{kendall_tau(np.array(theirs), np.array(own)):.2f}"
        print(f"| {label} | {name} | {runtime} | {taus[0]:.2f} | {taus[1]:.2f} | {between} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("export", "measure", "summary"))
    parser.add_argument("--folder", type=Path, default=Path("runs/latency"))
    parser.add_argument("--label", default="quiet", help="name of the state of the machine")
    asked = parser.parse_args()
    if asked.step == "summary":
        summary(asked.folder)
    else:
        export(asked.folder)
        if asked.step == "measure":
            measure(asked.folder, asked.label)
