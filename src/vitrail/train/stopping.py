"""A polite request to stop, heard between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """`asked` is the name of the signal that came, or None."""

    def __init__(self) -> None:
        self.asked: str | None = None

    def hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number).name


@contextmanager
def listening() -> Iterator[Stop]:
    """Inside, SIGTERM and the first Ctrl-C are noted, not obeyed; a second Ctrl-C interrupts as ever.

    Signals reach the main thread only; in another one nothing is heard.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.hear(number, frame)

    signal.signal(signal.SIGTERM, stop.hear)
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
