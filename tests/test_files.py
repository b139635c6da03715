"""Files that are whole or not there."""

from __future__ import annotations

from contextlib import suppress

import pytest

from archsieve._files import replace_file, writing
from archsieve.errors import RunFolderError


def test_a_file_appears_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "scores.txt"
    with replace_file(path) as temporary:
        temporary.write_text("whole", encoding="utf-8")
        assert not path.exists()
    assert path.read_text("utf-8") == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_midway_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores.txt"
    path.write_text("old", encoding="utf-8")
    with suppress(KeyError), replace_file(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise KeyError
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "scores.txt"
    with replace_file(path) as one, replace_file(path) as other:
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
    assert path.read_text("utf-8") == "one"  # its block ended last


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")
    with (
        pytest.raises(RunFolderError, match=r"Cannot write to .*inside: .*\. Choose another place\."),
        writing(path / "inside"),
    ):
        (path / "inside").write_text("", encoding="utf-8")
