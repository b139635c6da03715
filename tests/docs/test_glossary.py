"""The glossary explains every figure that `archsieve measure` and `archsieve judge` print."""

from __future__ import annotations

from dataclasses import fields

import pytest

from archsieve.judging.judgement import Judgement

from .documented import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [field.name for field in fields(Judgement) if field.name != "estimator"])
def test_a_figure_of_a_judgement_is_explained(name):
    assert f"`{name}`" in GLOSSARY
