"""What a user can put right: one line that says what came, what was wanted and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given to vitrail cannot be used. The command prints its one line and exits with 2."""


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def nearest(name: str, names: Iterable[str], count: int = 3) -> str:
    """A phrase naming the entries of `names` that look most like `name`, or "" when none does."""
    found = difflib.get_close_matches(name.lower(), list(names), n=count, cutoff=0.5)
    return f" Nearest: {', '.join(found)}." if found else ""
