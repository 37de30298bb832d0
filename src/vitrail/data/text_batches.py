"""Batches of windows of a text: those of an epoch lie side by side and begin elsewhere in every one.

Letters: T tokens there are, B windows of a batch, N tokens that a model reads of each.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from vitrail.data.loader import Batches, Draw
from vitrail.data.randomness import mix
from vitrail.data.sample import Batch
from vitrail.data.text_set import Texts


class Windows:
    """Windows of N + 1 tokens that follow each other, each asked for its last N: a line of T as a collection.

    Measuring, they ask for every token but the first once, and leave fewer than N at the end out. In training
    (`seed`), an epoch begins at a place that (seed, epoch) draws: every token is asked for once in it, but for fewer
    than 2N at the two ends, and from epoch to epoch after another past.
    Raises: InputError where there are not N + 1 tokens.
    """

    def __init__(self, texts: Texts, length: int, seed: int | None = None) -> None:
        texts.check(length)
        self.texts, self.length, self.seed = texts, length, seed
        self.classes = texts.classes
        whole = (len(texts) - 1) // length
        self._count = whole if seed is None else max(whole - 1, 1)
        self._room = len(texts) - 1 - self._count * length

    def __len__(self) -> int:
        return self._count

    def start(self, epoch: int, index: int) -> int:
        """The first token of a window."""
        shift = 0 if self.seed is None else mix(self.seed, epoch) % (self._room + 1)
        return shift + index * self.length


class TextBatches(Batches):
    """Draw -> Batch, whose `images` are the tokens that are read, (B, N) int64, and whose `target` those that follow.

    names: Where each window begins.
    """

    fewest = 1
    noun, rate, kinds = "windows", "windows/s", "tokens in the vocabulary"

    def __init__(self, windows: Windows) -> None:
        super().__init__(windows, Image.Image.copy, windows.seed or 0)  # type: ignore[arg-type]
        self.windows = windows

    def load(self, draw: Draw) -> Batch:
        starts = [self.windows.start(draw.epoch, index) for index in draw.indices]
        found = self.windows.texts.batch(starts, self.windows.length)
        return Batch(found.inputs.contiguous(), found.targets.contiguous(), tuple(f"token {at}" for at in starts))


def nothing(length: int) -> Batch:
    """A window of one token's number that nobody asks about."""
    tokens: Tensor = torch.zeros(1, length, dtype=torch.int64)
    return Batch(tokens, torch.empty(0, dtype=torch.int64), ())
