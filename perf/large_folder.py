"""How fast is a run folder of a million scores, and in how much memory is it read?

    python perf/large_folder.py                       # a million rows, beside 15,625 rows; about five minutes
    python perf/large_folder.py --rows 100000 report  # fewer rows, one part

The scores are those of eight zero-cost proxies of all networks of NAS-Bench-201, of as many seeds as it takes; one in
ten thousand failed. Every part runs in a process of its own. The memory told is the peak of that process; a part is in
constant memory where the large folder takes no more than the small one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

CODES = 15_625
PROXIES = ("snip", "grasp", "synflow", "fisher", "jacov", "nwot", "zen", "l2_norm")
PLAN = """
title = "A stage of stored scores"
[space]
name = "nasbench201"
[task]
name = "synthetic"
[[stage]]
estimator = "snip"
top = 1
"""
BATCH = 1000


def opened(folder):
    """Return a session on the folder of the search."""
    from archsieve import SPACES, TASKS, Session

    return Session(folder, SPACES["nasbench201"](), TASKS["synthetic"]())


def codes_of(session):
    """Return all codes of the space."""
    from archsieve.spaces.contract import enumerate_space

    return [tuple(map(int, arch)) for arch in enumerate_space(session.space)]


def keys_of(session, rows):
    """Yield the names and keys of as many estimators, of many seeds, as the rows take."""
    from archsieve.plans.parts import make

    estimators = [make("estimator", name) for name in PROXIES]
    for place in range(-(-rows // CODES)):
        estimator = estimators[place % len(estimators)]
        key = session._keys.key(estimator, ())
        yield estimator.name, replace(key, seed=place // len(estimators))


def put(folder, rows):
    """Rows stored, a thousand in a transaction."""
    import numpy as np

    from archsieve.runs.store import Row

    with opened(folder) as session:
        archs = codes_of(session)
        scores = np.random.default_rng(0).standard_normal((len(archs),)).tolist()
        begun, count = time.perf_counter(), 0
        for name, key in keys_of(session, rows):
            own = list(enumerate(archs))[: rows - count]
            for first in range(0, len(own), BATCH):
                part = [
                    Row(key, arch, name, float("nan"), 0.01, 7, "it has no score")
                    if (count + place) % 10_000 == 0
                    else Row(key, arch, name, scores[place] + key.seed, 0.01, 7)
                    for place, arch in own[first : first + BATCH]
                ]
                session._store.put(part)
            count += len(own)
        return count, time.perf_counter() - begun


def get(folder, rows):
    """Rows looked up by their codes."""
    with opened(folder) as session:
        archs = codes_of(session)
        begun, count = time.perf_counter(), 0
        for _, key in keys_of(session, rows):
            count += len(session._store.get(key, archs))
        return count, time.perf_counter() - begun


def read(folder, rows):
    """All rows read one by one."""
    from archsieve.runs.store import Store

    store = Store(Path(folder) / "results.sqlite", read_only=True)
    begun = time.perf_counter()
    count = sum(1 for _ in store.rows())
    return count, time.perf_counter() - begun


PARTS = {"put": put, "get": get, "read": read}
COMMANDS = {
    "search": ("search {plan} --out {folder}", "`search`, resumed: it needs 15,625 of them"),
    "report": ("report {folder}", "`report`"),
    "json": ("report {folder} --json", "`report --json`"),
    "html": ("report {folder} --html {page}", "`report --html`"),
    "csv": ("report {folder} --csv", "`report --csv`"),
    "verify": ("verify {folder} --fraction 0.0001", "`verify` of the folder: two of its scores"),
}


def run(arguments, environment):
    """Run a program; return what it printed last, its seconds and its peak of memory in MB."""
    with tempfile.TemporaryFile("w+") as printed:
        begun = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=printed, stderr=subprocess.PIPE, text=True, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds, process.returncode = time.perf_counter() - begun, os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, arguments))} failed: {process.stderr.read()}")
        process.stderr.close()
        size = printed.tell() or printed.seek(0, os.SEEK_END)
        printed.seek(max(0, size - 200))
        return printed.read(), seconds, usage.ru_maxrss / 1024


def measured(name, folder, rows, environment):
    """Return rows, seconds and MB of a part."""
    if name in PARTS:
        own = [sys.executable, __file__, "--part", name, "--folder", str(folder), "--rows", str(rows)]
        printed, _, memory = run(own, environment)
        count, seconds = printed.split()
        return int(count), float(seconds), memory
    plan, page = folder.with_suffix(".toml"), folder.with_suffix(".html")
    plan.write_text(PLAN)
    words = COMMANDS[name][0].format(plan=plan, folder=folder, page=page).split()
    _, seconds, memory = run([sys.executable, "-m", "archsieve", *words], environment)
    return rows, seconds, memory


def main() -> None:
    """Measure every part for a small and the large folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join([*PARTS, *COMMANDS])}")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--source", type=Path, default=Path(__file__).parents[1] / "src", help="of this package")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where the folders are, made if they are not there")
    chosen = parser.parse_args()
    if chosen.part is not None:
        print(*PARTS[chosen.part](chosen.folder, chosen.rows))
        return
    environment = {**os.environ, "PYTHONPATH": str(chosen.source.resolve())}
    with tempfile.TemporaryDirectory() as temporary:
        place = chosen.folder or Path(temporary)
        print(f"| what | rows | seconds | rows per second | MB | MB with {CODES:,} rows |\n|---|---|---|---|---|---|")
        names = chosen.names or [*PARTS, *COMMANDS]
        if "put" not in names and not (place / "large").is_dir():
            names = ["put", *names]
        for name in names:
            small = measured(name, place / "small", CODES, environment)[2]
            rows, seconds, memory = measured(name, place / "large", chosen.rows, environment)
            what = COMMANDS[name][1] if name in COMMANDS else PARTS[name].__doc__.rstrip(".")
            speed = f"{rows / seconds:,.0f}"
            print(f"| {what} | {rows:,} | {seconds:.1f} | {speed} | {memory:.0f} | {small:.0f} |", flush=True)


if __name__ == "__main__":
    main()
