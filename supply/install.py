"""Installs this checkout and what a target of the Makefile needs: by a lock with hashes where one fits.

    .venv/bin/python supply/install.py demo          # what `make demo` needs; or: test
    .venv/bin/python supply/install.py demo --no-lock

With a lock of this Python on this platform, every package but torch is the very file whose SHA-256 the lock names, and
none is built here. Torch is not in a lock, since its builds for different processors and accelerators have one version:
it is installed by its version alone, with what it needs beyond the lock. Without a lock that fits, pip chooses versions
within `constraints.txt`.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = Path(__file__).with_name("locks")
EXTRAS = {"demo": "torch,data", "test": "all,dev,docs"}
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
COMPILE = [sys.executable, "-m", "compileall", "-qq", "-j", "0", sysconfig.get_path("purelib")]
"""What pip does on one core, on all of them."""


def lock_of(target: str, folder: Path = LOCKS) -> Path | None:
    """Return the lock of a target for this Python on this platform; None where there is none."""
    is_glibc = platform.libc_ver()[0] == "glibc"
    system = f"{sysconfig.get_platform()}-cp{sys.version_info.major}{sys.version_info.minor}"
    path = folder / f"{target}-{system}.txt"
    return path if is_glibc and path.is_file() and sys.implementation.name == "cpython" else None


def commands(target: str, lock: Path | None) -> list[list[str]]:
    """Return the commands that install a target."""
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    checkout = f"{ROOT}[{EXTRAS[target]}]"
    if lock is None:
        return [[*PIP, *constraints, "--editable", checkout]]
    return [
        [*PIP, "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(lock)],
        [*PIP, *constraints, "torch"],
        [*PIP, *constraints, "--no-build-isolation", "--editable", checkout],
    ]


def main() -> None:
    """Install, and say by which lock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=EXTRAS)
    parser.add_argument("--no-lock", action="store_true", help="choose versions by constraints.txt alone")
    chosen = parser.parse_args()
    lock = None if chosen.no_lock else lock_of(chosen.target)
    print(
        f"Installing for `{chosen.target}`: {f'locked by {lock.name}' if lock else 'by constraints.txt'}.", flush=True
    )
    for command in commands(chosen.target, lock):
        if subprocess.run(command, check=False).returncode:
            hint = "" if lock is None else " To install without the lock: make LOCK=no TARGET."
            sys.exit(f"The packages for `{chosen.target}` could not be installed.{hint}")
    subprocess.run(COMPILE, check=False)  # some packages hold files for newer Pythons: what does not compile stays


if __name__ == "__main__":
    main()
