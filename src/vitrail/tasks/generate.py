"""Which way noise flows to pictures of a class.   B samples, C channels, H x W; K moments that are measured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitrail.data.generation_batches import FlowBatch
from vitrail.data.randomness import mix
from vitrail.flow import loss as flow
from vitrail.flow.loss import FlowLosses
from vitrail.flow.noise import noise
from vitrail.flow.objective import Objective
from vitrail.flow.path import along
from vitrail.metrics.velocity import Velocities

MOMENTS = 4


@dataclass(frozen=True)
class Velocity:
    """The task's currency: how far a model's velocity is from the truth, the mean over K fixed moments; (B,) each."""

    squared: Tensor
    direction: Tensor
    truth: Tensor


@dataclass(frozen=True)
class Generate:
    """Rectified flow to labelled pictures or latents.

    null: The model's label of none, or None.
    channels, size: Of what is made, for a batch without any.
    seed: With a sample's number it decides the noise that it is measured with: the same after every epoch.
    """

    null: int | None
    objective: Objective
    channels: int
    size: tuple[int, int]
    seed: int = 0

    best = "explained"
    shown = ("explained",)

    def loss(self, model: nn.Module, batch: FlowBatch) -> FlowLosses:
        """Moments, noise and dropped labels come from the device's own generator, which the loop seeds step by step."""
        return flow.loss(model, batch.images, batch.target, _generator(batch.images.device), self.null, self.objective)

    def predict(self, model: nn.Module, batch: FlowBatch) -> Velocity:
        """At the middles of K equally likely parts of the moments, with labels; the model in the mode it is in."""
        data, sums = batch.images, []
        numbers = batch.numbers or range(len(data))
        with torch.no_grad():
            for part, moment in enumerate(moments(self.objective)):
                drawn = noise(mix(self.seed, part), numbers, tuple(data.shape[1:])).to(data)
                t = data.new_full((len(data),), moment)
                x, truth = along(drawn, data, t)
                squared, direction = flow.errors(model(x, t, _labels(batch)), truth)
                sums.append(torch.stack([squared, direction, truth.square().flatten(1).mean(1)]))
        return Velocity(*torch.stack(sums).mean(0))

    def metric(self) -> Velocities:
        return Velocities()

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> FlowBatch:
        """A batch of one that nobody asks about."""
        nothing = torch.empty(0, dtype=torch.int64)
        return FlowBatch(torch.zeros(1, self.channels, *self.size), nothing, (), skipped)


def moments(objective: Objective, count: int = MOMENTS) -> list[float]:
    """Moments at the middles of `count` equally likely parts of a logit-normal distribution, rising."""
    share = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return torch.sigmoid(objective.mean + objective.deviation * torch.special.ndtri(share)).tolist()


def _labels(batch: FlowBatch) -> Tensor:
    """The labels; of a batch that nobody asks about, zeros."""
    return batch.target if len(batch.target) else batch.images.new_zeros(len(batch.images), dtype=torch.int64)


def _generator(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator
