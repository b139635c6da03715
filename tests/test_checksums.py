"""Checksums in files: every changed bit that changes a value is told; what only looks otherwise is not."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsieve._checksums import with_checksum, with_checksum_line, without_checksum, without_checksum_line

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RESULT = {
    "code": (1, 0, 2),
    "score": 0.1 + 0.2,
    "name": "é\u2028",
    "parts": {"b": [], "a": None},
    "big": 10**30,
    3: -0.0,
}
PLAN = "seed = 3\r\n# a comment\n[task]\nname = 'é'\n"


def as_read(value):
    return json.loads(json.dumps(value))


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_what_is_written_comes_back(content):
    expected = {key: value for key, value in content.items() if key != "checksum"}
    assert without_checksum(as_read(with_checksum(content))) == as_read(expected)


def test_order_white_space_and_notation_of_the_same_values_do_not_matter():
    content = as_read(with_checksum(RESULT))
    for text in (
        json.dumps(content, indent=3),
        json.dumps(content, sort_keys=True),
        json.dumps(content, ensure_ascii=False),
    ):
        assert without_checksum(json.loads(text)) == as_read(RESULT)


def test_a_changed_bit_is_told_or_changes_no_value():
    content, told = json.dumps(with_checksum(RESULT), indent=2).encode(), 0
    for place in range(8 * len(content)):
        broken = bytearray(content)
        broken[place // 8] ^= 1 << place % 8
        try:
            value = without_checksum(json.loads(broken))
        except ValueError:
            told += 1
            continue
        assert {key: value[key] for key in as_read(RESULT)} == as_read(RESULT)
    assert told > 0.8 * 8 * len(content)


def test_what_has_no_checksum_is_taken_as_it_is():
    for content in ({"a": 1}, [1, 2], 3, None, {}):
        assert without_checksum(content) == content
    assert with_checksum([1]) == [1]
    assert without_checksum_line(PLAN) == PLAN


def test_a_checksum_is_replaced_and_not_added():
    assert with_checksum(with_checksum({"a": 1})) == with_checksum({"a": 1})
    assert with_checksum_line(with_checksum_line(PLAN)) == with_checksum_line(PLAN)


@pytest.mark.parametrize("checksum", [None, "1", 1.5, [], True, -1])
def test_another_kind_of_checksum_is_a_damaged_one(checksum):
    with pytest.raises(ValueError, match="it is damaged, or was changed since it was written"):
        without_checksum({"a": 1, "checksum": checksum})


def test_a_plan_that_was_cut_or_changed_is_told():
    text = with_checksum_line(PLAN)
    assert without_checksum_line(text) == PLAN
    first = text.index("\n") + 1
    for end in range(first, len(text)):
        with pytest.raises(ValueError, match="Remove its first line if you changed it yourself"):
            without_checksum_line(text[:end])
    drawn = random.Random(0)  # noqa: S311 - which letter
    for _ in range(100):
        place = drawn.randrange(first, len(text))
        with pytest.raises(ValueError, match="its checksum is that of another text"):
            without_checksum_line(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
