"""Tables in a terminal of 80 columns: text is wrapped, titles too, and what cannot be wrapped is a block of lines."""

import pytest

from archsieve.cli.tables import table, terminal_columns


def printed(capsys, header, rows, width=None):
    table(header, rows, width)
    return capsys.readouterr().out.splitlines()


def test_text_is_wrapped_between_words_and_numbers_stay_whole(capsys):
    lines = printed(capsys, ("stage", "best_rank_at_10"), [("a vote of two proxies", 123456), ("late", 7)], 18)
    assert lines == [
        "stage        best_",
        "          rank_at_",
        "                10",
        "a vote      123456",
        "of two",
        "proxies",
        "late             7",
    ]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_table_that_can_be_wrapped_fits(capsys, width):
    header = ("label", "lost by the cut", "passed on beats cut", "network_epochs", "why")
    rows = [("vote of l2_norm, nwot, zen " * 3, "0.12 (0.01 to 0.2)", "0.5 (at most 0.9)", 1e9, "because " * 9)] * 2
    lines = printed(capsys, header, rows, width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert text.count("because") == 18
    assert text.count("1,000,000,000") == 2


def test_what_cannot_be_wrapped_is_a_block_of_lines(capsys):
    code = "0123456789" * 5
    lines = printed(capsys, ("architecture", "truth", "where", "why"), [(code, 91.5, code, None)], 80)
    assert lines == [f"architecture: {code}", f"    truth: 91.5, where: {code},", "    why: -"]


@pytest.mark.parametrize("width", range(23, 60))
def test_a_line_of_a_block_fits_with_the_comma_at_its_end(capsys, width):
    lines = printed(capsys, ("code", "one", "two", "three"), [("x" * 90, "a" * 9, "b" * 7, "c" * 12)], width)
    assert max(map(len, lines[1:])) <= width
    assert " ".join(line.strip() for line in lines[1:]) == f"one: {'a' * 9}, two: {'b' * 7}, three: {'c' * 12}"


def test_the_width_is_the_terminals_and_a_pipe_has_none(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_columns() > 10_000
    for told, is_limited, columns in (("120", True, 120), ("40", True, 80), ("wide", False, 0), ("", False, 0)):
        monkeypatch.setenv("COLUMNS", told)
        assert (terminal_columns() < 10_000) == is_limited
        assert not is_limited or terminal_columns() == columns
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal_columns() == 100
