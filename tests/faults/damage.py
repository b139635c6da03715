"""Damage in every file of a run folder: flipped bits, cuts, zeroed pages. What is read is as before, or it is named."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from faults.place import begun, copied, result_of
from faults.trials import Outcome, World, ill, is_the_same

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 20
NAMES = {"flip": "flipped bit", "cut": "cut file", "zeroed": "zeroed page"}
_UNCOUNTED = ("seconds", "learning_seconds", "provenance", "worth")


def run_here(*arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output and errors."""
    from archsieve.cli import app

    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = StringIO(), StringIO()
    try:
        app([str(a) for a in arguments], standalone_mode=True) if arguments[0] != "model" else _model(*arguments[1:])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except typer.Exit as end:
        code = end.exit_code
    except BaseException as error:  # whatever nobody foresaw
        sys.stderr.write(f"\nTraceback: {type(error).__name__}: {error}")
        code = 70
    finally:
        out, err = sys.stdout.getvalue(), sys.stderr.getvalue()
        sys.stdout, sys.stderr = streams
    return code, out, err


def _model(folder: Path) -> None:
    """Print a hash of the network that an export would write; its own checks would take seconds."""
    from archsieve.cli.guard import guarded
    from archsieve.export.run import model_of

    with guarded():
        network = model_of(folder)
        weights = b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())
        print(hashlib.sha256(weights).hexdigest())


def plans(world: World, folder: Path, count: int) -> list[tuple[str, str, int]]:
    """Return file, kind of damage and seed of so many trials; each file has some, the results file more."""
    files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file() and f.stat().st_size)
    files = [name for name in files if not name.endswith("-shm")]  # which SQLite makes anew
    chosen = [files[i % len(files)] if i % 3 else "results.sqlite" for i in range(count)]
    kinds = ("flip", "flip", "flip", "flip", "flip", "flip", "cut", "zeroed")
    return [(name, kinds[(i + i // 8) % len(kinds)], world.drawn.randrange(10**9)) for i, name in enumerate(chosen)]


def damaged(path: Path, kind: str, seed: int) -> str:
    """Damage a file; return in words how."""
    drawn, content = random.Random(seed), bytearray(path.read_bytes())  # noqa: S311 - where
    at = drawn.randrange(len(content))
    if kind == "flip":
        bit = drawn.randrange(8)
        content[at] ^= 1 << bit
        text = f"bit {bit} of byte {at}"
    elif kind == "cut":
        del content[at:]
        text = f"cut to {at} bytes"
    else:
        begin = at // 4096 * 4096
        end = min(begin + 4096, len(content))
        content[begin:end] = bytes(end - begin)
        text = f"zeroes in {begin}..{end}"
    path.write_bytes(content)
    return f"{path.name}: {text}"


def plain(value: Any) -> Any:
    """Return plain values without those that another run of the same has otherwise."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key not in _UNCOUNTED}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def said(folder: Path, out: str) -> Any:
    """Return what a command said, the folder left out."""
    text = out.replace(str(folder), "RUN")
    try:
        return plain(json.loads(text))
    except ValueError:
        return text


def commands(folder: Path, home: Path) -> dict[str, tuple[object, ...]]:
    """Return the commands that read a finished folder."""
    return {
        "report": ("report", folder, "--json"),
        "report --csv": ("report", folder, "--csv"),
        "report --html": ("report", folder, "--html", home / "page.html"),
        "export": ("model", folder),
        "audit": ("audit", folder, "--networks", "2", "--json"),
    }


def verdict(name: str, code: int, same: bool, out: str, err: str, file: str) -> tuple[str, str] | None:
    """Return what is bad about what a command said on a damaged file; None for nothing."""
    text = f"{name} on {file}: exit {code}, {err[-300:]}"
    if "Traceback" in err or "The traceback is in" in err or code not in (0, 1):
        return "unforeseen errors", text
    if code == 1:
        base = file.removesuffix("-wal")
        return None if base in err else ("unforeseen errors", f"not named: {text}")
    if same or "damaged" in err or '"damaged": [\n' in out:
        return None
    return "silent changes", text


def read_by_all(world: World, folder: Path, file: str, references: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is bad about what the commands that read make of a damaged finished folder."""
    bad = []
    home = world.base / "home"
    for name in commands(folder, home):
        if name == "report --html" and world.drawn.randrange(12):  # which takes as long as all others
            continue
        copy = copied(folder, world.base / "copy")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        code, out, err = run_here(*commands(copy, home)[name])
        same = code == 0 and said(copy, out) == references[name]
        if (found := verdict(name, code, same, out, err, file)) is not None:
            bad.append(found)
    return bad


def searched_again(world: World, folder: Path, file: str, expected: Any) -> list[tuple[str, str]]:
    """Return what is bad about a search that goes on in a damaged folder, and after the advice that it gives."""
    code, out, err = run_here(*world.search(folder))
    # Of a log SQLite takes what comes before the damage: what was learnt may have outlived the rows of its teacher.
    lacks = file.endswith("-wal")
    same = code == 0 and is_the_same(result_of(folder), expected, lacks_rows=lacks)
    if (bad := verdict("search", code, same, out, err, file)) is not None:
        return [bad]
    if same:
        return []
    if code == 0:
        return [("differing results", f"search on {file}")]
    more = ("--repair",) if "--repair" in err else ()
    if not more:
        (folder / file).unlink()
    code, _, err = run_here(*world.search(folder, *more))
    if code == 0 and is_the_same(result_of(folder), expected, lacks_rows=True):
        return []
    if code == 1 and "cannot be repaired" in err and "Put back a whole copy" in err:
        return []
    return [("differing results", f"the advice does not help: {file}: {err[-300:]}")]


def damages(world: World, count: int) -> Iterator[Outcome]:
    """Damage files of a finished folder, and of one whose search was killed."""
    finished = copied(world.whole, world.new("finished"))
    if (ended := run_here("audit", finished, "--networks", "2", "--json"))[0]:
        raise SystemExit(f"The audit of the trials fails: {ended}")
    references: dict[str, Any] = {}
    home = world.new("home")
    for name in commands(finished, home):
        copy = copied(finished, world.new("copy"))
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        code, out, err = run_here(*commands(copy, home)[name])
        if code:
            raise SystemExit(f"The undamaged folder cannot be read: {name}: {err}")
        references[name] = said(copy, out)
    again = copied(finished, world.new("again"))
    run_here(*world.search(again))
    share = count * 2 // 3
    for source, number, reference, expected in (
        (finished, share, references, result_of(again)),
        (world.half, count - share, None, world.expected),
    ):
        todo = plans(world, source, number)
        while todo:
            done = yield from _batch(world, source, todo[:BATCH], reference, expected)
            todo = todo[done:]


def _batch(
    world: World, source: Path, todo: list[tuple[str, str, int]], references: dict[str, Any] | None, expected: Any
) -> Iterator[Outcome]:
    """Try some in a process of their own; yield their outcomes and return how many there were."""

    def work() -> int:
        for name, kind, seed in todo:
            folder = copied(source, world.new("damaged"))
            print(json.dumps(["begin", damaged(folder / name, kind, seed)]), flush=True)
            bad = [] if references is None else read_by_all(world, folder, Path(name).name, references)
            bad += searched_again(world, folder, name, expected)
            print(json.dumps(["end", bad]), flush=True)
        return 0

    ended = begun(work, world.base / "damaged").wait(seconds=20 * BATCH)
    lines = [json.loads(line) for line in ended.out.splitlines() if line.startswith('["')]
    abouts = [line[1] for line in lines if line[0] == "begin"]
    bads = [line[1] for line in lines if line[0] == "end"]
    if len(bads) < len(abouts):
        bads.append(ill(ended) or [("unforeseen errors", ended.err[-300:])])
    if not abouts:
        raise SystemExit(f"The trials of damage cannot begin: {ended}")
    for (_, kind, _), about, bad in zip(todo, abouts, bads, strict=False):
        yield Outcome(NAMES[kind], about, tuple(map(tuple, bad)))
    return len(abouts)  # type: ignore[return-value]
