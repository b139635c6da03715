"""Tests of all parts are those of the package's own, whatever other tests registered before they were collected."""

import pytest

from archsieve.registry import SPACES, TASKS
from plugins.shipped import shipped
from plugins.tokens import Readers

pytest_plugins = ["plugins.fixtures"]


@pytest.mark.usefixtures("restored")
def test_what_a_test_registers_is_not_shipped():
    SPACES.add("another-name", Readers)
    assert {"toy-readers", "another-name"} <= set(SPACES)
    assert {"toy-readers", "another-name"} & set(shipped(SPACES)) == set()
    assert "toy-words" in TASKS
    assert "toy-words" not in shipped(TASKS)
    assert {"darts", "nasbench201"} < set(shipped(SPACES))
