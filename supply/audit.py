"""Looks the installed packages up in the database of known vulnerabilities, by pip-audit.

    .venv/bin/python supply/audit.py --pip-audit .venv-audit/bin/pip-audit

Ends with 0 where all packages were looked up and no vulnerability is known, with 1 where some are known, and with 2
where packages could not be looked up: of those nothing is said. This package itself is not in the index.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

OWN = "archsieve"
NEEDS = "It needs the package pip-audit and an answer of pypi.org to https://pypi.org/pypi/NAME/VERSION/json."
STILL = (
    "Whether a vulnerability is known in them was not found out. What is known without the index: `make demo` and "
    "`make test` install what supply/locks names, every file checked against its recorded SHA-256."
)


class NotAskedError(Exception):
    """pip-audit could not ask, or its answer is none."""


def answer(command: list[str | Path]) -> list[dict]:
    """Return the packages of pip-audit's report.

    Raises:
        NotAskedError: it does not run, or does not report on packages.
    """
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotAskedError(str(error)) from error
    last = (process.stderr.strip().splitlines() or [f"pip-audit ended with {process.returncode}"])[-1][:300]
    try:
        packages = json.loads(process.stdout)["dependencies"]
        faults = [fault["id"] for each in packages for fault in each.get("vulns", ())]
        known = all("skip_reason" in each or {"name", "version", "vulns"} <= each.keys() for each in packages)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAskedError(last) from error
    if process.returncode not in (0, 1) or (process.returncode == 1 and not faults):
        raise NotAskedError(last)
    if not packages or not known:
        raise NotAskedError("pip-audit reports on no package" if not packages else "its report is incomplete")
    return packages


def main() -> None:
    """Run pip-audit, and say in sentences what was asked, what was found, and what is not known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pip-audit", type=Path, default=Path("pip-audit"))
    parser.add_argument("--path", default=sysconfig.get_path("purelib"), help="folder of the installed packages")
    chosen = parser.parse_args()
    command = [chosen.pip_audit, "--path", chosen.path, "--format", "json", "--progress-spinner", "off"]
    try:
        packages = answer([*command, "--timeout", "15"])
    except NotAskedError as error:
        print(f"Nothing was audited: {error}. {NEEDS}\n{STILL}", file=sys.stderr)
        sys.exit(2)
    skipped = [each for each in packages if "skip_reason" in each and each.get("name") != OWN]
    asked = [each for each in packages if "skip_reason" not in each]
    if not asked:
        print(f"Nothing was audited: the index here answered for none of {len(packages)} packages. {NEEDS}\n{STILL}")
        sys.exit(2)
    known = [(each["name"], each["version"], fault) for each in asked for fault in each["vulns"]]
    for name, version, fault in known:
        print(f"{name} {version}: {fault['id']}, fixed in {', '.join(fault.get('fix_versions', ())) or 'no version'}")
    print(f"{len(asked)} packages looked up, {len(known)} known vulnerabilities in them.")
    if skipped:
        names = ", ".join(str(each.get("name")) for each in skipped)
        print(f"Not looked up, {len(skipped)}: {names}. The first: {skipped[0]['skip_reason']}.\n{STILL}")
    sys.exit(1 if known else 2 if skipped else 0)


if __name__ == "__main__":
    main()
