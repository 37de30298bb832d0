"""What a model that makes something is asked for. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from vitrail.errors import InputError


@dataclass(frozen=True)
class Wanted:
    """The choices of `vitrail sample`; None: as usual. Each kind of model takes some of them.

    classes: Names or indices, parted by commas; or "all".     count: Samples of each class.
    grid: A PNG of all of them in rows.     out: A folder with a PNG of each.
    steps, solver, scale, interval, channels, shift, seed: Of the sampler, as `flow.Sampling` has them; interval is its
        (start, end).
    size: (H, W) of what the model makes.     sizes: Several, a row of the grid each.
    interpolate: Two classes: from one to the other.     vae: Decodes latents.     batch: Samples at a time.
    prompt: A text to go on with, by `count` tokens.     temperature: Of its draws.
    top_k, top_p: The likeliest tokens that count: so many, those with such a share of the probability.
    """

    classes: str | None = None
    count: int | None = None
    grid: Path | None = None
    out: Path | None = None
    steps: int | None = None
    solver: str | None = None
    scale: float | None = None
    interval: tuple[float, float] | None = None
    channels: int | None = None
    shift: float | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None
    sizes: tuple[tuple[int, int], ...] | None = None
    interpolate: str | None = None
    vae: Path | None = None
    batch: int | None = None
    prompt: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None

    def only(self, taken: Sequence[str], who: str) -> None:
        """Raises: InputError for a choice that is none of `taken`, calling the model `who`."""
        for field in fields(self):
            if getattr(self, field.name) is not None and field.name not in taken:
                fitting = ", ".join(f"--{each.replace('_', '-')}" for each in taken)
                raise InputError(f"--{field.name.replace('_', '-')} is not for {who}; it takes {fitting}.")
