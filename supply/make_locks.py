"""Makes the locks of this Python on this platform anew: versions and SHA-256 as pip chooses them today.

    python3.11 supply/make_locks.py          # writes supply/locks/demo-*.txt and test-*.txt

What the demo needs has the versions that the tests have. Torch, and what only its builds for accelerators need, is left
out (see install.py). Nothing is installed but pip itself, in a folder that is deleted afterwards.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from install import EXTRAS, LOCKS, ROOT

BUILD = ("hatchling", "editables")  # what builds the checkout itself
LEFT_OUT = re.compile(r"archsieve|torch|triton|nvidia-.*|cuda-.*")


def chosen(python: Path, extras: str, constraints: list[Path]) -> dict[str, tuple[str, str]]:
    """Return version and SHA-256 of the files that pip would install, by name.

    Raises:
        SystemExit: one of them is no wheel, so that installing it would run its own code.
    """
    limits = [word for path in constraints for word in ("--constraint", str(path))]
    command = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--report", "-", *limits]
    process = subprocess.run(
        [*command, *BUILD, "--editable", f"{ROOT}[{extras}]"], capture_output=True, text=True, check=False
    )
    if process.returncode:
        sys.exit(process.stderr)
    packages = {}
    for item in json.loads(process.stdout)["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        if LEFT_OUT.fullmatch(name):
            continue
        if not item["download_info"]["url"].endswith(".whl"):
            sys.exit(f"{name} is no wheel: {item['download_info']['url'].rpartition('/')[2]}")
        packages[name] = (item["metadata"]["version"], item["download_info"]["archive_info"]["hashes"]["sha256"])
    return packages


def main() -> None:
    """Write both locks."""
    system = f"{sysconfig.get_platform()}-cp{sys.version_info.major}{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        venv.create(folder / "venv", with_pip=True, upgrade_deps=True)  # older resolvers find no solution
        constraints = [ROOT / "constraints.txt"]
        for target in ("test", "demo"):
            packages = chosen(folder / "venv/bin/python", EXTRAS[target], constraints)
            head = f"# What `make {target}` installs besides torch, on {system}. Made by supply/make_locks.py."
            lines = [f"{name}=={made} --hash=sha256:{digest}" for name, (made, digest) in sorted(packages.items())]
            (LOCKS / f"{target}-{system}.txt").write_text("\n".join([head, *lines, ""]))
            print(f"{target}-{system}.txt: {len(lines)} packages")
            own = folder / "versions.txt"
            own.write_text("".join(f"{name}=={version}\n" for name, (version, _) in packages.items()))
            constraints = [constraints[0], own]


if __name__ == "__main__":
    main()
