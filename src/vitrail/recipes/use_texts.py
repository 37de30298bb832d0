"""A model of language in use: it goes on with a text.   V vocabulary, N tokens of a window of its training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vitrail.data.text_codes import Codes, from_document
from vitrail.data.text_settings import TextPreprocessing
from vitrail.errors import InputError
from vitrail.models.decode import Choice, stream
from vitrail.models.iwin_lm import Cache, LanguageModel
from vitrail.recipes.asking import Asked
from vitrail.recipes.start import settings_of

WHO = "a model of language"
UNITS = {"bytes": "bits a byte", "characters": "bits a character", "tokenizer": "bits a token"}
UNFINISHED = "\ufffd"  # what a character of which bytes are still to come looks like
WAITS = 8  # tokens that a character is waited for


@dataclass(frozen=True)
class TrainedText:
    """A model in eval mode, what its tokens are called and stand for, and the N of its training."""

    model: LanguageModel
    classes: tuple[str, ...]
    codes: Codes
    length: int

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def start(self) -> list[int]:
        """A prompt for who has none: a line's end, or the first token of a vocabulary that has no such."""
        try:
            return self.codes.encode(b"\n", "a line's end").tolist() or [0]
        except InputError:
            return [0]

    def encode(self, text: str, name: str = "the prompt") -> list[int]:
        """Its tokens. Raises: InputError for an empty text, or what the model has no tokens for."""
        tokens = self.codes.encode(text.encode("utf-8", "surrogateescape"), name).tolist()
        if not tokens:
            raise InputError(f"{name} has no token in it; one or more are wanted.")
        return tokens


@dataclass
class Going:
    """A text that goes on; `tokens` are those that came so far. The same seed gives the same, on one kind of device."""

    trained: TrainedText
    prompt: list[int]
    count: int
    choice: Choice = field(default_factory=Choice)
    seed: int = 0
    tokens: list[int] = field(default_factory=list)

    def pieces(self) -> Iterator[str]:
        """What is written, as it comes; a character waits for its last byte. Values are checked before the first.

        Raises: InputError for values out of range.
        """
        trained = self.trained
        generator = torch.Generator(trained.device).manual_seed(self.seed)
        prompt = torch.tensor([self.prompt])
        coming = stream(trained.model, prompt, self.count, self.choice, generator)
        return decoded(trained.codes, (self._kept(token) for token in coming))

    def _kept(self, token: torch.Tensor) -> int:
        self.tokens.append(int(token))
        return self.tokens[-1]

    def cache(self) -> Cache:
        """An empty one of the size that this takes."""
        return self.trained.model.cache(1, len(self.prompt) + self.count)


def decoded(codes: Codes, tokens: Iterator[int]) -> Iterator[str]:
    """Text of tokens, piece by piece: together they are the text of all tokens.

    A tokenizer may write a token otherwise at the beginning, so each piece is read behind the one before it.
    """
    before: list[int] = []
    waiting: list[int] = []
    known = shown = 0  # characters of `before`, and of all of it that were given
    for token in tokens:
        waiting.append(token)
        text = codes.decode([*before, *waiting])
        # of many that stay unfinished only the last can still become another
        whole = text.rstrip(UNFINISHED) if len(waiting) < WAITS else text.removesuffix(UNFINISHED)
        if len(whole) > shown:
            yield whole[shown:]
            shown = len(whole)
        if known < len(whole) == len(text):
            before, waiting = waiting, []
            known = shown = len(codes.decode(before))
    if rest := codes.decode([*before, *waiting])[shown:]:
        yield rest


def of(model: LanguageModel, document: dict[str, Any], path: Path) -> TrainedText:
    """The model of a weights file, with what its document says. Raises: InputError where that is not sound."""
    settings = settings_of(document, str(path), TextPreprocessing)
    codes = from_document(document.get("tokens"), str(path))
    if codes.vocabulary != model.num_classes:
        raise InputError(f"{path}: its model knows {model.num_classes} tokens, and says what {codes.vocabulary} are.")
    return TrainedText(model, tuple(document["classes"]), codes, settings.length)


def gather(paths: Sequence[str | Path]) -> list[Path]:
    """Nothing can be asked of it. Raises: InputError."""
    raise InputError(
        "This model goes on with texts and tells nothing of files: `vitrail sample RUN --prompt TEXT` lets it write, "
        "and `vitrail eval RUN --data FILE` measures it."
    )


def answer(trained: TrainedText, files: Sequence[Path], asked: Asked) -> Any:
    """As `gather`."""
    return gather(files)
