"""Text that a language model goes on with, one token after the other.

Letters: B batch, n tokens of a prompt, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.models.iwin_lm import LanguageModel


@dataclass(frozen=True)
class Choice:
    """How a token is chosen: drawn by its probability, of the tokens that count.

    temperature: Logits are divided by it; 0 always takes the likeliest token.
    top_k: Only the likeliest k tokens count.
    top_p: Of those, only the fewest likeliest count that have this share of the probability together ("nucleus").
    Source: Holtzman et al. (arXiv 1904.09751) section 3.1 for top_p.
    Raises: InputError for values out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature={self.temperature}: 0 or more is wanted.")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top_k={self.top_k}: 1 or more is wanted.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p={self.top_p}: a share above 0, 1 at most, is wanted.")

    def pick(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A token of each line: (B, V) -> (B,)."""
        if self.temperature == 0:
            return logits.argmax(-1)
        logits = logits.double() - logits.amax(-1, keepdim=True)  # the likeliest stands at 0, however cold it gets
        probabilities = (logits / self.temperature).float().softmax(-1)
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            likeliest, places = probabilities.topk(self.top_k, -1)
            likeliest = likeliest / likeliest.sum(-1, keepdim=True)
            probabilities = torch.zeros_like(probabilities).scatter(-1, places, likeliest)
        if self.top_p is not None:
            ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
            before = ordered.cumsum(-1) - ordered
            ordered = ordered.masked_fill(before >= self.top_p, 0)
            probabilities = torch.zeros_like(ordered).scatter(-1, order, ordered)
        return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def generate(
    model: LanguageModel,
    prompt: Tensor,
    count: int,
    choice: Choice = Choice(),
    generator: torch.Generator | None = None,
    length: int | None = None,
) -> Tensor:
    """What comes after a batch of prompts of equal length: (B, n) int64 -> (B, count) int64; all else as `stream`."""
    return torch.stack(list(stream(model, prompt, count, choice, generator, length)), 1)


def stream(
    model: LanguageModel,
    prompt: Tensor,
    count: int,
    choice: Choice = Choice(),
    generator: torch.Generator | None = None,
    length: int | None = None,
) -> Iterator[Tensor]:
    """What comes after a batch of prompts, (B, n) int64: `count` times a token of each line, (B,), once it is known.

    Args:
        generator: Draws follow from it, on the device of the model, where the prompt is brought; None is PyTorch's own.
        length: Of the line, n + count by default. With stride="sqrt" G follows from it, so the same prompt goes on
            otherwise where the line is to be longer.
    The model reads the prompt at once and then a token a step; training mode is left as it was, and is off meanwhile.
    Raises: InputError, at the call, for an empty prompt, tokens beyond the vocabulary, or values out of range.
    """
    vocabulary = model.spec.vocabulary
    if prompt.ndim != 2 or not prompt.numel() or prompt.is_floating_point():
        raise InputError(f"prompt of shape {tuple(prompt.shape)}, {prompt.dtype}: (lines, tokens) is wanted, whole "
                         "numbers, one token or more.")  # fmt: skip
    if int(prompt.min()) < 0 or int(prompt.max()) >= vocabulary:
        raise InputError(f"prompt: tokens from {int(prompt.min())} to {int(prompt.max())} came; the model knows 0 to "
                         f"{vocabulary - 1}.")  # fmt: skip
    if count < 1:
        raise InputError(f"count={count}: 1 or more is wanted.")
    whole = prompt.shape[1] + count
    if length is not None and length < whole:
        raise InputError(f"length={length}: prompt and continuation have {whole} tokens together.")

    def tokens() -> Iterator[Tensor]:
        came = prompt.to(model.trunk.stem.weight.device, torch.int64)
        cache = model.cache(came.shape[0], length or whole)
        for number in range(count):
            before = model.training
            model.eval()
            try:
                logits = model.step(came, cache) if number else model.prefill(came, cache)
            finally:
                model.train(before)
            came = choice.pick(logits, generator)
            yield came

    return tokens()
