"""The run folder: one driver at a time, one space and task for good, files whole or not there."""

import json
import os
from pathlib import Path

import pytest

from archsieve.errors import RunFolderError
from archsieve.fingerprints import fingerprint
from archsieve.runs.folder import claim, difference, lock, read_json, read_mark, write_json
from archsieve.spaces.darts.space import DARTS
from plugins.toy import TASK, Toy


def test_a_lock_makes_the_folder_and_is_held_until_it_is_closed(tmp_path):
    folder = tmp_path / "deep" / "run"
    held = lock(folder)
    with pytest.raises(RunFolderError, match=r"run is in use by another search: wait for it"):
        lock(folder)
    held.close()
    lock(folder).close()


def test_a_folder_held_is_as_free_as_before_for_whom_it_was_refused(tmp_path):
    held = lock(tmp_path)
    for _ in range(3):
        with pytest.raises(RunFolderError, match="in use"):
            lock(tmp_path)
    held.close()
    lock(tmp_path).close()


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunFolderError, match=r"^Cannot use the run folder .*run: .*exists"):
        lock(tmp_path / "run")


def test_something_else_in_place_of_the_lock_is_a_sentence(tmp_path):
    (tmp_path / ".lock").write_text("I am no lock\n" * 200)
    with pytest.raises(RunFolderError, match=r"^Cannot use the run folder "):
        lock(tmp_path)


def test_a_folder_in_place_of_the_lock_is_a_sentence(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(RunFolderError, match=r"^Cannot write to the run folder .*unable to open"):
        lock(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunFolderError, match="Cannot"):
            lock(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


def test_a_claim_writes_what_the_folder_is_for(tmp_path):
    claim(tmp_path, Toy(), TASK)
    mark = read_mark(tmp_path)
    assert mark["fingerprints"] == {"space": fingerprint(Toy()), "task": fingerprint(TASK)}
    assert mark["space"] == {"type": "Toy", "version": 1, "length": 4, "choices": [3, 3, 3, 3]}
    assert mark["task"]["name"] == "synthetic"
    before = (tmp_path / "run.json").read_bytes()
    claim(tmp_path, Toy(), TASK)
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_claim_by_another_names_what_differs(tmp_path):
    claim(tmp_path, Toy(), TASK)
    with pytest.raises(RunFolderError) as caught:
        claim(tmp_path, Toy(7), TASK)
    differs = "its length is 4, and here it is 7"
    assert str(caught.value) == (
        f"The run folder {tmp_path} was made for another space: {differs}. Choose another folder."
    )
    mark = read_mark(tmp_path)
    write_json(tmp_path / "run.json", mark | {"fingerprints": mark["fingerprints"] | {"space": "0"}})
    with pytest.raises(RunFolderError, match="another space: its fingerprint is another"):
        claim(tmp_path, Toy(), TASK)


@pytest.mark.parametrize(
    ("found", "wanted", "sentence"),
    [
        ({"version": 1, "a": 2}, {"version": 2, "a": 3}, "its a is 2, and here it is 3"),
        ({"version": 1, "a": 2}, {"version": 2, "a": 2}, "its version is 1, and here it is 2"),
        ({"of": {"version": 1}}, {"of": {"version": 2, "b": False}}, "it has no of.b, and here of.b is False"),
        ({"version": 1, "c": None}, {"version": 2}, "its c is None, and here there is no c"),
        ({"c": None}, {}, "its c is None, and here there is no c"),
        ({"version": 1, "a": [1, 2]}, {"a": [1, 2], "version": 1}, ""),
    ],
)
def test_a_setting_that_differs_is_named_before_a_version(found, wanted, sentence):
    assert difference(found, wanted) == sentence


def test_a_folder_of_darts_without_normalised_poolings_is_refused(tmp_path):
    """The mark is that of version 1 of the space, which had no such setting."""
    claim(tmp_path, DARTS(width=8, layers=5), TASK)
    mark = read_mark(tmp_path)
    assert mark["space"]["version"] == 2
    old = {**mark["space"], "version": 1}
    del old["pool_norm"]
    write_json(tmp_path / "run.json", {**mark, "space": old, "fingerprints": {**mark["fingerprints"], "space": "0"}})
    for space, value in ((DARTS(width=8, layers=5), True), (DARTS(width=8, layers=5, pool_norm=False), False)):
        with pytest.raises(RunFolderError) as caught:
            claim(tmp_path, space, TASK)
        assert str(caught.value) == (
            f"The run folder {tmp_path} was made for another space: it has no pool_norm, and here pool_norm is "
            f"{value}. Choose another folder."
        )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"{}", b'{"fingerprints": 1, "space": {}, "task": {}}']
)
def test_a_damaged_mark_is_a_sentence(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"run\.json") as caught:
        claim(tmp_path, Toy(), TASK)
    assert "\n" not in str(caught.value)


def test_json_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, "é"]}
    write_json(tmp_path / "deep" / "x.json", value)
    assert read_json(tmp_path / "deep" / "x.json") == value
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x.json"]  # no temporary file stays


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, 1)
    with pytest.raises(TypeError):
        write_json(path, object())
    assert json.loads(path.read_text()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_json_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(RunFolderError, match=r"There is no x\.json in .*: is this the folder of a finished run\?"):
        read_json(tmp_path / "x.json")
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_json(Path(tmp_path))


@pytest.mark.parametrize("content", [b"12345\n", b"{}", b"\0" * 5000])
def test_a_lock_of_another_program_is_named(tmp_path, content):
    (tmp_path / ".lock").write_bytes(content)
    with pytest.raises(RunFolderError, match="Cannot use the run folder"):
        lock(tmp_path)
    assert (tmp_path / ".lock").read_bytes() == content
