"""Kills, failing writes, damage, limits and crowds: what a search survives, as counts.

    python -m faults.run --kills 100 --failures 104 --damages 360 --out ../studies/trust     # in tests/

One warm process forks a child for every trial. A library between the program and the C library counts the writes below
the run folder, ends the process at one of them or lets it fail. After each trial the next start must end as the
undisturbed search, with every row that was stored; or say in a sentence what is damaged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from faults.place import preloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.trials import Outcome, World


def chosen_trials(world: World, chosen: argparse.Namespace) -> Iterator[Outcome]:
    """Yield the outcomes of all kinds of trials."""
    from faults import damage, room, trials

    kinds = {
        "damage": lambda: damage.damages(world, chosen.damages),
        "artifacts": lambda: trials.artifacts(world) if chosen.others else iter(()),
        "kills": lambda: trials.kills(world, chosen.kills),
        "again": lambda: trials.kills_again(world, max(7, world.writes // 60)) if chosen.others else iter(()),
        "failures": lambda: trials.failures(world, chosen.failures),
        "random": lambda: trials.random_kills(world, 4 * chosen.others, kind="kill at a random moment"),
        "limits": lambda: trials.limits(world, 2 * chosen.others),
        "clock": lambda: trials.clocks(world, chosen.others),
        "drivers": lambda: (o for n in (2, 8)[: chosen.others] for o in trials.drivers(world, n)),
        "readers": lambda: trials.readers(world, chosen.others),
        "workers": lambda: trials.random_kills(
            world, chosen.others, "--workers", "2", kind="kill of driver and two workers"
        ),
        "room": lambda: room.full_disks(world, 4 * chosen.others),
        "ray": lambda: ray_kills(world, chosen.others),
    }
    for name, begin in kinds.items():
        if name in chosen.kinds:
            yield from begin()


def ray_kills(world: World, count: int) -> Iterator[Outcome]:
    """Kill searches on Ray, where it is installed."""
    from faults import trials

    if find_spec("ray") is None:
        print("Skipped: kills on Ray, which is not installed.", flush=True)
    elif count:
        yield from trials.random_kills(world, count, "--ray", "--workers", "2", kind="kill of driver and Ray")


def counts_of(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    """Return how many trials of each kind there were, survived, and had each bad thing."""
    from faults.trials import BAD

    counts: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        of_kind = counts.setdefault(outcome.kind, dict.fromkeys(("injected", "survived", *BAD), 0))
        for name in ("injected", *(["survived"] if not outcome.bad else []), *{name for name, _ in outcome.bad}):
            of_kind[name] += 1
    return counts


def table(counts: dict[str, dict[str, int]]) -> str:
    """Return the counts as Markdown, with their sums."""
    names = list(next(iter(counts.values())))
    sums = {name: sum(of_kind[name] for of_kind in counts.values()) for name in names}
    lines = [f"| trial | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {k} | {' | '.join(f'{c[n]:,}' for n in names)} |" for k, c in {**counts, "all": sums}.items()]
    return "\n".join(lines)


def main() -> None:
    """Try all kinds, print what is bad as it comes and the counts at the end; leave with 1 if anything is bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--failures", type=int, default=104)
    parser.add_argument("--damages", type=int, default=420)
    parser.add_argument("--others", type=int, default=6, help="Trials of each other kind; 0: none.")
    kinds = "damage artifacts kills again failures random limits clock drivers readers workers room ray"
    parser.add_argument("--kinds", default=kinds)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=900, help="Begin no trial after so long.")
    parser.add_argument("--out", type=Path, help="Folder for faults.json, the counts.")
    chosen = parser.parse_args()
    chosen.kinds = chosen.kinds.split()
    preloaded(["-m", "faults.run", *sys.argv[1:]])
    import torch

    torch.set_num_threads(1)
    from faults.trials import World

    begin, outcomes = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="archsieve-faults-") as base:
        world = World(Path(base), chosen.seed)
        print(f"An undisturbed search takes {world.writes} writes.", flush=True)
        for outcome in chosen_trials(world, chosen):
            outcomes.append(outcome)
            for name, text in outcome.bad:
                print(f"{name}: {outcome.kind}, {outcome.about}: {text}", flush=True)
            if chosen.out is not None:
                write(chosen.out, outcomes, chosen.seed)
            if time.monotonic() - begin > chosen.seconds:
                print("The time is over.", flush=True)
                break
    print(table(counts_of(outcomes)))
    sys.exit(1 if any(o.bad for o in outcomes) else 0)


def write(folder: Path, outcomes: list[Outcome], seed: int) -> None:
    """Write the counts so far and what was bad; kinds that another run of this wrote there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    path, earlier = folder / "faults.json", {"counts": {}, "bad": []}
    if path.exists():
        earlier = json.loads(path.read_text())
    counts = counts_of(outcomes)
    kept = [bad for bad in earlier["bad"] if bad["kind"] not in counts]
    bad = kept + [{"kind": o.kind, "about": o.about, "bad": o.bad} for o in outcomes if o.bad]
    counts = {**{kind: of for kind, of in earlier["counts"].items() if kind not in counts}, **counts}
    path.write_text(json.dumps({"seed": seed, "counts": counts, "bad": bad}, indent=1) + "\n")


if __name__ == "__main__":
    main()
