"""Notices reach whoever listens, and a long pass gives few of them."""

from __future__ import annotations

from archsieve import notices
from archsieve.notices import LongPass, listening, notice


def test_who_listens_hears_and_nobody_else():
    outer, inner = [], []
    notice("before")
    with listening(outer.append):
        notice("one")
        with listening(inner.append):
            notice("two")
        notice("three")
    notice("after")
    assert (outer, inner) == (["one", "three"], ["two"])


def test_a_long_pass_says_what_is_to_go(monkeypatch):
    clock, heard = [0.0], []
    monkeypatch.setattr(notices.time, "monotonic", lambda: clock[0])
    with listening(heard.append):
        long = LongPass("Reading", 1000)
        for done in range(1, 201):
            clock[0] = done / 2
            long.reached(done)
    assert heard == ["Reading: 10 of 1,000, about 8 min to go.", "Reading: 130 of 1,000, about 7 min to go."]
