"""Which module makes samples of which kind of trained model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from vitrail.errors import InputError
from vitrail.recipes import sample_pictures, sample_texts
from vitrail.recipes.use_generator import TrainedGenerator
from vitrail.recipes.use_texts import TrainedText
from vitrail.recipes.wanted import Wanted


class Made(Protocol):
    """What a model made.   end: What is printed after each of its lines."""

    @property
    def end(self) -> str: ...

    def lines(self) -> Iterable[str]:
        """What is told of it, as it comes."""
        ...

    def document(self) -> dict[str, Any]:
        """As JSON has it: what was made, and every choice that decides it."""
        ...

    def write(self) -> None:
        """Writes the files that were asked for."""
        ...


class Sampler(Protocol):
    """A module of this room, for one kind of model."""

    def made(self, trained: Any, name: Path, wanted: Wanted) -> Made:
        """Makes what is wanted of the model that came from `name`, with a progress bar.

        Raises: InputError, before anything is computed, for a choice that is not for its kind, or cannot be."""
        ...


SAMPLERS: dict[type, Sampler] = {TrainedGenerator: sample_pictures, TrainedText: sample_texts}


def made(trained: Any, name: Path, wanted: Wanted) -> Made:
    """As the model's own module has it. Raises: InputError for a model that makes nothing."""
    if type(trained) not in SAMPLERS:
        raise InputError(f"{name} holds {trained.model.name}, which makes nothing: vitrail predict {name} FILE...")
    return SAMPLERS[type(trained)].made(trained, name, wanted)
