"""How fast zero-cost proxies score whole spaces: the plain way and ours, side by side in one run.

    python perf/zero_cost.py                  # everything; about 15 minutes on two cores
    python perf/zero_cost.py vote cells       # parts of it: bare, vote, cells, eleven, factors, memory, scale

Plain is what one writes first: one proxy and one architecture at a time, a fresh network each, all cores in one
process. It is timed on a few codes and extrapolated to all; ours is timed whole where that takes minutes, and the rest
is said to be extrapolated. Pictures are CIFAR-10's where they are here, else noise.
"""

from __future__ import annotations

import copy
import resource
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch

from archsieve import PROXIES, SPACES, TASKS, Session
from archsieve.errors import ScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.building import build_network
from archsieve.networks.counting import count_macs
from archsieve.networks.supernets import build_supernet
from archsieve.runs.executors import Processes
from archsieve.spaces.contract import draw_distinct, enumerate_space

VOTE = ("l2_norm", "nwot", "zen")
ELEVEN = (*VOTE, "snip", "grad_norm", "plain", "fisher", "jacov", "epe_nas", "grasp", "synflow")
CHEAP = ("l2_norm", "synflow_log")
WORKERS = torch.get_num_threads()
SEED = 0


def task():
    """Return CIFAR-10, or noise in its place."""
    real = TASKS["cifar10"]()
    return real if real.is_present() else TASKS["synthetic"]()


def probe_of(space, *, channels_last=False):
    """Return the probe every architecture gets; plain networks have the usual layout."""
    probe = ZeroCost("nwot")._probe(Context(space, task(), "unused", SEED))
    if channels_last:
        return probe
    (inputs, targets), *_ = probe.batches
    return replace(probe, batches=((inputs.contiguous(), targets),))


def score(name, network, probe):
    """Return one score; a network that has none takes its time too."""
    try:
        return plain_grasp(network, probe) if name == "grasp" else PROXIES[name](network, probe)
    except ScoringError:
        return float("nan")


def plain_grasp(network, probe):
    """Return grasp by torch's own second derivatives."""
    weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    loss = probe.loss(network(probe.inputs), probe.targets)
    first = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    product = sum((g.detach() * g).sum() for g in first)
    second = torch.autograd.grad(product, weights, materialize_grads=True)
    return -sum(float((w.detach() * h).sum()) for w, h in zip(weights, second, strict=True))


def timed(function, items):
    """Return seconds an item, after one item to warm up."""
    function(items[0])
    begun = time.perf_counter()
    for item in items:
        function(item)
    return (time.perf_counter() - begun) / len(items)


def plain(space, name, codes, *, channels_last=False):
    """Return seconds a code: a fresh network each."""
    probe, a_task = probe_of(space, channels_last=channels_last), task()

    def one(code):
        network = build_network(space, code, a_task, SEED)
        score(name, network.to(memory_format=torch.channels_last) if channels_last else network, probe)

    return timed(one, codes)


def bare(space, codes, *, backward):
    """Return seconds a code of building, running forward, and backward, without a proxy."""
    probe, a_task = probe_of(space), task()

    def one(code):
        network = build_network(space, code, a_task, SEED)
        with torch.set_grad_enabled(backward):
            loss = probe.loss(network(probe.inputs), probe.targets)
        if backward:
            loss.backward()

    return timed(one, codes)


def ours(space, names, codes, workers=WORKERS):
    """Return the seconds a session takes for all codes, workers started before."""
    with (
        Processes(workers) as executor,
        tempfile.TemporaryDirectory() as folder,
        Session(folder, space, task(), seed=SEED, executor=executor, tables=()) as session,
    ):
        list(executor.map(abs, range(workers)))
        session.scores([ZeroCost("l2_norm", batch_size=2)], codes[:workers])  # imports torch in every worker
        begun = time.perf_counter()
        session.scores([ZeroCost(name) for name in names], codes)
        return time.perf_counter() - begun


def drawn(space, count):
    """Return distinct networks by seed."""
    return draw_distinct(space, count, np.random.default_rng(1))


def part_bare():
    """Is the plain way plain? Beside it the same loop without a proxy."""
    for name in ("nasbench-macro", "nasbench201"):
        space = SPACES[name]()
        codes = drawn(space, 10)
        for proxy, backward in (("grad_norm", True), ("snip", True), ("nwot", False)):
            pairs = [  # in turns, so that both see the same machine
                (plain(space, proxy, [code]), bare(space, [code], backward=backward)) for code in codes
            ]
            with_proxy, without = np.median(pairs, axis=0)
            print(
                f"{name}: {proxy} {with_proxy:.3f} s a code, the same loop without it {without:.3f} s: "
                f"{with_proxy / without:.2f} times"
            )


def part_vote():
    """The vote's three over all of NAS-Bench-Macro, whole."""
    space = SPACES["nasbench-macro"]()
    codes = list(enumerate_space(space))
    seconds = {name: plain(space, name, drawn(space, 12)) for name in VOTE}
    print("plain, seconds a code:", {name: round(s, 4) for name, s in seconds.items()})
    whole = sum(seconds.values()) * len(codes)
    took = ours(space, VOTE, codes)
    print(f"plain {whole:.0f} s (extrapolated from 12 codes to {len(codes)}), ours {took:.0f} s (whole)")
    print(f"vote over all of NAS-Bench-Macro: {whole / took:.1f} times as fast")
    macs = tree_macs(space)
    flop = 2 * macs * 64 * 3  # a pass for nwot, two for zen
    peak = peak_flops()
    print(
        f"{macs / 1e9:.1f} GMACs an image over the tree, {flop / 1e12:.1f} TFLOP in all, "
        f"{flop / took / 1e9:.0f} GFLOP/s: {100 * flop / took / peak:.0f} % of what these cores do in products of "
        f"matrices, {peak / 1e9:.0f} GFLOP/s"
    )


def part_cells():
    """The eleven over NAS-Bench-201."""
    space = SPACES["nasbench201"]()
    total, distinct = 15_625, len({space.canonical(a) for a in enumerate_space(space)})
    sample = drawn(space, 12)
    seconds = {name: plain(space, name, sample) for name in ELEVEN}
    print("plain, seconds a code:", {name: round(s, 3) for name, s in seconds.items()})
    codes = drawn(space, 64)
    for label, names in (("the eleven", ELEVEN), ("without grasp", tuple(n for n in ELEVEN if n != "grasp"))):
        whole = sum(seconds[name] for name in names) * total
        took = ours(space, names, codes) / len(codes) * distinct
        print(
            f"{label} over all of NAS-Bench-201: plain {whole / 3600:.1f} h, ours {took / 3600:.2f} h (both "
            f"extrapolated, from 12 and 64 codes): {whole / took:.1f} times as fast"
        )


def part_eleven():
    """The eleven on the same 12 cells of NAS-Bench-201, by processor time of one process each way."""
    space = SPACES["nasbench201"]()
    total, distinct = 15_625, len({space.canonical(a) for a in enumerate_space(space)})
    first, *codes = drawn(space, 13)
    with tempfile.TemporaryDirectory() as folder, Session(folder, space, task(), seed=SEED, tables=()) as session:
        estimators = [ZeroCost(name) for name in ELEVEN]
        session.scores(estimators, [first])
        begun = time.process_time()
        session.scores(estimators, codes)
        together = (time.process_time() - begun) / len(codes)
    begun = time.process_time()
    for name in ELEVEN:
        plain(space, name, codes)
    alone = (time.process_time() - begun) / (len(codes) + 1)  # it warms up by one more
    print(f"plain {alone:.3f} s a code, ours {together:.3f}: {alone / together:.2f} times as fast")
    print(f"over all {total} codes, {distinct} of them distinct: {alone * total / (together * distinct):.1f} times")


def part_factors():
    """Each factor alone, on NAS-Bench-201 without grasp."""
    space = SPACES["nasbench201"]()
    names = tuple(n for n in ELEVEN if n != "grasp")
    codes = drawn(space, 8)
    base = sum(plain(space, name, codes) for name in names)
    layout = sum(plain(space, name, codes, channels_last=True) for name in names)
    together = one_pass(space, names, codes)
    with Processes(WORKERS) as executor:
        work = [(space, name, code) for name in names for code in codes]
        list(executor.map(_plain_one, work[: 2 * WORKERS]))
        begun = time.perf_counter()
        list(executor.map(_plain_one, work))
        processes = (time.perf_counter() - begun) / len(codes)
    distinct = len({space.canonical(a) for a in enumerate_space(space)})
    print(f"plain {base:.2f} s a code; alone: one pass {base / together:.2f} times, layout {base / layout:.2f}")
    print(f"  {WORKERS} processes of one thread each {base / processes:.2f}, distinct codes {15_625 / distinct:.2f}")


def one_pass(space, names, codes):
    """Return seconds a code of all proxies on one network in the usual layout."""
    probe, a_task = probe_of(space), task()

    def one(code):
        network = build_network(space, code, a_task, SEED)
        for name in names:
            score(name, copy.deepcopy(network) if PROXIES[name].spoils else network, probe)

    return timed(one, codes)


def _plain_one(item):
    space, name, code = item
    score(name, build_network(space, code, task(), SEED), probe_of(space))


def part_memory():
    """Peak memory of one process: one plain network after the other, and ours."""
    for name, proxies in (("nasbench-macro", VOTE), ("nasbench201", tuple(n for n in ELEVEN if n != "grasp"))):
        for count in (8, 64):
            found = {
                kind.__name__: _in_a_process(partial(kind, name, proxies, count)) for kind in (_plain_all, _ours_all)
            }
            ratio = found["_ours_all"] / found["_plain_all"]
            mib = f"plain {found['_plain_all']} MiB, ours {found['_ours_all']} MiB"
            print(f"{name}, {count} codes: {mib}, {ratio:.2f} times")


def _plain_all(name, proxies, count):
    space = SPACES[name]()
    probe, a_task = probe_of(space), task()
    for proxy in proxies:
        for code in drawn(space, count)[:8]:  # more of the same takes no more
            score(proxy, build_network(space, code, a_task, SEED), probe)


def _ours_all(name, proxies, count):
    space = SPACES[name]()
    members = [ZeroCost(proxy) for proxy in proxies]
    with suppress(ScoringError):  # a cell that connects nothing
        members[0].score_group(members, drawn(space, count), Context(space, task(), "unused", SEED))


def _in_a_process(function):
    context = get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_peak, args=(function, queue))
    process.start()
    found = queue.get()
    process.join()
    return found


def _peak(function, queue):
    torch.set_num_threads(1)
    function()
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def part_scale():
    """Time from 500 to 15,625 cells, for two cheap proxies."""
    space = SPACES["nasbench201"]()
    codes = list(enumerate_space(space))
    order = np.random.default_rng(0).permutation(len(codes))
    for count in (500, 2000, len(codes)):
        chosen = [codes[i] for i in order[:count]]
        networks = len({space.canonical(a) for a in chosen})
        took = ours(space, CHEAP, chosen)
        print(f"{count} cells ({networks} networks): {took:.1f} s, {1000 * took / networks:.1f} ms a network")


def tree_macs(space):
    """Return the multiply-adds of one image through every block of the tree of canonical codes."""
    a_task = task()
    with torch.device("meta"):
        chain = build_supernet(space, a_task, SEED)
    prefixes = {}
    for code in {space.canonical(a) for a in enumerate_space(space)}:
        for end in range(1, len(code) + 1):
            prefixes.setdefault((end - 1, code[end - 1]), set()).add(code[:end])
    shape = a_task.input_shape
    total = count_macs(chain.stem, shape)
    shape = _after(chain.stem, shape)
    for position, options in enumerate(chain.choices):
        total += sum(count_macs(b, shape) * len(prefixes.get((position, int(o)), ())) for o, b in options.items())
        shape = _after(options["1"], shape)
    leaves = len({space.canonical(a) for a in enumerate_space(space)})
    return total + leaves * count_macs(chain.head, shape)


def _after(block, shape):
    with torch.no_grad():
        return tuple(block.eval()(torch.zeros(1, *shape, device="meta")).shape[1:])


def peak_flops():
    """Return the operations a second of one product of matrices on all cores."""
    a = torch.randn(3072, 3072)
    seconds = timed(lambda _: a @ a, list(range(10)))
    return 2 * 3072**3 / seconds


PARTS = {
    "bare": part_bare,
    "vote": part_vote,
    "cells": part_cells,
    "eleven": part_eleven,
    "factors": part_factors,
    "memory": part_memory,
    "scale": part_scale,
}


def main():
    """Run the parts named on the command line, or all."""
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        sys.exit(f"There is no part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}.")
    print(f"{WORKERS} cores, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {task().name}")
    for name in sys.argv[1:] or PARTS:
        print(f"\n{PARTS[name].__doc__.strip()}")
        PARTS[name]()


if __name__ == "__main__":
    main()
