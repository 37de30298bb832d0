"""Bits of a text by the length of the windows it is read in.   T tokens of the text, N of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from vitrail.data.loader import Loader
from vitrail.data.text_batches import TextBatches, Windows
from vitrail.data.text_set import Texts
from vitrail.tasks.next_token import NextToken
from vitrail.train.loop import Setting, measure
from vitrail.train.record import track

TIMES = (1, 2, 4, 8, 16)  # of the length of training
TOGETHER = 16384  # tokens that are read at once, or one window
LOOKED_AT = 1 << 20  # tokens whose bytes are counted


@dataclass(frozen=True)
class Row:
    """Of windows of `length` tokens: how many tokens were asked for, and what `metrics.tokens` says of them."""

    length: int
    tokens: int
    bits: float
    bits_per_byte: float
    nats: float
    accuracy: float

    def document(self) -> dict[str, Any]:
        return asdict(self)


def longer(length: int, texts: Texts) -> tuple[int, ...]:
    """1, 2, 4, 8 and 16 times a length, as far as the text has one window of it."""
    return tuple(length * times for times in TIMES if length * times < len(texts)) or (length,)


def same_tokens(texts: Texts, lengths: Sequence[int]) -> Texts:
    """The beginning of a text that whole windows of the longest of these lengths ask for."""
    longest = max(lengths)
    texts.check(longest)
    return texts.slice(0, 1 + (len(texts) - 1) // longest * longest)


def measure_lengths(
    model: nn.Module, texts: Texts, lengths: Sequence[int], setting: Setting, batch: int | None = None
) -> list[Row]:
    """A row for each length, each over the same tokens where the lengths divide the longest.

    Windows lie side by side, so that a token has N / 2 before it on average; longer windows give more past, to models
    that can use it.
    Args:
        batch: Windows at a time over all processes; by default as many as have 16384 tokens.
    Raises: InputError where the text has no window of the longest.
    """
    texts, each = same_tokens(texts, lengths), bytes_each(texts)
    processes, rows = setting.processes, []
    for length in lengths:
        batches = TextBatches(Windows(texts, length))
        together = batch or max(TOGETHER // length, 1) * processes.world
        loader = Loader(batches, together, False, 0, processes.rank, processes.world)
        task = NextToken(texts.vocabulary, length, each)
        found = measure(model, task, track(loader.epoch(0), len(loader), f"{length} tokens"), setting)
        numbers = found.compute()
        kept = {name: numbers[name] for name in ("bits", "bits_per_byte", "nats", "accuracy")}
        rows.append(Row(length, found.count, **kept))  # type: ignore[attr-defined]
    return rows


def bytes_each(texts: Texts) -> float:
    """Bytes of UTF-8 that a token of a text stands for, on average; of a long text, those of its first 2^20."""
    if texts.codes.document()["kind"] == "bytes":
        return 1.0
    count = min(len(texts), LOOKED_AT)
    return max(len(texts.codes.decode(texts.read(0, count)).encode("utf-8", "replace")), 1) / count
