"""Randomness by name: the same numbers give the same choices, on any worker, in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def mix(*numbers: int) -> int:
    """A seed of 63 bits from several numbers; unlike their sum, it differs wherever one of them differs."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Inside, torch's CPU generator follows from the numbers; afterwards it continues as if nothing had been drawn."""
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(mix(*numbers))
    try:
        yield
    finally:
        generator.set_state(before)
