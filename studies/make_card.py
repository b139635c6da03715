"""Makes the card of a page that a script writes, or of what a command prints; the figures are made anew for it.

    python studies/make_card.py proxy_quality --page proxy_quality.md --command "python studies/proxy_quality.py"
    python studies/make_card.py audit --page audit.md --marks measured --command "python studies/audit.py --out runs/a"
    python studies/make_card.py demo --command "archsieve search demo --json"

A page gets a card only if its script, run in a copy of this checkout, writes the figures that the page has.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from archsieve._reading import parse_json
from archsieve.runs.provenance import processor, provenance
from archsieve.verifying.cards import Card
from archsieve.verifying.outputs import digest_of_output, figures_of_page, page_again, printed_by

FOLDER = Path(__file__).parents[1] / "docs" / "cards"


def main() -> None:
    """Run the command, compare, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--command", required=True)
    parser.add_argument("--page")
    parser.add_argument("--marks", nargs="+", default=[], help="parts of the page that the script writes; default: all")
    parser.add_argument("--documents", help="page that says what the command prints")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    content = {
        "kind": "page" if chosen.page else "output",
        "command": chosen.command,
        "seed": chosen.seed,
        "versions": provenance().versions,
        "processor": processor(),
    }
    begun = time.perf_counter()
    path = FOLDER / f"{chosen.name}.json"
    if chosen.page:
        content["page"] = chosen.page
        content |= {"marks": chosen.marks} if chosen.marks else {}
        card = Card(path, "page", chosen.command, chosen.seed, {}, "", "", content)
        figures, _ = page_again(card, runs_scripts=True)
        if differing := [figure for figure in figures if figure[1] != figure[2]]:
            raise SystemExit(f"{len(differing)} of {len(figures)} figures differ, the first: {differing[0]}")
        content["sha256"] = digest_of_output(figures_of_page(FOLDER.parent / chosen.page, chosen.marks))
    else:
        content |= {"documents": chosen.documents} if chosen.documents else {}
        content["output"] = parse_json(printed_by(chosen.command))
        content["sha256"] = digest_of_output(content["output"])
    content["seconds"] = round(time.perf_counter() - begun, 1)
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{path}: {content['seconds']} seconds")


if __name__ == "__main__":
    main()
