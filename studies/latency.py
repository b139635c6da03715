"""Do two measurements of latency agree? 24 networks of two spaces, by torch and by onnxruntime, idle and busy.

    python studies/latency.py measure --machine idle --anew
    python studies/latency.py measure --machine busy --anew
    python studies/latency.py page

`measure` writes the networks as ONNX, once, and times all networks twice by each runtime, in the chunks and rounds
of the estimator `latency`, with one try. On an idle machine of two cores it takes about three minutes. It adds lines to
studies/latency/timings.jsonl; what has a line under that state of the machine is not measured again unless --anew is
given. Then it writes the tables of docs/latency.md from that file, as `page` does alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from marks import DOCS, lines_of, write_between

from archsieve import _machine
from archsieve.estimators.contract import Context
from archsieve.estimators.measured.latency import Latency
from archsieve.estimators.measured.rounds import Timing, timed
from archsieve.judging.metrics import kendall_tau
from archsieve.registry import TASKS
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sampling import draw_pool

TIMINGS = Path(__file__).with_name("latency") / "timings.jsonl"
SPACES = {"NAS-Bench-201": NASBench201(cells=1), "NAS-Bench-Macro": NASBenchMacro()}
TASK = TASKS["synthetic"](shape=(3, 32, 32), num_outputs=10)
NETWORKS = 12  # of each space
RUNTIMES = ("eager", "onnxruntime")
MACHINES = ("idle", "busy")
REPEATS = 2
READINGS = {
    "wall, minimum": ("wall", min),
    "wall, median": ("wall", np.median),
    "processor, minimum": ("processor", min),
}


def networks():
    """Return the networks: title of the space, and architecture."""
    return [(title, arch) for title, space in SPACES.items() for arch in draw_pool(space, 0, NETWORKS)]


def onnx_file(folder, title, arch):
    """Return where a network lies as ONNX, which is written first if it is not there."""
    from archsieve.networks.building import build_network
    from archsieve.networks.inputs import drawn_for
    from archsieve.networks.programs import plain, save_onnx

    path = folder / f"{title}-{''.join(map(str, arch))}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        network, inputs = build_network(SPACES[title], arch, TASK, 0).eval(), drawn_for(TASK, 2)
        partly = path.with_suffix(".part")
        save_onnx(plain(network, inputs), inputs, partly)
        partly.rename(path)
    return path


def passes(folder, runtime, title, arch):
    """Return what runs a network."""
    from archsieve.estimators.measured.runtimes import eager, session_passes
    from archsieve.networks.inputs import drawn_for

    if runtime == "onnxruntime":
        return session_passes(onnx_file(folder, title, arch), drawn_for(TASK, 1))
    return eager(arch, Context(SPACES[title], TASK, Path(tempfile.gettempdir())), 1, "float32", channels_last=True)


def stored():
    """Return the lines of the file."""
    return list(map(json.loads, TIMINGS.read_text("utf-8").splitlines())) if TIMINGS.exists() else []


def measure(machine, folder, *, anew):
    """Time the networks that have no line yet for this state of the machine; `anew`: all of them."""
    import torch

    torch.set_num_threads(1)
    for each in networks():
        onnx_file(folder, *each)
    kept = [line for line in stored() if not (anew and line["what"][0] == machine)]
    TIMINGS.parent.mkdir(exist_ok=True)
    TIMINGS.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = {(*line["what"][:4], tuple(line["what"][4])) for line in kept}
    size = Latency().chunk_size
    for runtime in RUNTIMES:
        for repeat in range(REPEATS):
            left = [each for each in networks() if (machine, runtime, repeat, *each) not in done]
            for chunk in (left[begin : begin + size] for begin in range(0, len(left), size)):
                measure_chunk(chunk, folder, machine, runtime, repeat)


def measure_chunk(chunk, folder, machine, runtime, repeat):
    """Time networks that take turns, and add their lines."""
    from archsieve.estimators.measured.runtimes import versions_of

    usual = Latency()
    runs = [passes(folder, runtime, *each) for each in chunk]
    timings = timed(runs, rounds=usual.rounds, seconds=usual.seconds)
    on = {"load": _machine.load(), "cores": _machine.cores(), "processor_name": _machine.processor()}
    with TIMINGS.open("a", encoding="utf-8") as out:
        for (title, arch), timing in zip(chunk, timings, strict=True):
            line = {"what": [machine, runtime, repeat, title, arch], "passes": timing.passes}
            line |= {clock: [float(f"{ms:.5g}") for ms in getattr(timing, clock)] for clock in ("wall", "processor")}
            out.write(json.dumps({**line, **on, "versions": versions_of(runtime)}) + "\n")


def timings_of(lines, machine, runtime, title):
    """Return the timings of each network: a list of one or two by architecture."""
    by_arch = {}
    for line in lines:
        *what, arch = line["what"]
        if [what[0], what[1], what[3]] == [machine, runtime, title]:
            timing = Timing(tuple(line["wall"]), tuple(line["processor"]), line["passes"])
            by_arch.setdefault(tuple(arch), []).append(timing)
    return by_arch


def read(timings, reading):
    """Return the milliseconds of timings, by the clock and the statistic of that name."""
    clock, statistic = READINGS[reading]
    return np.array([float(statistic(getattr(timing, clock))) for timing in timings])


def tau_text(first, second):
    """Return a rank correlation as the page writes it."""
    return f"{kendall_tau(np.asarray(first, float), np.asarray(second, float)):.2f}".replace("0.", ".")


def compared(lines, machine, runtime, title, reading):
    """Return what two measurements agree on: tau, changes in percent, how many refused, how many measured."""
    pairs = [each for each in timings_of(lines, machine, runtime, title).values() if len(each) == REPEATS]
    if len(pairs) < NETWORKS:
        return None
    first, second = (read([pair[i] for pair in pairs], reading) for i in range(REPEATS))
    change = 100 * np.abs(second / first - 1)
    judge = Latency(clock="cpu" if READINGS[reading][0] == "processor" else "wall")
    refused = sum(bool(judge.refusal(timing)) for pair in pairs for timing in pair)
    return tau_text(first, second), change, refused, REPEATS * len(pairs)


def agreement(lines):
    """Return the table of agreement, both states of the machine side by side."""
    heads = [f"{machine}: {head}" for machine in MACHINES for head in ("tau", "change, median", "greatest", "refused")]
    rows = [f"| runtime | space | reading | {' | '.join(heads)} |", "|---|---|---|" + "---|" * len(heads)]
    for runtime in RUNTIMES:
        for title in SPACES:
            for reading in READINGS:
                cells = []
                for machine in MACHINES:
                    one = compared(lines, machine, runtime, title, reading)
                    cells += ["-"] * 4 if one is None else cells_of(*one)
                rows.append(f"| {runtime} | {title} | {reading} | {' | '.join(cells)} |")
    return rows


def cells_of(tau, change, refused, measured):
    """Return the cells of one comparison."""
    return [tau, f"{np.median(change):.1f} %", f"{change.max():.0f} %", f"{refused} of {measured}"]


@cache
def sizes_of(title):
    """Return multiply-adds and parameters of the networks of a space, by architecture."""
    space = SPACES[title]
    return {arch: (space.macs(arch, TASK), space.params(arch, TASK)) for arch in draw_pool(space, 0, NETWORKS)}


def least(lines, machine, runtime, title):
    """Return the lower of two measurements by architecture: of the wall if idle, of the processor if busy."""
    reading = "wall, minimum" if machine == "idle" else "processor, minimum"
    by_arch = timings_of(lines, machine, runtime, title)
    return {arch: read(timings, reading).min() for arch, timings in by_arch.items()}


def beside_sizes(lines):
    """Return the table of how sizes, and the other runtime, rank the networks beside their latency."""
    heads = [f"{machine}: {head}" for machine in MACHINES for head in ("multiply-adds", "parameters", "other runtime")]
    rows = [f"| latency by | space | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
    for runtime in RUNTIMES:
        for title in SPACES:
            cells = []
            for machine in MACHINES:
                one = least(lines, machine, runtime, title)
                other = least(lines, machine, RUNTIMES[1 - RUNTIMES.index(runtime)], title)
                if min(len(one), len(other)) < NETWORKS:
                    cells += ["-"] * 3
                    continue
                sizes = sizes_of(title)
                own = [one[arch] for arch in sizes]
                cells += [tau_text([each[place] for each in sizes.values()], own) for place in range(2)]
                cells.append(tau_text([other[arch] for arch in sizes], own))
            rows.append(f"| {runtime} | {title} | {' | '.join(cells)} |")
    return rows


def states(lines):
    """Return on which machine, and how busy it was; and what was refused in all."""
    said = []
    for machine in MACHINES:
        own = [line for line in lines if line["what"][0] == machine]
        if not own:
            continue
        loads = [line["load"] for line in own]
        versions = {name: version for line in own for name, version in line["versions"].items()}
        shares = [sum(line["processor"]) / sum(line["wall"]) for line in own]
        packages = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        refused = {clock: sum(refusals(own, clock)) for clock in ("wall", "cpu")}
        said += lines_of(
            f"- {machine}: load {min(loads):.1f} to {max(loads):.1f} on {own[0]['cores']} cores of"
            f" {own[0]['processor_name']}, one thread, {packages}. The process got {100 * min(shares):.0f} to"
            f" {100 * max(shares):.0f} % of the time. Of {len(own)} measurements, {refused['wall']} would be refused by"
            f" the clock on the wall, {refused['cpu']} by the processor's time."
        )
    return said


def refusals(lines, clock):
    """Return which lines the estimator refuses with that clock."""
    judge = Latency(clock=clock)
    return [
        bool(judge.refusal(Timing(tuple(each["wall"]), tuple(each["processor"]), each["passes"]))) for each in lines
    ]


def write_page():
    """Write the tables of docs/latency.md."""
    page, lines = DOCS / "latency.md", stored()
    write_between(page, "machines", states(lines))
    write_between(page, "agreement", agreement(lines))
    write_between(page, "sizes", beside_sizes(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("measure", "page"))
    parser.add_argument("--machine", choices=MACHINES, default="idle", help="how busy the machine is otherwise")
    parser.add_argument("--anew", action="store_true", help="measure again what has a line")
    parser.add_argument("--onnx", type=Path, default=Path("runs/latency/onnx"), help="folder of the networks as ONNX")
    asked = parser.parse_args()
    if asked.step == "measure":
        measure(asked.machine, asked.onnx, anew=asked.anew)
    write_page()
