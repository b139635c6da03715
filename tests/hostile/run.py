"""Gives the corpus and random changes of it to every reader, within limits, and counts what comes of it.

    python -m hostile.run --changes 2000 --out ../studies/trust        # in tests/; docs/trust.md has these counts

Each batch of inputs has a process of its own with 2 GB of memory; an input has 20 seconds of processor time, and six
times as long by the clock. A file that a code in an input would write, a socket or a program that reading starts count
as code run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

CORPUS = Path(__file__).with_name("corpus")
SHARED = {"export-plan": "plan", "export-rounds": "rounds-npz"}
"""Readers of the files that the corpus has for another reader."""
SECONDS, PATIENCE, BYTES = 20, 6, 2 << 30
BATCH = 100
OUTCOMES = ("read", "refused", "unforeseen", "crash", "hang", "over 2 GB", "code run")
_STARTED = (
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "webbrowser.open",
)


def inputs(changes: int, seed: int, readers: Collection[str] = ()) -> list[tuple[str, Path, int | None]]:
    """Return reader, file, and the number of a random change, None for the file as it is; for some readers, or all."""
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    whole = [(path.parent.name, path, None) for path in files]
    whole += [(reader, path, None) for reader, folder in SHARED.items() for path in files if path.parent.name == folder]
    whole = [each for each in whole if not readers or each[0] in readers]
    changeable = [(reader, path) for reader, path, _ in whole if reader not in ("store", "journal")]
    drawn = random.Random(seed)
    return whole + [(*pair, i) for i, pair in enumerate(drawn.choices(changeable, k=changes))]


def changed(content: bytes, number: int | None) -> bytes:
    """Return a content after a random change: bits, a cut, a piece repeated, put elsewhere or replaced."""
    if number is None:
        return content
    drawn = random.Random(number)
    data = bytearray(content)
    for _ in range(drawn.randint(1, 4)):
        at, end = sorted(drawn.randint(0, len(data)) for _ in range(2))
        kind = drawn.randrange(6)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << drawn.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * drawn.randint(1, 50)
        elif kind == 3:
            data[at:at] = drawn.choice(
                [b"\0", b"9" * 5000, b"[" * 300, b"-1", b"1e999", b"NaN", b"\xff" * 8, b"\x1b[2J", b"a." * 50]
            )
        elif kind == 4:
            data[at:end] = drawn.randbytes(min(64, end - at))
        else:
            del data[end:]
    return bytes(data[:200_000])


def judge(reader: str, path: Path) -> tuple[str, str]:
    """Return what comes of reading a file in this process, and the message."""
    from archsieve.errors import ArchsieveError
    from hostile.readers import READERS

    try:
        READERS[reader](path)
    except ArchsieveError as error:
        text = str(error)
        hidden = [letter for letter in text if ord(letter) < 32 and letter not in "\n\t"]
        return (
            ("unforeseen", f"a message of {len(text)} characters") if len(text) > 4200 or hidden else ("refused", text)
        )
    except MemoryError as error:
        return "over 2 GB", str(error)
    except Exception as error:  # whatever nobody foresaw
        return "unforeseen", f"{type(error).__name__}: {str(error)[:200]}"
    return "read", ""


def child() -> None:
    """Read the inputs that standard input names, and print a line for each."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    started: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_STARTED) and "archsieve._trial" not in str(arguments):
            started.append(f"{event} {arguments}"[:200])

    from hostile.readers import READERS

    assert READERS
    sys.addaudithook(watch)
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for line in sys.stdin:
            reader, name, number = json.loads(line)
            path = (
                Path(folder) / f"input{'.csv' if 'csv' in reader else '.toml' if reader in ('plan', 'recipe') else ''}"
            )
            path.write_bytes(changed(Path(name).read_bytes(), number))
            print(json.dumps(["begin", name, number]), flush=True)
            signal.alarm(PATIENCE * SECONDS)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            begun = time.perf_counter()
            outcome, text = judge(reader, path)
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if started or Path("hostile-was-here").exists():
                outcome, text = "code run", "; ".join(started)
            started.clear()
            print(json.dumps([outcome, text, round(time.perf_counter() - begun, 2)]), flush=True)


def batch(part: list[tuple[str, Path, int | None]]) -> list[tuple[str, str]]:
    """Return the outcomes of some inputs; what ends the process is counted, and the rest goes on in another."""
    outcomes: list[tuple[str, str]] = []
    while len(outcomes) < len(part):
        lines = "".join(json.dumps([r, str(p), n]) + "\n" for r, p, n in part[len(outcomes) :])
        done = subprocess.run(
            [sys.executable, "-m", "hostile.run", "--child"], input=lines, capture_output=True, text=True
        )
        printed = [json.loads(line) for line in done.stdout.splitlines()]
        outcomes += [(line[0], line[1]) for line in printed if line[0] != "begin"]
        if len(outcomes) < len(part):
            if not printed:
                raise SystemExit(f"The child cannot begin: {done.stderr[-2000:]}")
            outcomes.append(
                ("hang", "")
                if done.returncode in (-signal.SIGALRM, -signal.SIGPROF)
                else ("crash", f"{done.returncode} {done.stderr[-300:]}")
            )
    return outcomes


def counts_of(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Return inputs and outcomes of each reader, in the order of their names."""
    return {name: {"inputs": of.total(), **{o: of[o] for o in OUTCOMES}} for name, of in sorted(counts.items())}


def table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return the counts as Markdown, with their sums."""
    names = ("inputs", *OUTCOMES)
    sums = {name: sum(of_reader[name] for of_reader in counts.values()) for name in names}
    lines = [f"| reader | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {r} | {' | '.join(f'{c[n]:,}' for n in names)} |" for r, c in {**counts, "all": sums}.items()]
    return "\n".join(lines)


def write(path: Path, counts: Mapping[str, Mapping[str, int]], seed: int) -> None:
    """Write the counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seed": seed, "counts": counts}, indent=1) + "\n")


def main() -> None:
    """Count the outcomes by reader, print them, and leave with 1 if there is one that must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=900, help="Begin no batch after so long.")
    parser.add_argument("--start", type=int, default=0, help="Leave out so many inputs, which another run has read.")
    parser.add_argument("--readers", nargs="+", default=[], help="Only these.")
    parser.add_argument("--out", type=Path, help="Folder for hostile.json, the counts.")
    parser.add_argument("--child", action="store_true")
    chosen = parser.parse_args()
    if chosen.child:
        child()
        return
    todo, begun = inputs(chosen.changes, chosen.seed, chosen.readers), time.monotonic()
    random.Random(1).shuffle(todo)
    counts: dict[str, Counter[str]] = {}
    for at in range(chosen.start, len(todo), BATCH):
        if time.monotonic() - begun > chosen.seconds:
            break
        part = todo[at : at + BATCH]
        for (reader, path, number), (outcome, text) in zip(part, batch(part), strict=True):
            counts.setdefault(reader, Counter())[outcome] += 1
            if outcome not in ("read", "refused"):
                print(f"{outcome}: {reader}/{path.name} change {number}: {text}", flush=True)
    by_reader = counts_of(counts)
    print(table(by_reader))
    if chosen.out is not None:
        write(chosen.out / "hostile.json", by_reader, chosen.seed)
    bad = sum(n for c in counts.values() for o, n in c.items() if o not in ("read", "refused"))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
