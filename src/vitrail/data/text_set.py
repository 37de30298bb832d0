"""A line of tokens, however it is stored, and windows of it: random ones to train on, all of them to measure on.

Letters: T tokens there are, B windows of a batch, N tokens that a model reads of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitrail.data.randomness import mix
from vitrail.data.text_codes import Codes
from vitrail.errors import InputError


@dataclass(frozen=True)
class TextBatch:
    """tokens: (B, N + 1) int64; the model reads the first N of each and is asked for the last N."""

    tokens: Tensor

    @property
    def inputs(self) -> Tensor:
        return self.tokens[:, :-1]

    @property
    def targets(self) -> Tensor:
        return self.tokens[:, 1:]

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def to(self, device: torch.device | str) -> TextBatch:
        """The same batch on another device; the copy does not wait where the memory is pinned."""
        return TextBatch(self.tokens.to(device, non_blocking=True))

    def pin_memory(self) -> TextBatch:
        """The same batch in page-locked memory."""
        return TextBatch(self.tokens.pin_memory())


class Texts:
    """Tokens one after the other: files follow each other without a mark between them.

    Args:
        parts: (n,) arrays of unsigned numbers, in memory or mapped from a file.
        names: What errors call each.
        codes: What the numbers stand for.
        root: What errors call the whole.
    Raises: InputError where there is no token at all.
    """

    def __init__(self, parts: Sequence[np.ndarray], names: Sequence[str], codes: Codes, root: str) -> None:
        self.parts, self.names = tuple(parts), tuple(names)
        self.codes, self.root = codes, root
        self.vocabulary = codes.vocabulary
        self._ends = np.cumsum([len(part) for part in self.parts], dtype=np.int64)
        if not len(self):
            raise InputError(f"{root}: no text in it.")

    @property
    def classes(self) -> tuple[str, ...]:
        """What each token is called, (V,)."""
        return self.codes.names

    def __len__(self) -> int:
        """T."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, start: int, count: int) -> np.ndarray:
        """`count` tokens from `start` on, (count,) int64.

        Raises: InputError for a token that the vocabulary has not, or fewer tokens than that.
        """
        if start < 0 or start + count > len(self):
            raise InputError(f"{self.root}: tokens {start} to {start + count} of {len(self)} were asked for.")
        found = np.empty(count, np.int64)
        done, part = 0, int(np.searchsorted(self._ends, start, "right"))
        while done < count:
            offset = start + done - (int(self._ends[part - 1]) if part else 0)
            piece = self.parts[part][offset : offset + count - done]
            if piece.size and int(piece.max()) >= self.vocabulary:
                raise InputError(
                    f"{self.names[part]}: token {int(piece.max())} stands in it; its vocabulary ends at "
                    f"{self.vocabulary - 1}."
                )
            found[done : done + len(piece)] = piece
            done, part = done + len(piece), part + 1
        return found

    def starts(self, batch: int, length: int, seed: int, step: int) -> list[int]:
        """Where the B windows of N + 1 tokens of a step begin: each place is as likely as any other.

        (seed, step) decides, on any machine and in any order of steps. Processes that share a batch draw all of it and
        take theirs.
        Raises: InputError where there are not N + 1 tokens.
        """
        self.check(length)
        generator = torch.Generator().manual_seed(mix(seed, step))
        return torch.randint(len(self) - length, (batch,), generator=generator).tolist()

    def draw(self, batch: int, length: int, seed: int, step: int, share: slice = slice(None)) -> TextBatch:
        """The windows that `starts` names, or a share of them."""
        return self.batch(self.starts(batch, length, seed, step)[share], length)

    def batch(self, starts: Sequence[int], length: int) -> TextBatch:
        """Windows of N + 1 tokens that begin there."""
        return TextBatch(torch.from_numpy(np.stack([self.read(start, length + 1) for start in starts])))

    def cover(self, length: int, stride: int | None = None) -> Iterator[int]:
        """Where windows of N + 1 tokens begin that ask for every token but the first once; what is over is left out.

        Args:
            stride: Tokens from one to the next, N by default; with fewer, windows overlap.
        Raises: InputError where there are not N + 1 tokens.
        """
        self.check(length)
        yield from range(0, len(self) - length, stride or length)

    def check(self, length: int) -> None:
        """Raises: InputError where there are not N + 1 tokens."""
        if length < 1 or len(self) < length + 1:
            raise InputError(
                f"{self.root}: {len(self)} tokens; windows of length={length} need {length + 1}, a length of 1 or more."
            )

    def slice(self, start: int, behind: int) -> Texts:
        """The tokens from `start` up to `behind`, as a line of its own. Raises: InputError where there are none."""
        parts, names, first = [], [], 0
        for part, name in zip(self.parts, self.names, strict=True):
            piece = part[max(start - first, 0) : max(behind - first, 0)]
            if len(piece):
                parts.append(piece)
                names.append(name)
            first += len(part)
        return Texts(parts, names, self.codes, self.root)
