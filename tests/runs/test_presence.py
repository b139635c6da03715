"""A run folder that is moved, renamed or deleted while a session is open: a sentence, and nothing lost."""

import shutil

import numpy as np
import pytest

from archsieve.errors import RunFolderError
from archsieve.runs.session import Session
from plugins.toy import TASK, Counting, Learner, Toy, value

CODES = [(0, 0, 1, 2), (0, 1, 1, 2)]


def moved(folder):
    folder.rename(folder.with_name("elsewhere"))
    return folder.with_name("elsewhere")


def moved_and_made_anew(folder):
    new = moved(folder)
    folder.mkdir()
    return new


@pytest.mark.parametrize("happens", [moved, moved_and_made_anew])
def test_a_folder_that_moves_ends_the_search_and_goes_on_at_its_new_place(tmp_path, happens):
    with Session(tmp_path / "run", Toy(), TASK) as session:
        session.scores([Counting()], CODES[:1])
        new = happens(tmp_path / "run")
        with pytest.raises(RunFolderError, match=r"run was moved, renamed or deleted while it was in use\. What was"):
            session.scores([Counting()], CODES)
        with pytest.raises(RunFolderError, match="was moved"):
            session.tell(Counting(1), CODES[0], 1.0)
    assert list((tmp_path / "run").glob("*")) == []
    with Session(new, Toy(), TASK) as session:
        assert session.scores([Counting()], CODES)[:, 0].tolist() == [value(code) for code in CODES]


def test_it_is_noticed_in_the_middle_of_a_stage(tmp_path):
    class Moving(Counting):
        def score(self, archs, ctx):
            moved(tmp_path / "run")
            return np.zeros(len(archs))

    with Session(tmp_path / "run", Toy(), TASK) as session, pytest.raises(RunFolderError, match="was moved"):
        session.scores([Moving()], CODES)


def test_a_folder_that_is_deleted_is_noticed(tmp_path):
    with Session(tmp_path / "run", Toy(), TASK) as session:
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(RunFolderError, match="moved, renamed or deleted"):
            session.scores([Learner(Counting())], CODES)


def test_another_name_of_the_same_folder_is_the_same(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    monkeypatch.chdir(tmp_path)
    with Session("link", Toy(), TASK) as session:
        monkeypatch.chdir("/")
        session.check_folder()
