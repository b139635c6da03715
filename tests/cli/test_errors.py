"""Everything that can go wrong at the command line: one sentence, an exit code, no traceback on the screen."""

import errno
import json
import re
import shutil

import numpy as np
import pytest
import typer

from archsieve._checksums import without_checksum_line
from archsieve.cli.guard import guarded
from plugins.commands import ODD, TINY, invoke, run, start, wait_for

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored", "quick_workers")

PARAMS = '[[stage]]\nestimator = "params"\nkeep = 0.5\n'
SOUND = '[[stage]]\nestimator = "sound"\nkeep = 1\n'


def fails(result, sentence, code=1):
    """Check that a command ended in one sentence on standard error, and in nothing else."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert re.search(sentence, lines[0]), lines[0]
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in result.stderr


@pytest.fixture
def plan(tmp_path):
    """Return a function that writes a plan."""

    def write(text, name="plan.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


# Names and codes


def test_an_unknown_space():
    result = invoke("score", "nasbench-makro", "22212220")
    fails(result, r"^Error: There is no space 'nasbench-makro'\. Did you mean 'nasbench-macro'\?$")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "22212223",
            r"'22212223' is not an architecture of nasbench-macro: decision 7 is 3, but must lie in 0\.\.2\.$",
        ),
        ("2221222", r"'2221222' is not an architecture of nasbench-macro: it has 7 decisions, the space 8\.$"),
        ("2221222x", r"'2221222x' is not an architecture of nasbench-macro: write 8 digits, e\.g\. '00000000'\.$"),
        ("", r"'' is not an architecture of nasbench-macro: "),
    ],
)
def test_a_wrong_code(code, sentence):
    fails(invoke("score", "nasbench-macro", code), sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["score", "nasbench-macro", "0" * 8, "--proxy", "nwto"], "no estimator or proxy 'nwto'. Did you mean 'nwot'?"),
        (["score", "nasbench-macro", "0" * 8, "--task", "digit"], "There is no task 'digit'. Did you mean 'digits'?"),
        (["score", "nasbench-macro", "0" * 8, "--device", "warp"], "The device 'warp' cannot be used here: "),
        (["score", "nasbench-macro", "0" * 8, "--plugin", "x.py"], "There is no plugin file 'x.py'."),
        (["measure", "nasbench201", "--truth", "test_ac_200"], "has a column 'test_ac_200'. Did you mean"),
        (["measure", "nasbench201", "--benchmark", "nasbench201-analgo"], "Did you mean 'nasbench201-analog'?"),
        (["search", "dmeo"], "There is no plan file 'dmeo', nor a shipped plan of that name. Did you mean 'demo'?"),
        (["report", "nowhere"], "nowhere is not a run folder: it has no results.sqlite."),
    ],
)
def test_a_name_that_is_not_there(arguments, sentence):
    fails(invoke(*arguments), re.escape(sentence))


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["list", "animals"],
        ["score"],
        ["score", "nasbench-macro"],
        ["search", "demo", "--workers", "0"],
        ["search", "demo", "--wrokers", "2"],
        ["report"],
        ["score", "nasbench-macro", "00000000", "--seed", "one"],
    ],
)
def test_wrong_usage_is_exit_code_two(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert "Traceback" not in result.stderr


# Data


def test_a_table_that_is_not_there(monkeypatch):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    fails(
        invoke("measure", "nasbench-macro"),
        r"The file 'nas-bench-macro_cifar10\.json' is not in the folder ARCHSIEVE_DATA, which is not set\. It comes "
        r"from https://github\.com/xiusu/NAS-Bench-Macro.*\(licence: Apache-2\.0\)",
    )


def test_a_table_that_is_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    (tmp_path / "nas-bench-macro_cifar10.json").write_text('{"0')
    fails(invoke("measure", "nasbench-macro"), r"nas-bench-macro_cifar10\.json is damaged, or is not JSON")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of tiny images in the layout of CIFAR-10: ten classes, two training images and a test image each."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, count in (("train", 2), ("test", 1)):
        for label in range(10):
            (folder / split / f"class{label}").mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                image.fromarray(pixels).save(folder / split / f"class{label}" / f"{i}.png")
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_cannot_be_read(plan, tmp_path, monkeypatch, pictures, workers):
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(pictures, tmp_path / "pictures")
    head = TINY.replace('"digits"', f'{{ name = "cifar10", source = "{tmp_path / "pictures"}" }}')
    path = plan(head + '[[stage]]\nestimator = { name = "grad_norm", batch_size = 4 }\nkeep = 0.5')
    options = ("--workers", workers)
    broken = tmp_path / "pictures" / "train" / "class3" / "1.png"
    whole = broken.read_bytes()
    broken.write_bytes(b"this is no image")
    fails(invoke("search", path, "--out", tmp_path / "run", *options), rf"Cannot read the image in the file {broken}: ")
    broken.write_bytes(whole)
    good = invoke("search", path, "--out", tmp_path / "run2", *options)
    assert (good.exit_code, good.exception) == (0, None)


# Plans


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "sead = 1\n" + TINY + PARAMS,
            r"In the plan .*plan\.toml: the plan has no key 'sead'\. Did you mean 'seed'\?$",
        ),
        (TINY + PARAMS + "kepe = 1", r"stage 1 has no key 'kepe'\. Did you mean 'keep'\?$"),
        ("space = [", r"The plan .*plan\.toml cannot be read: .*\.$"),
        (
            'task = "my_task:Mine"\nspace = "nasbench201"\n' + PARAMS,
            r"'my_task:Mine' would run code .* add --plugin my_",
        ),
        ("pool = { sample = 10 }\n" + TINY + PARAMS, r"`1 <= sample <= 9` must hold in nasbench-macro, but got 10\.$"),
    ],
)
@pytest.mark.parametrize("option", ["--dry-run", "--json"])
def test_a_plan_that_is_wrong(plan, tmp_path, text, sentence, option):
    fails(invoke("search", plan(text), "--out", tmp_path / "run", option), sentence)


# Run folders


@pytest.fixture
def finished(plan, tmp_path):
    path = plan(TINY + PARAMS)
    assert invoke("search", path, "--out", tmp_path / "run").exit_code == 0
    return path, tmp_path / "run"


def test_a_folder_made_for_another_space(plan, finished):
    other = plan(TINY.replace("head_width = 8", "head_width = 9") + PARAMS, name="other.toml")
    _, folder = finished
    fails(
        invoke("search", other, "--out", folder),
        r"made for another space: its head_width is 8, and here it is 9\. Choose another folder",
    )
    assert (
        without_checksum_line((folder / "plan.toml").read_text()) == TINY + PARAMS
    )  # the plan of the old search is still there


@pytest.mark.parametrize("command", ["search", "report"])
def test_results_that_are_cut_short(finished, command):
    path, folder = finished
    whole = (folder / "results.sqlite").read_bytes()
    (folder / "results.sqlite").write_bytes(whole[: len(whole) // 2 + 10])
    arguments = ["search", path, "--out", folder] if command == "search" else ["report", folder]
    fails(invoke(*arguments), r"The results file .*results\.sqlite is damaged .* Put back a whole copy")


def test_a_file_in_place_of_the_folder(plan, tmp_path):
    (tmp_path / "run").write_text("")
    fails(invoke("search", plan(TINY + PARAMS), "--out", tmp_path / "run"), r"Cannot use the run folder .*run: ")


def test_a_folder_in_use(plan, tmp_path):
    path = plan(TINY + '[[stage]]\nestimator = "sleeps"\nkeep = 0.5\n')
    (tmp_path / "slow.py").write_text(
        "import time\nfrom archsieve import proxy\n@proxy\ndef sleeps(network, probe):\n    time.sleep(60)\n"
    )
    holder = start("search", path, "--out", tmp_path / "run", "--plugin", tmp_path / "slow.py")
    try:
        wait_for(lambda: (tmp_path / "run" / "plan.toml").exists())
        result = invoke("search", path, "--out", tmp_path / "run", "--plugin", tmp_path / "slow.py")
        fails(result, r"run is in use by another search: wait for it, or choose another folder\.$")
        assert invoke("report", tmp_path / "run").exit_code == 0  # reading is welcome
    finally:
        holder.kill()
        holder.communicate()


# Proxies that fail


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [("gives_nan", "gives_nan returned nan"), ("refuses", "two large kernels are too many")],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_proxy_cannot_score_is_recorded_counted_and_last(plan, tmp_path, proxy, reason, workers):
    stages = f'[[stage]]\nestimator = "{proxy}"\nkeep = 1\n'
    stages += f'[[stage]]\nestimator = {{ name = "vote", parts = ["{proxy}"] }}\ntop = 8\n'
    path, folder = plan(TINY + stages), tmp_path / "run"
    options = ("--out", folder, "--plugin", ODD, "--workers", workers)
    result = invoke("search", path, *options)
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    assert result.stderr.splitlines()[0].startswith(f"{proxy}: 9 -> 9 in ")
    assert result.stderr.splitlines()[0].endswith(", 1 could not be scored")
    assert result.stdout.splitlines()[1].split()[:4] == [proxy, "9", "9", "1"]
    csv = [line.split(",") for line in invoke("report", folder, "--csv").stdout.splitlines()[1:]]
    assert [(row[3], row[4], row[5]) for row in csv if row[5]] == [("2-2", "nan", reason)]
    assert len(csv) == 9
    report = invoke("report", folder).stdout
    assert report.splitlines()[-1] == f"{proxy} could not score 22: {reason}"
    found = json.loads(invoke("report", folder, "--json").stdout)
    assert [(e["scored"], e["failures"]) for e in found["estimators"]] == [(8, 1)]
    assert found["failures"] == [{"estimator": proxy, "architecture": "22", "reason": reason}]
    assert found["result"]["best"] != "22"  # by far the largest, had it a score


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_in_a_proxy_costs_that_score_and_its_traceback_is_in_the_log(plan, tmp_path, workers):
    path = plan(TINY + SOUND + '[[stage]]\nestimator = "raises"\nkeep = 0.5\n')
    folder = tmp_path / "run"
    result = invoke("search", path, "--out", folder, "--plugin", ODD, "--workers", workers)
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    failed, again = result.stderr.splitlines()
    assert failed.startswith("raises (2 stages): 9 -> 4 in ")  # the sound stage cuts nothing
    assert failed.endswith(", 1 could not be scored")
    assert again.startswith(f"Candidates without a complete score: 1. Reasons: archsieve report {folder}. ")
    assert again.endswith(" --retry-failed")
    log = (folder / "error.log").read_text()
    assert re.match(r"ZeroDivisionError in .*odd_proxies\.py, line \d+:\nTraceback \(most recent call last\):", log)
    assert log.count("Traceback") == 1
    assert 'raise ZeroDivisionError("two large kernels")' in log
    stored = [line.split(",") for line in invoke("report", folder, "--csv").stdout.splitlines()[1:]]
    assert [row[3] for row in stored if row[5]] == ["2-2"]
    assert json.loads((folder / "result.json").read_text())["best"] != "22"


HEALED = """
from pathlib import Path
from archsieve import proxy
@proxy
def moody(network, probe):
    if Path({flag!r}).exists():
        raise ZeroDivisionError("a mistake")
    return float(sum(p.numel() for p in network.parameters()))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stage_that_can_score_nothing_is_loud_and_the_search_goes_on_once_it_can(plan, tmp_path, workers):
    flag, folder = tmp_path / "flag", tmp_path / "run"
    flag.touch()
    (tmp_path / "moody.py").write_text(HEALED.format(flag=str(flag)))
    path = plan(TINY + PARAMS + '[[stage]]\nlabel = "mood"\nestimator = "moody"\ntop = 1\n')
    command = ("search", path, "--out", folder, "--plugin", tmp_path / "moody.py", "--workers", workers)
    for _ in range(2):
        result = invoke(*command)
        assert result.exit_code == 1
        assert "\nBest: none\n" in result.stdout
        assert result.stderr.splitlines()[-1].startswith(
            "Error: The search ends in the stage 'mood' without a best network. The estimator 'moody' could score none "
            "of 4 architectures; the first reason: ZeroDivisionError: a mistake."
        )
        found = json.loads((folder / "result.json").read_text())
        assert (found["best"], found["code"]) == (None, None)
        assert found["failure"].startswith("The search ends in the stage 'mood'")
    told = invoke("report", folder).stdout
    assert "\nBest: none\n" in told
    assert "\nThe search ends in the stage 'mood'" in told
    assert invoke("report", folder, "--html", tmp_path / "page.html", "--files", tmp_path / "files").exit_code == 0
    assert "The search ends in the stage" in (tmp_path / "page.html").read_text()
    flag.unlink()
    assert invoke(*command).exit_code == 1  # what failed is stored
    healed = invoke(*command, "--retry-failed")
    assert (healed.exit_code, healed.exception) == (0, None), healed.stderr
    found = json.loads((folder / "result.json").read_text())
    assert (found["best"], found["failure"]) == ("22", "")


def test_scores_of_a_composite_say_which_of_its_parts_failed():
    arguments = ["score", "nasbench-macro", "22222222", "00000000", "--plugin", ODD, "--task", "synthetic"]
    result = invoke(*arguments, "--proxy", "raises", "--proxy", "params")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1] == "raises could not score 22222222: ZeroDivisionError: two large kernels"
    alone = invoke("score", "nasbench-macro", "22222222", "--plugin", ODD, "--task", "synthetic", "--proxy", "raises")
    assert (alone.exit_code, alone.stdout.split()) == (1, ["architecture", "raises", "22222222", "nan"])
    assert alone.stderr.splitlines()[-1].startswith(
        "Error: The estimator 'raises' could score none of 1 architectures; the first reason: ZeroDivisionError: two "
        "large kernels. The traceback is in "
    )


def test_something_nobody_foresaw_is_a_sentence_too(tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.cli.searching.read_run", lambda folder: 1 / 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = invoke("report", tmp_path)
    log = next(tmp_path.glob("archsieve-*error.log"))
    fails(result, rf"^Error: ZeroDivisionError: division by zero\. The traceback is in {log}\.$")
    assert "1 / 0" in log.read_text()


def test_exit_codes_are_those_of_the_process(plan, tmp_path):
    code, out, err = run("score", "nasbench-makro", "22212220")
    assert (code, out) == (1, "")
    assert err == "Error: There is no space 'nasbench-makro'. Did you mean 'nasbench-macro'?\n"
    assert run("list", "animals")[0] == 2
    assert run("list", "spaces")[0] == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "Memory ran out. Free memory, or use fewer --workers, and run"),
        (ImportError("libx.so: failed to map segment: Cannot allocate memory"), "Memory ran out. Free memory"),
        (
            OSError(errno.EIO, "Input/output error", "a"),
            "OSError: [Errno 5] Input/output error: 'a'. Check the disk",
        ),
        (
            RuntimeError("can't start new thread"),
            "RuntimeError: can't start new thread. Wait until",
        ),
    ],
)
def test_what_the_machine_lacks(capsys, tmp_path, error, said):
    with pytest.raises(typer.Exit) as left, guarded(tmp_path):
        raise error
    assert left.value.exit_code == 1
    assert capsys.readouterr().err.startswith(f"Error: {said}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["run/plan.toml", None])
def test_too_many_open_files(capsys, tmp_path, file):
    error = OSError(errno.EMFILE, "Too many open files", file) if file else OSError(errno.ENFILE, "Too many")
    with pytest.raises(typer.Exit) as left, guarded(tmp_path):
        raise error
    said = capsys.readouterr().err
    assert left.value.exit_code == 1
    assert f"Too many files are open, so {file or 'another one'} cannot be opened. Raise the limit" in said
    assert not list(tmp_path.iterdir())
