"""What was made from a file is made again when the file has changed, and only then."""

import os

import pytest

from archsieve._files import Remembered


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("one")
    return path


def counted(made):
    return lambda: made.append(len(made)) or len(made)


def test_it_is_made_once(file):
    memory, made = Remembered(most=2), []
    assert [memory.get(file, "a", counted(made)) for _ in range(3)] == [1, 1, 1]


def test_another_use_of_the_file_is_another_value(file):
    memory, made = Remembered(most=2), []
    assert [memory.get(file, about, counted(made)) for about in "abab"] == [1, 2, 1, 2]


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_changed_file_is_seen(file, change):
    memory, made = Remembered(most=2), []
    memory.get(file, None, counted(made))
    status = file.stat()
    if change == "size":
        file.write_text("longer")
    elif change == "inode":
        other = file.with_name("other")
        other.write_text("two")
        other.replace(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + (change == "time")))
    assert memory.get(file, None, counted(made)) == 2


def test_a_changed_file_below_a_folder_is_seen(file):
    memory, made = Remembered(most=2), []
    memory.get(file.parent, None, counted(made))
    memory.get(file.parent, None, counted(made))
    (file.parent / "new").write_text("")
    assert memory.get(file.parent, None, counted(made)) == 2


def test_what_was_used_longest_ago_is_forgotten(file):
    memory, made = Remembered(most=2), []
    assert [memory.get(file, about, counted(made)) for about in "abacab"] == [1, 2, 1, 3, 1, 4]


def test_what_cannot_be_hashed_is_made_each_time(file):
    memory, made = Remembered(most=2), []
    assert [memory.get(file, ["a"], counted(made)) for _ in range(2)] == [1, 2]


def test_a_failure_is_not_remembered(file):
    memory, made = Remembered(most=2), []
    with pytest.raises(ZeroDivisionError):
        memory.get(file, None, lambda: 1 / 0)
    assert memory.get(file, None, counted(made)) == 1


def test_all_can_be_forgotten(file):
    memory, made = Remembered(most=2), []
    memory.get(file, None, counted(made))
    memory.forget()
    assert memory.get(file, None, counted(made)) == 2
