"""The trials: what is done to a search, and what must come of it."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.place import (
    BYTES,
    FAIL_ON,
    FAIL_ONCE,
    KILL,
    KILL_HALFWAY,
    PLAN,
    Ended,
    Fault,
    begun,
    command,
    copied,
    in_child,
    leftovers,
    result_of,
    rows_of,
    writes_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BAD = (
    "lost rows",
    "differing results",
    "wrong accusations",
    "silent changes",
    "unforeseen errors",
    "crashes",
    "hangs",
    "over 2 GB",
    "code run",
)
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)


@dataclass(frozen=True)
class Outcome:
    """What came of one trial: its kind, what was done, and which bad things happened, each with a text."""

    kind: str
    about: str
    bad: tuple[tuple[str, str], ...] = ()


@dataclass
class World:
    """Folders of undisturbed searches, and a place for others."""

    base: Path
    seed: int
    plan: Path = field(init=False)
    whole: Path = field(init=False)
    half: Path = field(init=False)
    expected: dict[str, Any] = field(init=False)
    writes: int = field(init=False)
    drawn: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.drawn = random.Random(self.seed)  # noqa: S311 - which faults
        codes = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
        lines = [f"{a}-{b}-{c},{50 + 7 * a + 3 * b + c}.5" for a, b, c in codes]
        table = self.base / "table.csv"
        table.write_text("\n".join(["architecture,accuracy", *lines, ""]))
        self.plan = self.base / "plan.toml"
        self.plan.write_text(PLAN.format(seed=3, table=table))
        warm(self.plan, self.base / "warm")
        self.whole, self.half = self.base / "whole", self.base / "half"
        self.writes = writes_of(self.whole, *self.search(self.whole))
        self.expected = result_of(self.whole)
        in_child(command(*self.search(self.half)), self.half, fault=Fault(int(self.writes * 0.8), KILL))

    @cached_property
    def other(self) -> Path:
        """The folder of a search with another seed."""
        plan, folder = self.base / "other.toml", self.base / "other"
        plan.write_text(PLAN.format(seed=4, table=self.base / "table.csv"))
        if (ended := in_child(command("search", plan, "--out", folder), folder)).code:
            raise SystemExit(f"The other search fails: {ended}")
        return folder

    def search(self, folder: Path, *more: object) -> tuple[object, ...]:
        """Return the command of the search."""
        return ("search", self.plan, "--out", folder, *more)

    def new(self, name: str = "run") -> Path:
        """Return a folder that is not there."""
        folder = self.base / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


def warm(plan: Path, folder: Path) -> None:
    """Import all that a search needs, by one in this process."""
    from archsieve.cli import app

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        for arguments in (["search", plan, "--out", folder], ["report", folder, "--json"]):
            try:
                app([str(a) for a in arguments], standalone_mode=False)
            except SystemExit as end:
                raise SystemExit(f"The search of the trials fails: {errors.getvalue()}") from end
    shutil.rmtree(folder)


def ill(ended: Ended) -> list[tuple[str, str]]:
    """Return what must never happen to a process that nothing kills."""
    bad = []
    if ended.code is None:
        bad.append(("hangs", ""))
    elif ended.code < 0:
        bad.append(("crashes", f"signal {-ended.code}: {ended.err[-300:]}"))
    if "Traceback" in ended.err or "The traceback is in" in ended.err:
        bad.append(("unforeseen errors", ended.err[-400:]))
    if ended.peak > BYTES:
        bad.append(("over 2 GB", f"{ended.peak:,}"))
    return bad


def is_the_same(found: dict[str, Any], expected: dict[str, Any], *, lacks_rows: bool = False) -> bool:
    """Whether a search ended as it must; some rows may be lacking that nobody needs any more, such as a lesson's."""
    if not lacks_rows:
        return found == expected
    pairs = [({tuple(row) for row in found[key]}, {tuple(row) for row in expected[key]}) for key in ("rows", "taught")]
    return all(found[key] == expected[key] for key in ("result", "asked")) and all(some <= most for some, most in pairs)


def goes_on(
    world: World, folder: Path, before: set[tuple[Any, ...]], *more: object, lacks_rows: bool = False
) -> list[tuple[str, str]]:
    """Return what is bad about the next start, which must end as the undisturbed search, and lose nothing."""
    ended = in_child(command(*world.search(folder, *more)), folder)
    bad = ill(ended)
    if ended.code != 0 and not bad:
        accuses = "damage" in ended.err
        bad.append(("wrong accusations" if accuses else "differing results", ended.last_line))
    if ended.code != 0:
        return bad
    if lost := before - rows_of(folder):
        bad.append(("lost rows", f"{len(lost)}: {sorted(map(str, lost))[0]}"))
    found = result_of(folder)
    if not is_the_same(found, world.expected, lacks_rows=lacks_rows):
        parts = [key for key in found if found[key] != world.expected[key]]
        bad.append(("differing results", f"{parts}"))
    if left := leftovers(folder):
        bad.append(("unforeseen errors", f"temporary files stay: {left}"))
    return bad


# Kills


def spread(world: World, turn: int, count: int) -> int:
    """Return the number of a write, of so many that are spread over a search; another seed gives others."""
    return 1 + ((2 * turn + world.seed % 2) * world.writes) // (2 * count)


def kills(world: World, count: int) -> Iterator[Outcome]:
    """Kill a search at writes that are spread over it, before or in the middle of them."""
    for turn in range(count):
        number = spread(world, turn, count)
        action = KILL_HALFWAY if turn % 3 == 2 else KILL
        folder = world.new()
        ended = in_child(command(*world.search(folder)), folder, fault=Fault(number, action))
        bad = [] if ended.code in (-9, 0) else [("unforeseen errors", f"{ended}")]
        yield Outcome(
            "kill at a write", f"{number} of {world.writes}", (*bad, *goes_on(world, folder, rows_of(folder)))
        )


def kills_again(world: World, every: int) -> Iterator[Outcome]:
    """Kill a search again and again, each time so many writes after it went on."""
    folder, before, killed = world.new(), set(), 0
    bad: list[tuple[str, str]] = []
    while killed < 200:
        ended = in_child(command(*world.search(folder)), folder, fault=Fault(every, KILL))
        if lost := before - (now := rows_of(folder)):
            bad.append(("lost rows", f"{len(lost)}"))
        before, killed = now, killed + 1
        if ended.code != -9:
            bad += ill(ended)
            break
    yield Outcome("kill again and again", f"{killed} times", (*bad, *goes_on(world, folder, before)))


def random_kills(world: World, count: int, *more: object, kind: str) -> Iterator[Outcome]:
    """Kill a search and its workers at random moments."""
    folder = world.new()
    begin = time.monotonic()
    first = in_child(command(*world.search(folder, *more)), folder)
    length = time.monotonic() - begin
    yield Outcome(kind, "undisturbed", (*ill(first), *goes_on(world, folder, rows_of(folder), *more)))
    for _ in range(count - 1):
        folder, after = world.new(), length * world.drawn.random()
        in_child(command(*world.search(folder, *more)), folder, kill_after=after)
        yield Outcome(kind, f"after {after:.2f} s", tuple(goes_on(world, folder, rows_of(folder), *more)))


# Writes that fail


def failures(world: World, count: int) -> Iterator[Outcome]:
    """Let writes fail that are spread over a search, one alone or all from there on."""
    for turn in range(count):
        number, code = spread(world, turn, count), ERRORS[turn % len(ERRORS)]
        action = FAIL_ONCE if turn % 8 > 5 else FAIL_ON
        folder = world.new()
        ended = in_child(command(*world.search(folder)), folder, fault=Fault(number, action, code))
        about = f"{errno.errorcode[code]} {'at' if action == FAIL_ONCE else 'from'} write {number} of {world.writes}"
        bad = [*ill(ended), *sentence(ended, world, folder)]
        yield Outcome("failing write", about, (*bad, *goes_on(world, folder, rows_of(folder))))


def sentence(ended: Ended, world: World, folder: Path) -> list[tuple[str, str]]:
    """Return what is bad about the words of a search that could not write."""
    if ended.code == 0:
        return [] if result_of(folder) == world.expected else [("silent changes", "another result")]
    if ended.code != 1 or not ended.last_line.startswith("Error: ") or str(folder) not in ended.err:
        return [("unforeseen errors", ended.err[-300:])]
    if "damage" in ended.err:
        return [("wrong accusations", ended.last_line)]
    return []


# Limits of the machine


def limits(world: World, count: int) -> Iterator[Outcome]:
    """Run a search with little memory, short files and few descriptors."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    tries: list[tuple[str, int, int]] = []
    for turn in range(count):
        share = (turn + 1) / count
        tries.append(("file size", resource.RLIMIT_FSIZE, int(60_000 * share**2) // 512 * 512 + 100 * (turn % 2)))
        tries.append(("descriptors", resource.RLIMIT_NOFILE, 3 + int(14 * share)))
        tries.append(("memory", resource.RLIMIT_AS, used + int((24 << 20) * share**2)))
    for name, kind, most in tries:
        folder = world.new()
        ended = in_child(command(*world.search(folder)), folder, limits=((kind, most),))
        bad = ill(ended)
        if ended.code == 0 and result_of(folder) != world.expected:
            bad.append(("silent changes", "another result"))
        if ended.code != 0 and "damage" in ended.err:
            bad.append(("wrong accusations", ended.last_line))
        before = {row for row in rows_of(folder) if row[5] is None}
        yield Outcome(f"limit of {name}", f"{most:,}", (*bad, *goes_on(world, folder, before)))


def clocks(world: World, count: int) -> Iterator[Outcome]:
    """Set the clock back in the middle of a search, and for the next start."""
    real = time.time
    for turn in range(count):
        folder = world.new()
        number = 1 + (turn * world.writes) // count
        in_child(command(*world.search(folder)), folder, fault=Fault(number, KILL))
        before = rows_of(folder)
        for file in folder.rglob("*"):
            with suppress(OSError):
                os.utime(file, (real() + 86_400, real() + 86_400))
        turns = iter(range(10**9))
        time.time = lambda turns=turns: real() - 86_400 - 60 * next(turns)  # and it runs backwards
        try:
            bad = goes_on(world, folder, before)
        finally:
            time.time = real
        yield Outcome("clock set back", f"after write {number}", tuple(bad))


# Several processes on one folder


def drivers(world: World, number: int) -> Iterator[Outcome]:
    """Start several searches in one folder at once; the others are told that it is in use."""
    folder = world.new()
    children = [begun(command(*world.search(folder)), folder) for _ in range(number)]
    bad: list[tuple[str, str]] = []
    for ended in [child.wait() for child in children]:
        bad += ill(ended)
        if ended.code not in (0, 1) or (ended.code == 1 and "in use by another" not in ended.err):
            bad.append(("unforeseen errors", ended.err[-300:]))
    yield Outcome(f"{number} drivers", "", (*bad, *goes_on(world, folder, rows_of(folder))))


def readers(world: World, count: int) -> Iterator[Outcome]:
    """Read a folder again and again while a search writes to it, and while it is killed."""
    from faults.damage import run_here

    def read() -> int:
        texts, numbers = [], 0
        while not (folder / "stop").exists():
            for arguments in (("report", folder, "--json"), ("report", folder, "--csv")):
                code, _, err = run_here(*arguments)
                numbers += 1
                if code != 0 and "is not a run folder" not in err and "There is no run.json" not in err:
                    texts.append(err)
        print(f"{numbers} readings; {texts[:3]}")
        return min(len(texts), 100)

    for turn in range(count):
        folder = world.new()
        folder.mkdir()
        reading = [begun(read, folder) for _ in range(2)]
        fault = Fault(1 + (turn * world.writes) // count, KILL) if turn else None
        try:
            in_child(command(*world.search(folder)), folder, fault=fault)
            bad = goes_on(world, folder, rows_of(folder))
        finally:  # or they read for ever
            (folder / "stop").touch()
        for ended in [child.wait() for child in reading]:
            bad += ill(ended)
            if ended.code:
                accuses = "damage" in ended.out
                bad.append(("wrong accusations" if accuses else "unforeseen errors", ended.out[-300:]))
        yield Outcome("readers beside a driver", f"turn {turn}", tuple(bad))


# Artifacts


def artifacts(world: World) -> Iterator[Outcome]:
    """Take away, halve or exchange each file that a search keeps beside its results, and all of them."""
    names = sorted(str(f.relative_to(world.half)) for f in world.half.glob("artifacts/*/[!.]*") if f.is_file())
    actions: dict[str, Callable[[Path], object]] = {
        "missing": lambda file: file.unlink(),
        "halved": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
        "empty": lambda file: file.write_bytes(b""),
        "foreign": lambda file: file.write_bytes(_foreign(world, file).read_bytes()),
    }
    for name in names:
        for what, act in actions.items():
            folder = copied(world.half, world.new())
            act(folder / name)
            yield Outcome("artifact", f"{what}: {name}", tuple(named_or_the_same(world, folder, Path(name).name)))
    folder = copied(world.half, world.new())
    shutil.rmtree(folder / "artifacts")
    yield Outcome("artifact", "all missing", tuple(goes_on(world, folder, rows_of(folder))))
    folder = copied(world.half, world.new())
    for file in folder.glob("results.sqlite*"):
        file.unlink()
    yield Outcome("artifact", "results missing", tuple(goes_on(world, folder, set(), lacks_rows=True)))


def _foreign(world: World, file: Path) -> Path:
    """Return a file of the same kind that another search made."""
    others = [f for f in world.other.glob(f"artifacts/*/*{file.suffix}") if f.is_file()]
    same = [f for f in others if f.name == file.name]
    if not same + others:
        raise SystemExit(f"The other search kept no {file}: {sorted(world.other.rglob('*'))}")
    return (same + others)[0]


def named_or_the_same(world: World, folder: Path, name: str) -> list[tuple[str, str]]:
    """Return what is bad about a search whose file was damaged: it ends the same, or names it and goes on without."""
    before = rows_of(folder)
    ended = in_child(command(*world.search(folder)), folder)
    bad = ill(ended)
    if ended.code == 0:
        same = result_of(folder) == world.expected
        return bad if same else [*bad, ("silent changes", "another result")]
    if name not in ended.err:
        return [*bad, ("unforeseen errors", f"does not name {name}: {ended.last_line}")]
    for file in folder.rglob(name):
        if str(file) in ended.err:
            file.unlink()
    return [*bad, *goes_on(world, folder, before)]
