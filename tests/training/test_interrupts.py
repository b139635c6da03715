"""Signals that wait: the first for the end, the second not at all."""

from __future__ import annotations

import signal
import threading

import pytest

from archsieve.training.interrupts import delayed_signals


class StoppedError(Exception):
    """Stands for what a signal does."""


@pytest.fixture(autouse=True)
def stopped():
    def stop(*_):
        raise StoppedError

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    yield stop
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_end(number, stopped):
    done = []

    def work():
        with delayed_signals() as came:
            assert not came()
            signal.raise_signal(number)
            signal.raise_signal(number)  # as a terminal and a launcher do, both at once
            assert came()
            done.append("the rest")

    with pytest.raises(StoppedError):
        work()
    assert done == ["the rest"]
    assert signal.getsignal(number) is stopped


def test_a_later_ctrl_c_does_not_wait(stopped, monkeypatch):
    done = []

    def work():
        with delayed_signals():
            signal.raise_signal(signal.SIGINT)
            done.append("one more step")
            monkeypatch.setattr("archsieve.training.interrupts._TOGETHER", -1.0)
            signal.raise_signal(signal.SIGINT)
            done.append("never")

    with pytest.raises(StoppedError):
        work()
    assert done == ["one more step"]
    assert signal.getsignal(signal.SIGINT) is stopped
    assert signal.getsignal(signal.SIGTERM) is stopped


def test_without_a_signal_nothing_happens(stopped):
    with delayed_signals() as came:
        pass
    assert not came()
    assert signal.getsignal(signal.SIGTERM) is stopped


def test_another_thread_hears_none():
    heard = []

    def work():
        with delayed_signals() as came:
            heard.append(came())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]
