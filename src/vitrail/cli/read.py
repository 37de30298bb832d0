"""What several commands read in the same way. No torch here."""

from __future__ import annotations

import json
import re
from typing import Any

from vitrail.errors import InputError


def size(text: str, unit: str = "pixels") -> tuple[int, int]:
    """`224` or `224x320`, height before width, in pixels, or in another unit that an error then names."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.lower())
    if not match:
        raise InputError(f"size {text!r}: wanted HxW in {unit}, such as 224x224.")
    height = int(match[1])
    return height, int(match[2] or height)


def sides(text: str) -> tuple[int, ...]:
    """`640,800,1024`: whole numbers of pixels."""
    found = text.split(",")
    if not all(each.strip().isdecimal() and int(each) for each in found):
        raise InputError(f"sides {text!r}: wanted pixels, such as 640,800,1024.")
    return tuple(int(each) for each in found)


def lengths(text: str) -> tuple[int, ...]:
    """`1024,4096`: whole numbers of tokens."""
    found = text.split(",")
    if not all(each.strip().isdecimal() and int(each) for each in found):
        raise InputError(f"length {text!r}: wanted tokens, such as 1024,4096.")
    return tuple(int(each) for each in found)


def slide(text: str) -> tuple[int, int]:
    """`512,341`: side and step of windows, pixels."""
    match = re.fullmatch(r"\s*([1-9]\d*)\s*,\s*([1-9]\d*)\s*", text)
    if not match:
        raise InputError(f"slide {text!r}: wanted side and step of windows in pixels, such as 512,341.")
    return int(match[1]), int(match[2])


def interval(text: str) -> tuple[float, float]:
    """`0.1,1`: two moments, the earlier one first."""
    try:
        start, end = (float(part) for part in text.split(","))
    except ValueError:
        start, end = 1.0, 0.0
    if not 0 <= start <= end <= 1:
        raise InputError(f"interval {text!r}: wanted two moments from 0 to 1, such as 0.1,1.")
    return start, end


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=1))
