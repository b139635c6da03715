"""Builds the wheel and the source distribution, installs each into clean environments, and uses it there.

    .venv/bin/python supply/package_check.py                  # every Python from 3.11 at hand
    .venv/bin/python supply/package_check.py python3.12       # this one

In each environment: the version, all lists, and a judgement of a file; with the extras `torch` and `data` also scores
of networks on the embedded digits. Torch is installed for Python 3.11 alone (--torch all: for every Python, which may
fetch gigabytes of libraries for accelerators).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAST = (3, 11)
NEEDED = (
    "archsieve/plans/demo.toml",
    "archsieve/benchmarks/digits.npz",
    "archsieve/report/page.html",
    "archsieve/py.typed",
)
SCORES = "architecture,truth,params\n" + "".join(f"{i},{i * i % 17},{i % 5}\n" for i in range(20))
SMOKE = [["--version"], ["list", "--json"], ["judge", "scores.csv", "--truth", "truth", "--json"]]
WITH_TORCH = [["score", "nasbench-macro", "00000000", "22222222", "--proxy", "nwot", "--task", "digits", "--json"]]


def pythons() -> list[str]:
    """Return the interpreters at hand that the package supports, one of each version."""
    places = [*os.environ.get("PATH", "").split(os.pathsep)]
    places += [str(path) for path in sorted(Path.home().glob(".pyenv/versions/*/bin"))]
    found: dict[tuple[int, int], str] = {}
    for place in places:
        for path in sorted(Path(place).glob("python3.[0-9]*")):
            if not path.name.removeprefix("python3.").isdigit():
                continue
            code = "import json, sys, ssl, venv; print(json.dumps(sys.version_info[:2]))"
            process = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
            if process.returncode == 0 and (version := tuple(json.loads(process.stdout))) >= LEAST:
                found.setdefault(version, str(path))
    return [found[version] for version in sorted(found)]


def run(*words: object, cwd: Path | None = None) -> str:
    """Return what a program prints; end with its errors where it fails."""
    process = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, check=False)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{process.stdout[-2000:]}{process.stderr[-4000:]}")
    return process.stdout


def built(folder: Path) -> list[Path]:
    """Return the wheel and the source distribution of this checkout."""
    run(sys.executable, "-m", "hatchling", "build", "-d", folder / "dist", cwd=ROOT)
    wheel, source = sorted((folder / "dist").iterdir(), key=lambda path: path.suffix, reverse=True)
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    if missing := [name for name in NEEDED if name not in names]:
        sys.exit(f"The wheel lacks {', '.join(missing)}.")
    if strange := [name for name in names if not name.startswith(("archsieve/", "archsieve-"))]:
        sys.exit(f"The wheel has files of no package: {', '.join(strange[:5])}.")
    return [wheel, source]


def check(python: str, distribution: Path, extras: str, folder: Path) -> str:
    """Install a distribution into a clean environment, use it, and return what was installed."""
    shutil.rmtree(folder, ignore_errors=True)
    run(python, "-m", "venv", folder)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = ["--constraint", ROOT / "constraints.txt"] if "torch" in extras else []
    run(*pip, *constraints, f"{distribution}{extras}")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "scores.csv").write_text(SCORES)
    for words in [*SMOKE, *(WITH_TORCH if "torch" in extras else [])]:
        printed = run(folder / "bin/archsieve", *words, cwd=elsewhere)
        if "--json" in words and not json.loads(printed):
            sys.exit(f"archsieve {' '.join(words)} printed nothing.")
    return str(len(json.loads(run(*pip[:3], "list", "--format", "json"))))


def main() -> None:
    """Check every distribution on every Python."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*", help="interpreters; all at hand if none is named")
    parser.add_argument("--torch", nargs="*", default=["3.11"], help="versions of Python with torch, or all")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="archsieve-") as temporary:
        folder = Path(temporary)
        distributions = built(folder)
        for python in chosen.pythons or pythons():
            version = run(python, "-c", "import platform; print(platform.python_version())").strip()
            has_torch = "all" in chosen.torch or version.rpartition(".")[0] in chosen.torch
            for distribution in distributions:
                for extras in ["", *(["[torch,data]"] if has_torch and distribution.suffix == ".whl" else [])]:
                    packages = check(python, distribution, extras, folder / "venv")
                    print(f"Python {version}: {distribution.name}{extras}: good, {packages} packages", flush=True)


if __name__ == "__main__":
    main()
