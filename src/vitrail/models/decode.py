"""Text that a language model goes on with, one token after the other.

Letters: B batch, n tokens of a prompt, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.models.iwin_lm import LanguageModel


def generate(
    model: LanguageModel,
    prompt: Tensor,
    count: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    length: int | None = None,
) -> Tensor:
    """What comes after a batch of prompts of equal length: (B, n) int64 -> (B, count) int64.

    Args:
        temperature: Logits are divided by it; 0 always takes the likeliest token.
        top_k: Only the likeliest k tokens can be drawn.
        generator: Draws follow from it, on the device of the model, where the prompt is brought; None is PyTorch's own.
        length: Of the line, n + count by default. With stride="sqrt" G follows from it, so the same prompt goes on
            otherwise where the line is to be longer.
    The model reads the prompt at once and then a token a step; training mode is left as it was, and is off meanwhile.
    Raises: InputError for an empty prompt, tokens beyond the vocabulary, or values out of range.
    """
    return torch.stack(list(stream(model, prompt, count, temperature, top_k, generator, length)), 1)


def stream(
    model: LanguageModel,
    prompt: Tensor,
    count: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    length: int | None = None,
) -> Iterator[Tensor]:
    """As `generate`, a token of each line, (B,), as soon as it is known. Values are checked at the call."""
    vocabulary = model.spec.vocabulary
    if prompt.ndim != 2 or not prompt.numel() or prompt.is_floating_point():
        raise InputError(f"prompt of shape {tuple(prompt.shape)}, {prompt.dtype}: (lines, tokens) is wanted, whole "
                         "numbers, one token or more.")  # fmt: skip
    if int(prompt.min()) < 0 or int(prompt.max()) >= vocabulary:
        raise InputError(f"prompt: tokens from {int(prompt.min())} to {int(prompt.max())} came; the model knows 0 to "
                         f"{vocabulary - 1}.")  # fmt: skip
    if count < 1 or not 0 <= temperature < float("inf") or (top_k is not None and top_k < 1):
        raise InputError(f"count={count}, temperature={temperature}, top_k={top_k}: count and top_k are 1 or more, "
                         "temperature is 0 or more.")  # fmt: skip
    whole = prompt.shape[1] + count
    if length is not None and length < whole:
        raise InputError(f"length={length}: prompt and continuation have {whole} tokens together.")
    return _stream(model, prompt, count, temperature, top_k, generator, length or whole)


def _stream(
    model: LanguageModel,
    prompt: Tensor,
    count: int,
    temperature: float,
    top_k: int | None,
    generator: torch.Generator | None,
    length: int,
) -> Iterator[Tensor]:
    prompt = prompt.to(model.trunk.stem.weight.device, torch.int64)
    cache = model.cache(prompt.shape[0], length)
    token = torch.empty(0)
    for number in range(count):
        before = model.training
        model.eval()
        try:
            logits = model.step(token, cache) if number else model.prefill(prompt, cache)
        finally:
            model.train(before)
        token = pick(logits, temperature, top_k, generator)
        yield token


def pick(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator | None) -> Tensor:
    """A token of each line: (B, V) -> (B,)."""
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        least = logits.topk(top_k, -1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
