"""Looks the installed packages up in the database of known vulnerabilities, by pip-audit.

    .venv/bin/python supply/audit.py --pip-audit .venv-audit/bin/pip-audit

Ends with 0 where none is known, with 1 where some are, and with 2 where nothing could be looked up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

NEEDS = "It needs the package pip-audit and an answer of pypi.org to https://pypi.org/pypi/NAME/VERSION/json."


def main() -> None:
    """Run pip-audit, and say in a sentence what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pip-audit", type=Path, default=Path("pip-audit"))
    parser.add_argument("--path", default=sysconfig.get_path("purelib"), help="folder of the installed packages")
    chosen = parser.parse_args()
    command = [chosen.pip_audit, "--path", chosen.path, "--format", "json", "--progress-spinner", "off"]
    try:
        process = subprocess.run([*command, "--timeout", "15"], capture_output=True, text=True, check=False)
        report = json.loads(process.stdout)
    except (OSError, ValueError) as error:
        reason = (
            str(error) if isinstance(error, OSError) else (process.stderr.strip().splitlines() or ["no reason"])[-1]
        )
        print(f"Nothing was audited: {reason[:300]}\n{NEEDS}", file=sys.stderr)
        sys.exit(2)
    packages = report["dependencies"]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    if len(skipped) == len(packages):
        print(
            f"Nothing was audited: the index here knows none of {len(packages)} packages' faults.\n{NEEDS}",
            file=sys.stderr,
        )
        sys.exit(2)
    known = [(each["name"], each["version"], fault) for each in packages for fault in each.get("vulns", ())]
    for name, version, fault in known:
        print(f"{name} {version}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no version'}")
    if skipped:
        print(f"Not looked up, {len(skipped)}: {', '.join(skipped)}")
    print(f"{len(packages) - len(skipped)} packages looked up, {len(known)} known vulnerabilities.")
    sys.exit(1 if known else 0)


if __name__ == "__main__":
    main()
