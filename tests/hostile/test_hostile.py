"""Whatever a file holds, its reader returns or refuses it in a sentence: no other error, nothing run, no hang."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsieve.errors import ArchsieveError
from hostile.readers import READERS, TRIED
from hostile.run import CORPUS, SHARED, changed, judge

FOLDERS = {reader: CORPUS / SHARED.get(reader, reader) for reader in READERS}
FILES = {reader: sorted(folder.iterdir()) for reader, folder in FOLDERS.items() if folder.is_dir()}
GOOD = ("read", "refused")
QUICK = [reader for reader in FILES if reader not in TRIED]
SLOW = ("store", "journal", "result-json", "run-json", "asked-json", "export-result", "export-plan", "export-rounds")
SUFFIXES = {
    "plan": ".toml",
    "own-plan": ".toml",
    "export-plan": ".toml",
    "recipe": ".toml",
    "scores-csv": ".csv",
    "judge-csv": ".csv",
    "table-csv": ".csv",
}


def given_to(reader, content, tmp_path):
    path = tmp_path / f"input{SUFFIXES.get(reader, '')}"
    path.write_bytes(content)
    return judge(reader, path)


def test_the_corpus_is_large_in_number_and_small_in_size():
    files = {path for paths in FILES.values() for path in paths}
    assert len(files) >= 700
    assert sum(path.stat().st_size for path in files) < 500_000


@pytest.mark.parametrize("reader", QUICK)
def test_every_file_of_the_corpus_is_read_or_refused(reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcomes = {path.name: given_to(reader, path.read_bytes(), tmp_path) for path in FILES[reader]}
    assert {name: outcome for name, outcome in outcomes.items() if outcome[0] not in GOOD} == {}
    assert any(outcome[0] == "refused" for outcome in outcomes.values())
    assert not (tmp_path / "hostile-was-here").exists()


@pytest.mark.parametrize(
    ("reader", "name", "words"),
    [
        ("analog-pickle", "system", "names posix.system, which is not allowed"),
        ("analog-pickle", "memo", "2 GB|MemoryError"),
        ("xgboost", "json-open", "ends the process that reads it|not a readable model|was not read"),
        ("parquet", "footer", "is not parquet"),
    ],
)
def test_files_that_are_tried_in_a_process_of_their_own(reader, name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip({"xgboost": "xgboost", "parquet": "pyarrow"}.get(reader, "numpy"))
    with pytest.raises(ArchsieveError, match=words):
        READERS[reader](CORPUS / reader / name)
    assert not (tmp_path / "hostile-was-here").exists()


@pytest.mark.slow
@pytest.mark.parametrize("reader", sorted(TRIED))
def test_every_file_of_the_corpus_that_is_tried(reader, tmp_path, monkeypatch):
    test_every_file_of_the_corpus_is_read_or_refused(reader, tmp_path, monkeypatch)


@pytest.mark.parametrize("reader", [r for r in QUICK if r not in SLOW])
def test_random_changes_of_the_corpus(reader, tmp_path):
    @settings(
        max_examples=int(os.environ.get("ARCHSIEVE_FUZZ_EXAMPLES", "15")),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(FILES[reader]), st.integers(0, 10**6))
    def change(path, number):
        outcome, text = given_to(reader, changed(path.read_bytes(), number), tmp_path)
        assert outcome in GOOD, text

    change()


@pytest.mark.parametrize("reader", ["code", "plan", "macro-json", "scores-csv", "card-json"])
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=200))
def test_any_text(reader, text, tmp_path):
    outcome, why = given_to(reader, text.encode("utf-8", errors="surrogatepass"), tmp_path)
    assert outcome in GOOD, why


@pytest.mark.parametrize("reader", [r for r in QUICK if r not in ("store", "journal")])
def test_a_pipe_is_refused_and_not_waited_for(reader, tmp_path):
    path = tmp_path / f"pipe{SUFFIXES.get(reader, '')}"
    if (
        reader in ("code", "picture")
        or reader.startswith(("own-", "export-"))
        or reader.endswith(("run-json", "result-json", "rounds-npz", "study-json", "asked-json"))
    ):
        pytest.skip("read from a copy")
    os.mkfifo(path)
    with pytest.raises(ArchsieveError):
        READERS[reader](path)
