"""Kills, failing writes, damage, limits and crowds: what a search survives, as counts.

    python -m faults.run --kills 100 --failures 104 --damages 360 --out DIR        # in tests/

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
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from faults.place import preloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.trials import Outcome, World


def chosen_trials(world: World, chosen: argparse.Namespace) -> Iterator[Outcome]:
    """Yield the outcomes of all kinds of trials."""
    from faults import damage, trials

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
        "ray": lambda: trials.random_kills(world, 3, "--ray", "--workers", "2", kind="kill of driver and Ray"),
    }
    for name, begin in kinds.items():
        if name in chosen.kinds:
            yield from begin()


def table(outcomes: list[Outcome]) -> str:
    """Return the counts as Markdown."""
    from faults.trials import BAD

    lines = [f"| trial | injected | survived | {' | '.join(BAD)} |", "|---" * (len(BAD) + 3) + "|"]
    for kind in [*dict.fromkeys(o.kind for o in outcomes), "all"]:
        of_kind = [o for o in outcomes if kind in ("all", o.kind)]
        counts = Counter(bad for o in of_kind for bad in {name for name, _ in o.bad})
        survived = sum(not o.bad for o in of_kind)
        cells = (f"{counts[name]:,}" for name in BAD)
        lines.append(f"| {kind} | {len(of_kind):,} | {survived:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Try all kinds, print what is bad as it comes and the counts at the end; leave with 1 if anything is bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--failures", type=int, default=104)
    parser.add_argument("--damages", type=int, default=360)
    parser.add_argument("--others", type=int, default=6, help="Trials of each other kind; 0: none.")
    kinds = "damage artifacts kills again failures random limits clock drivers readers workers"
    parser.add_argument("--kinds", default=kinds, help="Also: ray.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=900, help="Begin no trial after so long.")
    parser.add_argument("--out", type=Path, help="Folder for counts.json and counts.md.")
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
                write(chosen.out, outcomes, chosen.seed, time.monotonic() - begin)
            if time.monotonic() - begin > chosen.seconds:
                print("The time is over.", flush=True)
                break
    print(table(outcomes))
    sys.exit(1 if any(o.bad for o in outcomes) else 0)


def write(folder: Path, outcomes: list[Outcome], seed: int, seconds: float) -> None:
    """Write the counts so far, and every trial that had something bad."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "counts.md").write_text(table(outcomes) + "\n")
    bad = [{"kind": o.kind, "about": o.about, "bad": o.bad} for o in outcomes if o.bad]
    kinds = Counter(o.kind for o in outcomes)
    content = {"seed": seed, "seconds": round(seconds), "injected": len(outcomes), "kinds": kinds, "bad": bad}
    (folder / "counts.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
