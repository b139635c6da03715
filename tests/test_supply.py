"""The locks: what they name is what the package asks for, and they are used where they fit and only there."""

import platform
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "supply" / "locks").glob("*.txt"))
LINE = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:([0-9a-f]{64})")


def loaded(name):
    spec = spec_from_file_location(name, ROOT / "supply" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INSTALL = loaded("install")


def locked(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {match[1]: (match[2], match[3]) for match in map(LINE.fullmatch, lines)}


def wanted(extras):
    """Return the requirements of the package with these extras, those of the extras that they name included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    todo, done = [*map(Requirement, project["dependencies"]), Requirement(f"archsieve[{extras}]")], []
    while todo:
        requirement = todo.pop()
        if requirement.name != "archsieve":
            done.append(requirement)
            continue
        todo += [Requirement(line) for extra in requirement.extras for line in project["optional-dependencies"][extra]]
    return done


def test_there_is_a_lock_of_both_targets():
    assert {path.name.partition("-")[0] for path in LOCKS} == set(INSTALL.EXTRAS)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_a_hash_of_everything_that_the_package_asks_for_but_torch(path):
    target, _, system = path.stem.partition("-")
    packages = locked(path)
    assert "torch" not in packages
    assert {"hatchling", "editables"} <= packages.keys()  # so that building the checkout fetches nothing
    for requirement in wanted(INSTALL.EXTRAS[target]):
        here = requirement.marker is None or requirement.marker.evaluate({"sys_platform": "linux"})
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if here and name != "torch":
            assert requirement.specifier.contains(Version(packages[name][0]), prereleases=True), name
    whole = locked(path.with_name(f"test-{system}.txt"))
    assert packages.items() <= whole.items()
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        assert line.startswith("#") or name == "torch" or whole[name][0] == version


def test_a_lock_is_used_where_platform_and_python_fit_and_only_there(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    assert INSTALL.lock_of("demo", tmp_path) is None
    system = f"{INSTALL.sysconfig.get_platform()}-cp{sys.version_info.major}{sys.version_info.minor}"
    path = tmp_path / f"demo-{system}.txt"
    path.write_text("")
    (tmp_path / "test-linux-x86_64-cp38.txt").write_text("")
    assert INSTALL.lock_of("demo", tmp_path) == path
    assert INSTALL.lock_of("test", tmp_path) is None
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))  # as of musl
    assert INSTALL.lock_of("demo", tmp_path) is None


def test_with_a_lock_hashes_are_required_and_nothing_is_built():
    first, torch, checkout = INSTALL.commands("demo", Path("lock.txt"))
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(first)
    assert torch[-1] == "torch"
    assert "--no-build-isolation" in checkout
    (plain,) = INSTALL.commands("test", None)
    assert plain[-1].endswith("[all,dev,docs]")


A = '{"name": "a", "version": "1", "vulns": []}'
BAD = '{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}'
UNKNOWN = '{"name": "b", "skip_reason": "it is not there"}'
OWN = '{"name": "archsieve", "skip_reason": "it is not there"}'


@pytest.mark.parametrize(
    ("dependencies", "ended", "code", "words"),
    [
        (None, 1, 2, ["Nothing was audited: no route", "was not found out"]),
        ("", 0, 2, ["Nothing was audited: pip-audit reports on no package"]),
        (UNKNOWN, 0, 2, ["answered for none of 1 packages", "was not found out"]),
        (f"{UNKNOWN}, {OWN}", 0, 2, ["answered for none of 2 packages"]),
        (A, 0, 0, ["1 packages looked up, 0 known"]),
        (f"{A}, {OWN}", 0, 0, ["1 packages looked up, 0 known"]),
        (f"{A}, {UNKNOWN}", 0, 2, ["1 packages looked up, 0 known", "Not looked up, 1: b", "was not found out"]),
        (f"{BAD}, {UNKNOWN}", 1, 1, ["a 1: X-1, fixed in 2", "Not looked up, 1: b"]),
        (BAD, 0, 1, ["a 1: X-1, fixed in 2"]),
        (A, 1, 2, ["Nothing was audited: no route"]),
        (A, 137, 2, ["Nothing was audited: no route"]),
        ('{"name": "a", "version": "1"}', 0, 2, ["its report is incomplete"]),
        ("17", 0, 2, ["Nothing was audited"]),
    ],
)
def test_an_audit_says_what_was_looked_up_or_that_nothing_was(dependencies, ended, code, words, tmp_path):
    program = tmp_path / "pip-audit"
    output = "" if dependencies is None else f'{{"dependencies": [{dependencies}]}}'
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\necho no route to it >&2\nexit {ended}\n")
    program.chmod(0o755)
    command = [sys.executable, ROOT / "supply" / "audit.py", "--pip-audit", program]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    said = process.stdout + process.stderr
    assert process.returncode == code
    for word in words:
        assert word in said
    assert ("0 known" in said and "Not looked up" not in said) == (code == 0)
    assert "Traceback" not in said


def test_an_audit_without_its_program_says_so(tmp_path):
    command = [sys.executable, ROOT / "supply" / "audit.py", "--pip-audit"]
    missing = subprocess.run([*command, tmp_path / "none"], capture_output=True, text=True, check=False)
    assert missing.returncode == 2
