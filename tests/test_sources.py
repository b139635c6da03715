"""Finding data files and telling whether they are the right ones."""

import hashlib

import pytest

from archsieve.benchmarks.file_table import TableSource
from archsieve.errors import DataError, MissingDataError
from archsieve.sources import Source, sha256_of

CONTENT = b"nineteen bytes here"
SOURCE = Source("table.csv", "https://example.org/table", "MIT", "Someone 2020", hashlib.sha256(CONTENT).hexdigest())
TABLE = TableSource("my-table.parquet", "https://example.org (its file results_v1.pth)", "MIT", "Someone 2020")


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


@pytest.mark.parametrize(
    ("source", "name", "sentence"),
    [
        (SOURCE, "Table.csv", "The folder has 'Table.csv': if it is the one, rename it to table.csv."),
        (SOURCE, "table.tsv", "The folder has 'table.tsv': if it is the one, rename it to table.csv."),
        (SOURCE, "table.csv.gz", "The folder has 'table.csv.gz': unpack it as table.csv."),
        (SOURCE, "table.xlsx", "The folder has 'table.xlsx': if it is the one, save it as table.csv."),
        (TABLE, "my_table.csv", "The folder has 'my_table.csv': if it is the one, rename it to my-table.csv."),
        (TABLE, "My-Table.parquet", "The folder has 'My-Table.parquet': if it is the one, rename it to my-table.parq"),
        (TABLE, "my-table.json", "The folder has 'my-table.json': if it is the one, save it as my-table.csv."),
        (TABLE, "results_v1.pth", "The folder has 'results_v1.pth': convert it as docs/benchmarks.md shows."),
        (SOURCE, "other.csv", "not in the folder ARCHSIEVE_DATA=[^ ]*. It comes from"),
    ],
)
def test_a_file_that_may_be_meant_is_named(folder, source, name, sentence):
    (folder / name).write_bytes(CONTENT)
    with pytest.raises(MissingDataError, match=sentence):
        source.require()


def test_a_table_is_looked_for_under_two_names(folder):
    with pytest.raises(MissingDataError, match=r"Neither 'my-table\.parquet' nor 'my-table\.csv' is in the folder"):
        TABLE.require()


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
