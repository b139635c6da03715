"""What is printed: results on standard output, everything else on standard error."""

import json
import math
import re
import sys
import time
from dataclasses import dataclass
from io import StringIO

import numpy as np
import pytest

from archsieve.cli import printing as console
from archsieve.cli.lines import broken
from archsieve.cli.progress import progress
from archsieve.searchers.contract import Round


@dataclass
class Pair:
    a: float
    b: tuple


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (1.5, 1.5),
        (2.0, 2),
        (0.0, 0),
        (0.1 + 0.2, 0.30000000000000004),
        (2.0**60, 2.0**60),
        (math.nan, None),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (None, None),
        (True, True),
        ("é\u2014", "é\u2014"),
        ({1: math.nan, "x": (1.0, [math.inf])}, {"1": None, "x": [1, ["inf"]]}),
        (Pair(math.nan, (Pair(1.5, ()),)), {"a": None, "b": [{"a": 1.5, "b": []}]}),
    ],
)
def test_json_is_json(capsys, value, printed):
    console.out_json(value)
    captured = capsys.readouterr()
    assert json.loads(captured.out, parse_constant=pytest.fail) == printed
    assert captured.err == ""


def test_a_table_is_aligned_with_numbers_to_the_right(capsys):
    console.table(("name", "score", "count"), [("a", 1.23456789, 5), ("longer", None, 12345), ("b", -math.inf, 1)])
    assert capsys.readouterr().out.splitlines() == [
        "name      score  count",
        "a       1.23457      5",
        "longer        -  12345",
        "b          -inf      1",
    ]


def test_text_in_a_column_of_numbers_puts_all_of_it_to_the_left(capsys):
    console.table(("stage", "kept"), [("a", "by score"), ("b", 3)])
    assert capsys.readouterr().out.splitlines() == ["stage  kept", "a      by score", "b      3"]


def test_a_table_without_rows_is_its_header(capsys):
    console.table(("a", "b"), [])
    assert capsys.readouterr().out == "a  b\n"


def test_a_note_is_no_result_and_is_printed_as_it_is(capsys):
    console.note("[bold]x[/bold] [0] " + "long " * 100)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "[bold]x[/bold] [0] " + "long " * 100 + "\n"


def test_progress_without_a_terminal_is_plain_lines_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("archsieve.cli.progress.time.monotonic", lambda: now[0])
    with progress() as show:
        for label, done, total, seconds in [
            ("learning", 0, 0, 0.0),
            ("nwot", 0, 100, 1.0),
            ("nwot", 10, 100, 4.9),
            ("nwot", 20, 100, 6.0),
            ("nwot", 30, 100, 10.9),
            ("nwot, [zen]", 0, 50, 10.9),
            ("nwot", 40, 100, 11.0),
            ("nwot, [zen]", 50, 50, 16.0),
        ]:
            now[0] = seconds
            show(label, done, total)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "learning",
        "nwot: 20/100, about 0:09 left",
        "nwot: 40/100, about 0:12 left",
        "nwot, [zen]: 50/50",
    ]


def test_progress_on_a_terminal_is_bars_that_go_away(monkeypatch):
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(
        "archsieve.cli.bars.Console",
        lambda **_: Console(file=text, force_terminal=True, width=100, color_system=None),
    )
    with progress() as show:
        show("learning", 0, 0)
        for done in range(101):
            show("nwot", done, 100)
        show("nwot", 0, 50)
    assert "nwot" in text.getvalue()
    assert "/100" in text.getvalue()
    assert "\x1b[" in text.getvalue()


def terminal(monkeypatch, width=100):
    """Return what a terminal would get."""
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    monkeypatch.setattr("sys.stderr", text)
    monkeypatch.setenv("FORCE_COLOR", "1")
    on_terminal = {"stderr": True, "force_terminal": True, "width": width, "color_system": None}
    monkeypatch.setattr("archsieve.cli.bars.Console", lambda **_: Console(**on_terminal))
    return text


def test_a_note_starts_a_line_of_its_own_while_bars_are_shown(monkeypatch):
    text = terminal(monkeypatch)
    with progress() as show:
        show("nwot", 1, 2)
        show("swap", 1, 50)
        console.note("nwot: 9 -> 4")
    (line,) = [line for line in text.getvalue().split("\n") if "9 -> 4" in line]
    before, _, _ = line.partition("nwot: 9 -> 4")
    assert re.fullmatch(r"(.*\r)?(\x1b\[\d*[A-K])*", before)  # only what moves the cursor and clears lines


def test_progress_says_how_many_are_to_do_and_how_long_that_takes(monkeypatch):
    text = terminal(monkeypatch)
    with progress() as show:
        show("learning", 0, 0)
        show("nwot", 0, 100)
        time.sleep(0.3)
        for done in (10, 20, 30):
            time.sleep(0.1)
            show("nwot", done, 100)
        time.sleep(0.3)
    assert "running" in text.getvalue()
    assert "0/?" not in text.getvalue()
    assert "30/100" in text.getvalue()
    assert re.search(r"about 0:0\d left", text.getvalue())


def over(label, candidates, kept, seconds=1.0, **changed):
    """Return a round of a stage."""
    codes = np.arange(candidates)[:, None]
    return Round(label, codes, changed.pop("scores", np.ones(candidates)), np.arange(kept), seconds, **changed)


def test_stages_that_cut_nothing_are_one_line_with_the_next_that_does(capsys):
    told = console.round_notes()
    for found in (
        over("a", 9, 9),
        over("b", 9, 9, 0.5),
        over("c", 9, 4, 2.0),
        over("d", 4, 2),
        over("e", 2, 2, failed_parts=1),
        over("f", 2, 2, scores=np.array([np.nan, 1.0])),
    ):
        told(found)
    assert capsys.readouterr().err.splitlines() == [
        "c (3 stages): 9 -> 4 in 3.5 s",
        "d: 4 -> 2 in 1.0 s",
        "e: 2 -> 2 in 1.0 s, 1 scored by some parts only",
        "f: 2 -> 2 in 1.0 s, 1 could not be scored",
    ]


def test_a_stage_whose_survivors_are_searched_has_a_line_of_its_own(capsys):
    told = console.round_notes()
    for found in (over("a", 80, 80), over("b", 42, 1, 0.5)):
        told(found)
    assert capsys.readouterr().err.splitlines() == ["a: 80 -> 80 in 1.0 s", "b: 42 -> 1 in 0.5 s"]
    console.stages([stage("a", 80, 80, 960.0), stage("b", 42, 1, 8400.0)])
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["a", "80", "80"],
        ["b", "42", "1"],
    ]


def stage(label, candidates, kept, network_epochs, failures=0):
    costs = {"seconds": 179.724, "network_epochs": network_epochs, "macs": 100_154_856_000.0}
    return {"label": label, "candidates": candidates, "kept": kept, "failures": failures, "failed_parts": 0, **costs}


def test_the_table_of_stages_fits_eighty_columns_and_joins_what_cuts_nothing(capsys):
    rows = [
        stage("mean rank of swap, jacov", 729, 729, 0.0, failures=1),
        stage("one", 729, 729, 925.25),
        stage("trained", 729, 45, 205.5556),
        stage("last", 45, 45, None),
    ]
    console.stages(rows)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[-5:] for line in lines[1:]] == [
        ["729", "729", "1", "179.7", "0"],
        ["729", "45", "0", "359.4", "1131"],
        ["45", "45", "0", "179.7", "-"],
    ]
    assert lines[2].startswith("trained (2 stages) ")


class Terminal(StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


PROSE = "None of the 54 networks could be scored by nwot. Retry: archsieve search a.toml --out runs/a --retry-failed"


def test_sentences_are_broken_between_words_on_a_terminal_alone(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    console.out(PROSE)
    console.note(PROSE)
    assert capsys.readouterr() == (PROSE + "\n", PROSE + "\n")
    for name, write in (("stdout", console.out), ("stderr", console.note)):
        with monkeypatch.context() as patch:
            patch.setattr(f"sys.{name}", Terminal())
            write(PROSE)
            assert getattr(sys, name).getvalue().splitlines() == [
                "None of the 54 networks could be scored",
                "by nwot. Retry:",
                "archsieve search a.toml --out runs/a --retry-failed",  # one piece, to be copied
            ]


def test_data_is_never_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout", Terminal())
    console.out_json({"why": PROSE})
    console.record(PROSE)
    assert sys.stdout.getvalue() == f'{{\n  "why": "{PROSE}"\n}}\n{PROSE}\n'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("short", ["short"]),
        ("    deep " + "word " * 6, ["    deep word word", "    word word word", "    word"]),
        ("x" * 30 + " y", ["x" * 30, "y"]),
        ("See `archsieve data --check` for the files", ["See", "`archsieve data --check`", "for the files"]),
        ("Use archsieve data --check. Then wait", ["Use", "archsieve data --check.", "Then wait"]),
    ],
)
def test_lines_are_broken_between_words_and_keep_their_indent(line, expected):
    assert [part.rstrip() for part in broken(line, 20).splitlines()] == expected


def test_time_to_go_does_not_count_the_start(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("archsieve.cli.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("archsieve.cli.progress._is_terminal", lambda: False)
    with progress() as show:
        for seconds, done in [(0.0, 0), (40.0, 1), (46.0, 4)]:  # of which 40 seconds start the workers
            now[0] = seconds
            show("training", done, 10)
    assert capsys.readouterr().err.splitlines() == ["training: 1/10", "training: 4/10, about 0:12 left"]
