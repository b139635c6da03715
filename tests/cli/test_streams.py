"""Standard streams that are closed or full, and paths that are no plan: a sentence, and nothing goes astray."""

import json
import os
import subprocess
import sys

import pytest

from plugins.commands import PROGRAM, invoke

unix = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and a shell")
STREAMS = """
import json, os
from archsieve.cli import _open_streams
_open_streams()
null = os.stat(os.devnull).st_rdev
with open("told", "w") as file:
    json.dump([os.fstat(number).st_rdev == null for number in range(3)], file)
print("nowhere")
"""


def by_shell(redirections, *arguments, cwd=None, program=PROGRAM, unbuffered=""):
    command = ["sh", "-c", f'"$@" {redirections}', "sh", *program, *arguments]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)


@unix
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["list", "proxies", "--json"], ["--version"]])
def test_output_that_has_no_room_is_a_sentence(arguments, unbuffered):
    ended = by_shell("> /dev/full", *arguments, unbuffered=unbuffered)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: Standard output cannot be written: No space left on device.")


@unix
@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_replaced_by_the_null_device(redirections, tmp_path):
    ended = by_shell(redirections, cwd=tmp_path, program=(sys.executable, "-c", STREAMS))
    assert ended.returncode == 0
    null = json.loads((tmp_path / "told").read_text())
    closed = {">&-": [1], "2>&-": [2], "<&- >&- 2>&-": [0, 1, 2]}[redirections]
    assert [null[number] for number in closed] == [True] * len(closed)
    assert ended.stderr == ""
    assert by_shell(redirections, "list", "proxies").returncode == 0


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"gr\xf6\xdfe \u2192"), ("utf-8", "größe →")])
def test_a_character_that_the_terminal_does_not_have_is_escaped(encoding, shown, tmp_path):
    plan = 'space = "nasbench-macro"\ntask = "digits"\n[[stage]]\nestimator = "params"\nlabel = "größe →"\ntop = 1\n'
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [*PROGRAM, "search", "plan.toml", "--dry-run"]
    ended = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, env=env)
    assert ended.returncode == 0, ended.stderr
    assert shown in ended.stdout.decode(encoding)


@unix
def test_a_path_that_is_no_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for name, kind in (("pipe", "a pipe, a socket"), ("folder", "a folder"), ("one", "cannot be followed")):
        ended = invoke("search", name, "--out", "run")
        assert ended.exit_code == 1
        assert kind in ended.stderr
        assert "There is no plan" not in ended.stderr


def test_a_folder_with_the_name_of_a_shipped_plan_hides_it_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert invoke("search", "demo", "--dry-run").exit_code == 0
