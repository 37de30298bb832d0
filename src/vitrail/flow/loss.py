"""What a velocity is trained on.   B batch, C channels, S the other axes of a latent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail.flow.objective import Objective
from vitrail.flow.path import along
from vitrail.flow.timesteps import logit_normal

Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x (B, C, *S), t (B,), labels (B,)) -> (B, C, *S)


@dataclass(frozen=True)
class FlowLosses:
    """Means over a batch: the squared error of the velocity, and 1 - its cosine with the truth, weighted."""

    velocity: Tensor
    direction: Tensor

    @property
    def total(self) -> Tensor:
        return self.velocity + self.direction


def loss(
    model: Velocity,
    data: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    null: int | None,
    objective: Objective = Objective(),  # noqa: B008 (frozen)
) -> FlowLosses:
    """One step's losses: moments, noise and dropped labels are drawn, in this order, from `generator` alone.

    Args:
        data: Latents, (B, C, *S), scaled as the model is to make them.   labels: (B,) long.
        null: The label of none; None where the model has none, and then no label is dropped.
    Source: LightningDiT (arXiv 2501.01423) section 3.3 and its release.
    """
    where = generator.device
    t = logit_normal(len(data), generator, objective.mean, objective.deviation).to(data.device)
    noise = torch.randn(data.shape, generator=generator, device=where).to(data)
    labels = labels.to(data.device)
    if null is not None:
        labels = drop_labels(labels, objective.label_drop, null, generator)
    x, truth = along(noise, data, t)
    found = model(x, t, labels)
    velocity, direction = errors(found, truth)
    return FlowLosses(velocity.mean(), objective.direction * direction.mean())


def errors(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Of each sample: the mean squared error, and the mean over positions of 1 - cosine over channels, (B,) each.

    Computed in float32 or better.
    """
    if found.dtype != torch.float64:
        found, truth = found.float(), truth.float()
    cosine = F.cosine_similarity(found, truth, dim=1)
    return (found - truth).square().flatten(1).mean(1), (1 - cosine).flatten(1).mean(1)


def drop_labels(labels: Tensor, share: float, null: int, generator: torch.Generator) -> Tensor:
    """Labels (B,), each replaced by `null` with probability `share`."""
    drawn = torch.rand(labels.shape, generator=generator, device=generator.device).to(labels.device)
    return torch.where(drawn < share, null, labels)
