"""Finding data files and telling whether they are the right ones."""

import hashlib

import pytest

from archsieve.errors import DataError, MissingDataError
from archsieve.sources import Source, sha256_of

CONTENT = b"nineteen bytes here"
SOURCE = Source("table.csv", "https://example.org/table", "MIT", "Someone 2020", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    return tmp_path


def test_a_present_file(folder):
    (folder / "table.csv").write_bytes(CONTENT)
    assert SOURCE.find() == SOURCE.require() == folder / "table.csv"
    assert SOURCE.state() == SOURCE.state(check=True) == "present"


def test_a_file_of_another_content_differs_only_when_checked(folder):
    (folder / "table.csv").write_bytes(CONTENT[:-1])
    assert SOURCE.state() == "present"
    assert SOURCE.state(check=True) == "differs"


def test_without_a_known_hash_nothing_differs(folder):
    (folder / "table.csv").write_bytes(b"anything")
    assert Source("table.csv", "o", "l", "c").state(check=True) == "unchecked"


def test_a_missing_file_says_where_it_comes_from(folder):
    assert SOURCE.find() is None
    assert SOURCE.state(check=True) == "missing"
    with pytest.raises(FileNotFoundError) as caught:
        SOURCE.require()
    for part in ("'table.csv'", f"ARCHSIEVE_DATA={folder}", "https://example.org/table", "MIT"):
        assert part in str(caught.value)


@pytest.mark.parametrize("unset", [True, False])
def test_without_the_variable_nothing_is_there(monkeypatch, unset):
    if unset:
        monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    else:
        monkeypatch.setenv("ARCHSIEVE_DATA", "")
    assert SOURCE.state() == "missing"
    with pytest.raises(MissingDataError, match="ARCHSIEVE_DATA, which is not set"):
        SOURCE.require()


def test_known_hash(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # the example of FIPS 180-2
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folders_hash_depends_on_names_and_contents(tmp_path):
    def made(name, files):
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return sha256_of(tmp_path / name)

    first = made("one", {"a/x": "1", "b": "2"})
    assert made("same", {"b": "2", "a/x": "1"}) == first
    assert made("renamed", {"a/y": "1", "b": "2"}) != first
    assert made("changed", {"a/x": "1", "b": "3"}) != first
    assert made("moved", {"x": "1", "b": "2"}) != first


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read .*absent: No such file"):
        sha256_of(tmp_path / "absent")
