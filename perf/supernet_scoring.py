"""How fast a supernet scores all of NAS-Bench-Macro: path by path, and by shared prefixes, side by side in one run.

    python perf/supernet_scoring.py --items 512      # about 6 minutes on two cores

Path by path is what one writes first: every one of the 6,561 codes runs alone over the scoring images, all cores in one
process, in torch's usual layout. It is timed on a few codes, beside a bare loop of forward passes, and extrapolated to
all codes, and to the 3,969 distinct networks. Ours is the estimator in a session, which scores those, timed whole. The
supernet has its initial weights: speed does not depend on them.
Pictures are CIFAR-10's where they are here, else noise.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
import torch

from archsieve import SPACES, TASKS, Session
from archsieve.estimators.supernet.one_shot import OneShot, use_batch_statistics
from archsieve.networks.building import laid_out
from archsieve.networks.supernets import build_supernet
from archsieve.runs.executors import Processes
from archsieve.spaces.contract import draw_distinct, enumerate_space

BATCH = 64


def task():
    """Return CIFAR-10, or noise in its place."""
    real = TASKS["cifar10"]()
    return real if real.is_present() else TASKS["synthetic"](images=50_000)


def batches(a_task, items):
    """Return the scoring images in batches, held in memory."""
    chosen, left = [], items
    for inputs, targets in a_task.batches("validation", batch_size=BATCH):
        if left <= 0:
            break
        chosen.append((inputs[:left], targets[:left]))
        left -= len(inputs)
    return chosen


def path_by_path(supernet, arch, data):
    """Return the accuracy of one path, in percent."""
    hits = total = 0
    with torch.no_grad():
        for inputs, targets in data:
            hits += int((supernet(inputs, arch).argmax(1) == targets).sum())
            total += len(targets)
    return 100 * hits / total


def bare(supernet, arch, data):
    """Run forward passes and nothing else."""
    with torch.no_grad():
        for inputs, _ in data:
            supernet(inputs, arch)


def seconds(function, *args):
    """Return how long a call takes."""
    begun = time.perf_counter()
    function(*args)
    return time.perf_counter() - begun


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=512, help="scoring images, a multiple of 64")
    parser.add_argument("--codes", type=int, default=10, help="timed path by path")
    chosen = parser.parse_args()
    space, a_task, workers = SPACES["nasbench-macro"](), task(), torch.get_num_threads()
    data = batches(a_task, chosen.items)
    supernet = build_supernet(space, a_task, 0).eval()
    use_batch_statistics(supernet)
    codes = draw_distinct(space, chosen.codes, np.random.default_rng(1))
    bare(supernet, codes[0], data[:1])
    pairs = np.array([(seconds(path_by_path, supernet, c, data), seconds(bare, supernet, c, data)) for c in codes])
    plain, loop = pairs.mean(axis=0)
    print(f"path by path {plain:.3f} s a code over {chosen.items} images; a bare loop {loop:.3f} s: {plain / loop:.2f}")

    estimator = OneShot(epochs=1, batch_size=BATCH, scoring_items=chosen.items)
    archs = list(enumerate_space(space))
    with (
        Processes(workers) as executor,
        tempfile.TemporaryDirectory() as folder,
        Session(folder, space, a_task, executor=executor, tables=()) as session,
    ):
        trained = session.context(estimator).workdir / "supernet.pt"
        trained.parent.mkdir(parents=True)
        torch.save({"network": supernet.state_dict(), "optimiser": {}, "epochs": 1, "inside": {}}, trained)
        session.scores([estimator], codes[:workers])  # starts the workers
        begun = time.perf_counter()
        scores = dict(zip(archs, session.scores([estimator], archs)[:, 0], strict=True))
        took = time.perf_counter() - begun
    whole = plain * len(archs)
    print(
        f"all {len(archs)} codes: path by path {whole:.0f} s (extrapolated from {len(codes)}), "
        f"ours {took:.0f} s (whole)"
    )
    distinct = len({space.canonical(arch) for arch in archs})
    print(
        f"{whole / took:.1f} times as fast, {workers} processes; "
        f"{plain * distinct / took:.1f} times if path by path scores {distinct} codes too"
    )

    same = laid_out(build_supernet(space, a_task, 0), "cpu").eval()
    use_batch_statistics(same)
    data_here = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in data]
    alone = [path_by_path(same, code, data_here) for code in codes]
    usual = [path_by_path(supernet, code, data) for code in codes]
    ours = [scores[code] for code in codes]
    print(f"scores equal to those of paths alone: {ours == alone} (in the usual layout: {ours == usual})")


if __name__ == "__main__":
    main()
