"""A signal is noted, not obeyed."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from vitrail.train.stopping import listening


def test_the_first_signal_is_noted_and_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with listening() as stop:
        assert stop.asked is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked == "SIGTERM"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_ctrl_c_interrupts() -> None:
    with listening() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_nothing_is_heard() -> None:
    heard = []

    def listen() -> None:
        with listening() as stop:
            heard.append(stop.asked)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert heard == [None]
