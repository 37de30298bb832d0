"""AdamW and SGD over two groups of parameters, and a learning rate that is a function of the step alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

Rate = Callable[[int], float]


def groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: with decay, and without it every 1-D parameter, every `.bias` and what the model names.

    The model names them in `no_weight_decay() -> set[str]`, where it has one. Frozen parameters are in neither.
    """
    exempt: set[str] = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()  # type: ignore[operator]
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            small = parameter.ndim <= 1 or name.endswith(".bias") or name in exempt
            (free if small else decayed).append(parameter)
    found = ({"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0})
    return [group for group in found if group["params"]]


def adamw(
    model: nn.Module, lr: float, weight_decay: float, betas: tuple[float, float], eps: float
) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups(model, weight_decay), lr=lr, betas=betas, eps=eps)


def sgd(model: nn.Module, lr: float, weight_decay: float, momentum: float) -> torch.optim.SGD:
    return torch.optim.SGD(groups(model, weight_decay), lr=lr, momentum=momentum)


def warmup_cosine(peak: float, steps: int, warmup: int, start: float, end: float) -> Rate:
    """The learning rate at a step 0 <= n < steps: a line from `start` to `peak`, then half a cosine down to `end`.

        n < warmup:  start + (peak - start) n / warmup
        else:        end + (peak - end) (1 + cos(pi (n - warmup) / (steps - warmup))) / 2

    Source: Swin's training code (the cosine begins after the warm-up).
    """

    def rate(step: int) -> float:
        if step < warmup:
            return start + (peak - start) * step / warmup
        way = (step - warmup) / max(steps - warmup, 1)
        return end + (peak - end) * (1 + math.cos(math.pi * min(way, 1.0))) / 2

    return rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
