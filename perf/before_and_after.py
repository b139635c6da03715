"""What is done once, against another checkout that did it again and again: CPU seconds, in turns, in one run.

    python perf/before_and_after.py OTHER_CHECKOUT/src                     # all parts; about 10 minutes on two cores
    python perf/before_and_after.py OTHER_CHECKOUT/src --rounds 5 measure help lookups

Each part runs in a process of its own, first with the other sources, then with these, `--rounds` times; the table has
the least of each side, since other programs only add to it. A part counts its own work and not the imports, but for the
commands, which are counted whole. Both sides need the packages of this one, and read CIFAR-10 and the benchmarks' files
where `ARCHSIEVE_DATA` says, noise and embedded tables where there are none.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OWN = Path(__file__).parents[1] / "src"
SEED = 0


def task_of(name="cifar10"):
    """Return a task, or noise in its place."""
    from archsieve import TASKS

    real = TASKS[name]()
    return real if real.is_present() else TASKS["synthetic"]()


def drawn(space, count):
    """Return distinct codes."""
    import numpy as np

    from archsieve.spaces.contract import draw_distinct

    return draw_distinct(space, count, np.random.default_rng(SEED))


def context(space, task, folder):
    """Return what an estimator is called with."""
    from archsieve.estimators.contract import Context

    Path(folder).mkdir(parents=True, exist_ok=True)
    return Context(space, task, Path(folder), SEED)


def chains(folder):
    """Whether the supernet of DARTS is a chain, asked 10 times."""
    from archsieve import SPACES
    from archsieve.estimators.prefixes import holds_chains

    space, task = SPACES["darts"](), task_of()
    yield
    for _ in range(10):
        holds_chains(space, task)


def l2_norm(folder):
    """`l2_norm` of 10 DARTS networks, one a call."""
    from archsieve import SPACES
    from archsieve.estimators.zero_cost.estimator import ZeroCost

    space, task = SPACES["darts"](), task_of()
    estimator, ctx, codes = ZeroCost("l2_norm"), context(space, task, folder), drawn(space, 10)
    yield
    for code in codes:
        estimator.score([code], ctx)


def lookups(folder):
    """60 evaluations by a benchmark's table, one a call."""
    from archsieve import BENCHMARKS, SPACES
    from archsieve.estimators.lookup import Lookup

    whole = BENCHMARKS["nasbench-macro-cifar10"]
    benchmark = whole if whole.is_present() else BENCHMARKS["nasbench-macro-digits"]
    estimator = Lookup(benchmark.truth, benchmark.name)
    space = SPACES["nasbench-macro"]() if benchmark is whole else benchmark.space
    ctx, codes = context(space, task_of(benchmark.task), folder), drawn(space, 60)
    yield
    for code in codes:
        estimator.score([code], ctx)


def references(folder):
    """A calibrated mean rank of 60 networks, one a call, as an evolution asks."""
    from archsieve import ESTIMATORS, SPACES, Session
    from archsieve.estimators.combined.mean_rank import MeanRank

    space = SPACES["attentivenas"]()
    estimator = MeanRank((ESTIMATORS["params"](), ESTIMATORS["macs"]()), calibration=500)
    with Session(folder, space, task_of("synthetic")) as session:
        codes = drawn(space, 61)
        session.scores([estimator], codes[:1])
        yield
        for code in codes[1:]:
            session.scores([estimator], [code])


def surrogate(folder):
    """A surrogate's value, its deviation and its value again, of a pool of 1,000 DARTS cells."""
    from archsieve import BENCHMARKS

    benchmark = BENCHMARKS["nasbench301-standin"]
    codes, column = drawn(benchmark.space, 1000), benchmark.truth
    yield
    for ask in ("lookup", "spread", "lookup"):
        getattr(benchmark.load(), ask)(column, codes)


def supernet(folder):
    """A supernet's scores of 24 paths in chunks of 4, 16 items each."""
    import torch

    from archsieve import SPACES
    from archsieve.estimators.supernet.one_shot import OneShot
    from archsieve.networks.supernets import build_supernet
    from archsieve.training.checkpoint import Place, save_checkpoint

    space, task = SPACES["nasbench-macro"](), task_of()
    estimator, ctx = OneShot(epochs=1, scoring_items=16), context(space, task, folder)
    network = build_supernet(space, task, SEED)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    save_checkpoint(ctx.workdir / "supernet.pt", network, optimiser, Place(1, {}, torch.zeros(0), 1.0))
    codes = drawn(space, 24)
    estimator.score(codes[:1], context(space, task, ctx.workdir))  # reads the pictures
    yield
    for begin in range(0, len(codes), 4):
        estimator.score(codes[begin : begin + 4], ctx)


def checkpoints(folder):
    """What a stage of partial training asks of 20 checkpoints, and loading them."""
    import torch

    from archsieve import SPACES
    from archsieve.networks.building import build_network
    from archsieve.training.checkpoint import Place, epochs_trained, is_beyond, load_checkpoint, save_checkpoint

    space, task = SPACES["nasbench201"](), task_of()
    network = build_network(space, (3, 3, 3, 3, 3, 3), task, SEED)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    sum(parameter.sum() for parameter in network.parameters()).backward()
    optimiser.step()
    paths = [Path(folder) / f"{place}.pt" for place in range(20)]
    for path in paths:
        save_checkpoint(path, network, optimiser, Place(1, {}, torch.zeros(1), 1.0))
    yield
    for path in paths:
        if not is_beyond(path, 1) and epochs_trained(path) == 1:
            load_checkpoint(path, network, optimiser)


def pilot(folder):
    """A pilot of 3,000 networks, read."""
    from archsieve import SPACES
    from archsieve.design.pilot import read_pilot

    space, file = SPACES["nasbench201"](), Path(folder) / "pilot.csv"
    rows = (f"{''.join(map(str, code))},{place / 7}" for place, code in enumerate(drawn(space, 3000)))
    file.write_text("\n".join(["architecture,acc", *rows]) + "\n")
    yield
    read_pilot(file, space, "acc")


def store(folder):
    """501 codes out of a key's 60,000 rows, looked up 5 times."""
    from archsieve.runs.store import Key, Row, Store

    key = Key("space", "task", "estimator", SEED)
    results = Store(Path(folder) / "results.sqlite")
    results.put([Row(key, (i // 300, i % 300), "name", i / 7, 0.0, 0) for i in range(60_000)])
    codes = [(i, i) for i in range(200)] + [(i, i + 1) for i in range(100)] + [(i, i + 2) for i in range(201)]
    yield
    for _ in range(5):
        assert len(results.get(key, codes)) == 500  # noqa: S101 - one lies beyond the last row


def eleven(folder):
    """Eleven proxies of 3 cells of NAS-Bench-201."""
    from archsieve import SPACES, Session
    from archsieve.estimators.zero_cost.estimator import ZeroCost

    names = ["l2_norm", "nwot", "zen", "snip", "grad_norm", "plain", "fisher", "jacov", "epe_nas", "grasp", "synflow"]
    space = SPACES["nasbench201"]()
    codes, estimators = drawn(space, 4), [ZeroCost(name) for name in names]
    with Session(folder, space, task_of(), tables=()) as session:
        session.scores(estimators, codes[:1])
        yield
        session.scores(estimators, codes[1:])


PARTS = {
    part.__name__: part
    for part in (chains, l2_norm, lookups, references, surrogate, supernet, checkpoints, pilot, store, eleven)
}
COMMANDS = {
    "help": ("`archsieve --help`, whole", ["--help"]),
    "measure": (
        "`archsieve measure nasbench201 --proxy nwot --proxy meco`, whole",
        ["measure", "nasbench201", "--proxy", "nwot", "--proxy", "meco"],
    ),
}


def run_part(name):
    """Run a part of this process's sources, and print its CPU seconds; those of processes it started included."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        work = PARTS[name](folder)
        next(work)
        begun = time.process_time()
        next(work, None)
        seconds = time.process_time() - begun
    print(seconds)


def seconds_of(name, sources):
    """Return the CPU seconds of a part, or of a whole command, in a new process with some sources."""
    environment = {**os.environ, "PYTHONPATH": str(sources), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    is_command = name in COMMANDS
    program = ["-m", "archsieve", *COMMANDS[name][1]] if is_command else [__file__, "--part", name]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *program], env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(f"{name} fails with {sources}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return float("nan")
    return sum(after[:2]) - sum(before[:2]) if is_command else float(done.stdout)


def main():
    """Print a table of both sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", nargs="?", help="the folder src of another checkout")
    parser.add_argument("names", nargs="*", help=f"parts: {', '.join([*PARTS, *COMMANDS])}; all unless given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        run_part(arguments.part)
        return
    names = arguments.names or [*PARTS, *COMMANDS]
    if arguments.other is None or not set(names) <= {*PARTS, *COMMANDS}:
        parser.error("name the folder src of another checkout, and parts that there are")
    print("| CPU seconds, least of each side | before | now | ratio |\n|---|---|---|---|", flush=True)
    for name in names:
        pairs = [[seconds_of(name, side) for side in (arguments.other, OWN)] for _ in range(arguments.rounds)]
        before, now = (min(times) for times in zip(*pairs, strict=True))
        what = COMMANDS[name][0] if name in COMMANDS else PARTS[name].__doc__.rstrip(".")
        print(f"| {what} | {before:.3g} | {now:.3g} | {before / now:.3g} |", flush=True)


if __name__ == "__main__":
    main()
