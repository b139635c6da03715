"""Disks that fill up for real: a search in a file system of limited size, or of few files, and again with more room."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from faults.place import command, in_child, rows_of
from faults.trials import Outcome, goes_on, ill, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faults.trials import World

_PAGE = 4096
_ROOM = "size=256m,nr_inodes=10000"


def refusal(base: Path) -> str:
    """Return why no file system can be mounted here; empty where it can."""
    try:
        with _mounted(base / "tried", _ROOM):
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        text = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        return " ".join(text.split()) or "mount failed"


def full_disks(world: World, count: int) -> Iterator[Outcome]:
    """Run a search where the room ends at so many places of it, then make room and go on.

    Two of three file systems have few bytes, the others few files. Nothing is tried where mounting is not allowed.
    """
    if why := refusal(world.base):
        print(f"Skipped: file systems of limited size, which cannot be mounted here: {why}", flush=True)
        return
    files = [file for file in world.whole.rglob("*") if file.is_file()]
    pages = sum(-(-file.stat().st_size // _PAGE) for file in files)
    inodes = len(list(world.whole.rglob("*")))
    for turn in range(count):
        share = (turn + 1) / count
        by_files = turn % 3 == 2
        limit = f"nr_inodes={3 + int(inodes * share)}" if by_files else f"size={_PAGE * max(2, int(pages * share))}"
        with _mounted(world.base / f"disk-{turn}", limit) as disk:
            folder = disk / "run"
            ended = in_child(command(*world.search(folder)), world.base / "elsewhere")  # where its words have room
            _remount(disk, _ROOM)  # also for the copies that the comparison makes
            bad = [*ill(ended), *sentence(ended, world, folder)]
            how = "survives it" if ended.code == 0 else ended.last_line[:120]
            yield Outcome("full file system", f"{limit}: {how}", (*bad, *goes_on(world, folder, rows_of(folder))))


@contextmanager
def _mounted(disk: Path, limit: str) -> Iterator[Path]:
    disk.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", limit, "archsieve-faults", disk)
        try:
            yield disk
        finally:
            _run("umount", "--lazy", disk)
    finally:
        disk.rmdir()


def _remount(disk: Path, limit: str) -> None:
    _run("mount", "-o", f"remount,{limit}", disk)


def _run(*words: object) -> None:
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, env=plain)
