"""A text that a model of language goes on with, told as it comes, and every choice that decides it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

import vitrail
from vitrail.errors import InputError
from vitrail.models.decode import Choice
from vitrail.recipes.use_texts import WHO, Going, TrainedText
from vitrail.recipes.wanted import Wanted
from vitrail.train.record import track

TAKES = ("prompt", "count", "temperature", "top_k", "top_p", "seed")
COUNT = 500  # tokens
MOST = 2**63 - 1  # of a seed that PyTorch takes


@dataclass
class Written:
    """What is being written: `lines` gives it piece by piece, once; `document` waits for all of it."""

    going: Going
    prompt: str
    name: str
    coming: Iterator[str]
    parts: list[str] = field(default_factory=list)

    end = ""  # pieces follow each other without a line's end

    def lines(self) -> Iterator[str]:
        """The prompt, the text as it comes, and a line's end."""
        yield self.prompt
        for piece in self.coming:
            self.parts.append(piece)
            yield piece
        yield "\n"

    def document(self) -> dict[str, Any]:
        """Prompt, text, tokens, what they follow from; entries of its cache that a layer reads last, and holds."""
        self.parts += track(self.coming, self.going.count, "writing")
        going, model, cache = self.going, self.going.trained.model, self.going.cache()
        return {
            "model": model.name,
            "from": self.name,
            "vitrail": vitrail.__version__,
            "prompt": self.prompt,
            "text": "".join(self.parts),
            "prompt_tokens": len(going.prompt),
            "tokens": going.tokens,
            **asdict(going.choice),
            "seed": going.seed,
            "cache": {"reads": cache.reads(cache.length - 1), "holds": cache.tokens, "bytes": cache.bytes},
            "device": going.trained.device.type,
            "torch": torch.__version__,
        }

    def write(self) -> None:
        """No files."""


def made(trained: TrainedText, name: Path, wanted: Wanted) -> Written:
    """A text that has yet to come; every choice is looked at.

    Raises: InputError for a choice that is not for models of language, or a prompt that this one has no tokens for.
    """
    wanted.only(TAKES, WHO)
    if wanted.prompt == "":
        raise InputError("--prompt is empty; leave it out to begin with a new line.")
    if wanted.seed is not None and wanted.seed > MOST:
        raise InputError(f"--seed {wanted.seed}: a whole number from 0 to {MOST} is wanted.")
    tokens = trained.start if wanted.prompt is None else trained.encode(wanted.prompt, "--prompt")
    temperature = 1.0 if wanted.temperature is None else wanted.temperature
    choice = Choice(temperature, wanted.top_k, wanted.top_p)
    going = Going(trained, tokens, wanted.count or COUNT, choice, wanted.seed or 0)
    return Written(going, wanted.prompt or "", str(name), going.pieces())
