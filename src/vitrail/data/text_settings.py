"""How text becomes what a language model reads, in plain values; a weights file carries them. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vitrail.data.settings import STRICT


@dataclass(frozen=True, config=STRICT)
class TextPreprocessing:
    """length: N, tokens that the model reads of a window in training; it takes any number afterwards."""

    length: Annotated[int, Field(ge=1)] = 256
    kind: Literal["texts"] = "texts"


@dataclass(frozen=True, config=STRICT)
class TextAugment:
    """Nothing: text is read as it stands, from another place in each epoch. `model.overrides.dropout` drops."""

    kind: Literal["texts"] = "texts"
