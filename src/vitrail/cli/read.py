"""What several commands read in the same way. No torch here."""

from __future__ import annotations

import json
import re
from typing import Any

from vitrail.errors import InputError


def size(text: str) -> tuple[int, int]:
    """`224` or `224x320`, height before width, in pixels."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.lower())
    if not match:
        raise InputError(f"size {text!r}: wanted HxW in pixels, such as 224x224.")
    height = int(match[1])
    return height, int(match[2] or height)


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=1))
