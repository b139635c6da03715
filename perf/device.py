"""Prove the package on the accelerator that is here, in at most ten minutes on a card of the H100's class.

    python perf/device.py                                    # everything, on synthetic pictures
    python perf/device.py --cifar FOLDER                     # on CIFAR-10, and the table beside it
    python perf/device.py --tiny                             # the same parts on a CPU, in seconds
    python perf/device.py --table FILE.jsonl                 # the table of a run, finished or cut off

Every result is a line of JSON as soon as it is there, so that a run that is cut off counts as far as it came. Started
again with the same file and options, it goes on with the part in which it was cut off. One part that fails is recorded
with its error, and the others go on. docs/device.md says what the parts are, what they cost and what the machine needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]


def main() -> None:
    """Run the parts, and print the table."""
    from device_parts.setting import arguments, setting_of

    chosen = arguments(__doc__)
    if chosen.table is None:
        from device_parts.run import run

        run(setting_of(chosen), chosen.out)
    from device_parts.lines import read_lines, table_of

    print(table_of(read_lines(chosen.table or chosen.out)))


if __name__ == "__main__":
    main()
