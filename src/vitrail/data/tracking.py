"""How work over many items tells how far it is. What draws a bar is of `train/`; here only its shape, and silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Track = Callable[[Iterable[Any], int, str], Iterable[Any]]  # (items, how many, title) -> the items


def silent(items: Iterable[Any], count: int, title: str) -> Iterable[Any]:
    """The items, without a word."""
    return items
