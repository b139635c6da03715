"""Files of scores as people have them: what is read, and what is refused by naming line and column."""

import io
import math

import numpy as np
import pytest
import torch

from archsieve.design.pilot import read_pilot
from archsieve.errors import DataError, MissingDataError
from archsieve.judging.score_files import read_scores, read_table
from plugins.commands import invoke
from plugins.toy import Toy


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file of text or bytes and returns its path."""

    def file(content, name="scores.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def numbers(path, *wanted):
    return {title: column.tolist() for title, column in read_scores(path, wanted).numbers.items()}


SEPARATED = [("a{0}b\r\n1{0}2.5\r\n3{0}4\r\n", d) for d in ",;\t"]


@pytest.mark.parametrize(("text", "delimiter"), SEPARATED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_separates_fields_and_how_text_is_encoded(file, text, delimiter, encoding):
    path = file(text.replace("{0}", delimiter).encode(encoding))
    assert numbers(path) == {"a": [1, 3], "b": [2.5, 4]}


def test_excels_own_line_empty_lines_and_empty_columns(file):
    assert numbers(file("sep=;\na;b;;\n\n1;2;;\n;;;\n3;4;;\n")) == {"a": [1, 3], "b": [2, 4]}
    assert numbers(file("a\n1\n2\n")) == {"a": [1, 2]}
    assert numbers(file("a\tb\n1\t2\n", "scores.tsv")) == {"a": [1], "b": [2]}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["93,5", "1,234", "7"], [93.5, 1.234, 7]),
        (["0,123", "-,5", "+1,5e2"], [0.123, -0.5, 150]),
        (["1,234.5", "1,234", "999"], [1234.5, 1234, 999]),
        (["1,234,567", "12,345"], [1234567, 12345]),
        (["1.234,5", "1.234"], [1234.5, 1234]),
        (["1.234.567", "1.234"], [1234567, 1234]),
        (["1 234", "12\u00a0345\u202f678", "1'234.5"], [1234, 12345678, 1234.5]),
        (["1.234", "56.789"], [1.234, 56.789]),
        (["93.5%", " 0.5 % ", "7%"], [93.5, 0.5, 7]),
        (["93,5 %", "1,25%"], [93.5, 1.25]),
        (["1e-3", "-.5", "2.", "", "nan", "inf"], [1e-3, -0.5, 2, math.nan, math.nan, math.inf]),
    ],
)
def test_numbers_as_spreadsheets_write_them(file, cells, expected):
    path = file("score;note\n" + "".join(f"{cell};x\n" for cell in cells))
    np.testing.assert_array_equal(numbers(path)["score"], expected)


@pytest.mark.parametrize(
    ("other", "params"), [(["93.5", "90.25"], [1234, 56789]), (["93,5", "90,25"], [1.234, 56.789])]
)
def test_a_number_that_may_be_either_is_read_as_the_rest_of_the_file(file, other, params):
    path = file("acc;params\n" + f"{other[0]};1,234\n{other[1]};56,789\n")
    assert numbers(path)["params"] == params


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "acc;params\n1;2\n2;1,234\n",
            r"holds '1,234' in line 3, column 'params', whose separator may be one of thous",
        ),
        ('acc,params\n1,"1,234"\n', r"holds '1,234' in line 2, column 'params', whose separator may be one of thousan"),
        (
            "acc;params\n0,5;1.234\n",
            r"holds '1\.234' in line 2, column 'params', whose separator may be one of thousan",
        ),
        (
            "acc;b\n1,5;1\n1.5;2\n",
            r"holds '1,5' in line 2 and '1\.5' in line 3 of column 'acc', which needs one decimal",
        ),
        (
            "acc;b\n91%;1\n\n92;2\n",
            r"holds '91%' in line 2 and '92' in line 4 of column 'acc', which needs a percent s",
        ),
        ("acc,b\n1,2\n1_000,3\n", r"holds '1_000' in line 3, column 'acc', among numbers"),
        ("acc,b\n1,2\n93,5,3\n", r"has 3 fields in line 3, but its header has 2 \(a decimal comma needs semicolons"),
        ("a;b,c\n1;2,3\n", r"may have commas or semicolons between its fields: both cut every line alike"),
        ('a,b\n1,"2\n', r"is damaged, or is not CSV"),
        (b"a,b\n\xe9,2\n", r"is damaged, or is not CSV: 'utf-8' codec can't decode"),
        (b"PK\x03\x04....", r"is a workbook: save its sheet as CSV \(in Excel: File, Save As, CSV UTF-8\)"),
    ],
)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(file, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_scores(file(text))


@pytest.mark.parametrize("name", ["scores.pth", "scores.csv"])
def test_a_file_of_torch_is_no_workbook(file, name):
    stream = io.BytesIO()
    torch.save({"acc": [1.0]}, stream)
    with pytest.raises(DataError, match=r"is a file of torch\.save: archsieve does not read it"):
        read_table(file(stream.getvalue(), name))


def test_a_workbook_is_refused_with_what_to_do(file):
    result = invoke("judge", file(b"PK\x03\x04", "scores.xlsx"), "--truth", "acc")
    assert result.exit_code == 1
    assert "scores.xlsx is a workbook: save its sheet as CSV" in result.stderr
    with pytest.raises(MissingDataError):
        read_table(file("a").with_name("none.csv"))


@pytest.mark.parametrize(
    "title", ["architecture", "Arch", " code", "network", "id", "Unnamed: 0", "", "index", "level_0"]
)
def test_codes_and_indices_are_no_estimators_unless_asked_for(file, title):
    path = file(f"{title},acc\n" + "".join(f"{100000 + i},{i}\n" for i in range(3)))
    assert list(numbers(path)) == ["acc"]
    assert numbers(path, title)[title] == [100000, 100001, 100002]


def test_a_repeated_row_counts_once(file):
    path = file("architecture,acc,score\n012,1,\n120,2,5\n 012,1.0,nan\n,3,3\n,3,3\n")
    found = read_scores(path)
    assert found.numbers["acc"].tolist() == [1, 2, 3, 3]
    assert found.notes[-1] == "Rows that repeat another one are counted once: 1 left out."


@pytest.mark.parametrize("title", ["architecture", "name", "id"])
def test_rows_that_contradict_each_other_are_refused(file, title):
    path = file(f"acc;{title};score\n1;012;3\n2;120;4\n2;120;5\n")
    with pytest.raises(DataError, match=r"holds '120' in line 3 and in line 4 with different values in column 'score'"):
        read_scores(path)


def test_a_label_that_all_rows_share_names_none(file):
    assert numbers(file("name,acc\nx,1\nx,2\nx,1\n"))["acc"] == [1, 2, 1]
    with pytest.raises(DataError, match=r"holds 'x' in line 2 and in line 3 with different values in column 'acc'"):
        numbers(file("architecture,acc\nx,1\nx,2\n"))


def test_repeated_rows_of_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"architecture": [12, 21, 12], "acc": [1.0, 2.0, 3.0], "__index_level_0__": [0, 1, 2]})
    parquet.write_table(table, tmp_path / "scores.parquet")
    with pytest.raises(DataError, match=r"holds '12' in row 1 and in row 3 with different values in column 'acc'"):
        read_scores(tmp_path / "scores.parquet")


def test_a_pilot_is_read_alike(file):
    path = file("\ufeff;architecture;accuracy\r\n0;0012;93,5 %\r\n1;0112;91,25 %\r\n2;0000;\r\n")
    archs, truth = read_pilot(path, Toy(4), None)
    assert (archs, truth.tolist()) == ([(0, 0, 1, 2), (0, 1, 1, 2)], [93.5, 91.25])
