"""The check every multi-head mixer makes."""

from __future__ import annotations


def head_width(dim: int, heads: int, what: str = "dim") -> int:
    """`dim` / `heads`, or a ValueError that names the divisors on both sides of `heads`."""
    if heads < 1 or dim % heads:
        divisors = [n for n in range(1, dim + 1) if dim % n == 0]
        below = [n for n in divisors if n < heads][-1:]
        above = [n for n in divisors if n > heads][:1]
        near = " and ".join(map(str, below + above))
        raise ValueError(f"heads={heads} does not divide {what}={dim}; divisors near {heads} are {near}.")
    return dim // heads
