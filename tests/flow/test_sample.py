"""Sampling: noise by number, guidance, solvers together; the same whatever is made together with what."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vitrail.errors import InputError
from vitrail.flow.guidance import guided
from vitrail.flow.noise import between, noise
from vitrail.flow.sample import follow_noise, sample
from vitrail.flow.sampling import Sampling

NULL = 3


class Toy(torch.nn.Module):
    """A velocity that differs by label, channel and time, and counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.times: list[float] = []

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        self.asked.append(len(x))
        self.times += t.tolist()
        way = (labels.to(x.dtype) + 1).view(-1, 1, 1, 1) * torch.arange(1, x.shape[1] + 1).view(1, -1, 1, 1)
        return torch.sin(2 * x) * (1 - t.view(-1, 1, 1, 1)) - 0.3 * x + 0.2 * way


def test_noise_follows_from_seed_and_number_alone():
    shape = (2, 3, 5)
    whole = noise(5, range(4), shape)
    assert whole.shape == (4, *shape) and whole.dtype == torch.float32
    assert torch.equal(noise(5, [2, 0], shape), whole[[2, 0]])
    assert not torch.equal(noise(6, [2], shape)[0], whole[2])
    assert not torch.equal(noise(2, [5], shape)[0], whole[2])
    assert noise(0, [], shape).shape == (0, *shape)
    many = noise(1, range(50), (4, 8, 8)).double().numpy().ravel()
    assert abs(many.mean()) < 0.05 and abs(many.std() - 1) < 0.05
    assert abs(np.corrcoef(noise(1, range(40), (100,)).numpy()) - np.eye(40)).max() < 0.5


def test_between_two_noises_lengths_stay():
    first, last = noise(0, range(2), (4, 6, 6))
    path = between(first, last, 5)
    torch.testing.assert_close(path[0], first)
    torch.testing.assert_close(path[-1], last)
    lengths = path.flatten(1).norm(dim=1)
    assert lengths.min() > 0.99 * min(first.norm(), last.norm())
    unit = path.flatten(1).double() / lengths[:, None]
    angles = torch.arccos((unit[1:] * unit[:-1]).sum(1))
    torch.testing.assert_close(angles, angles.mean().expand(4), rtol=1e-4, atol=0)
    torch.testing.assert_close(between(first, first, 3)[1], first)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_guidance_by_two_calls(channels):
    model, x, t = Toy(), torch.randn(2, 3, 2, 2), torch.tensor([0.2, 0.7])
    labels = torch.tensor([0, 2])
    found = guided(model, x, t, labels, NULL, 4.0, channels)
    label, none = model(x, t, labels), model(x, t, torch.tensor([NULL, NULL]))
    expected = label.clone()
    for channel in range(3 if channels is None else channels):
        expected[:, channel] = none[:, channel] + 4 * (label[:, channel] - none[:, channel])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(guided(model, x, t, labels, NULL, 0.0), none)


@pytest.mark.parametrize("solver", ["dopri5", "euler", "heun"])
def test_a_scale_of_one_is_no_guidance_and_computes_no_second_half(solver):
    labels, shape = torch.tensor([0, 2, 1]), (3, 2, 4)
    plain, scaled = Toy(), Toy()
    free = Sampling(solver=solver, steps=6)
    same = dataclasses.replace(free, scale=1.0, channels=2, start=0.2, end=0.8)
    expected = sample(plain, labels, shape, free, None)
    assert torch.equal(sample(scaled, labels, shape, same, NULL), expected)
    assert scaled.asked == plain.asked and max(plain.asked) == 3
    guides = dataclasses.replace(free, scale=2.0)
    assert not torch.allclose(sample(scaled, labels, shape, guides, NULL), expected)
    assert max(scaled.asked) == 6


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_guidance_acts_in_its_interval_alone(solver):
    model = Toy()
    sampling = Sampling(solver=solver, steps=10, scale=3.0, start=0.25, end=0.6)
    sample(model, torch.tensor([1]), (2, 2, 2), sampling, NULL)
    twice = {round(t, 6) for t in model.times if model.times.count(t) > (1 if solver == "euler" else 2)}
    assert twice >= {0.3, 0.4, 0.5, 0.6} and not twice & {0.0, 0.1, 0.2, 0.7, 0.8, 0.9}


def test_dopri5_with_an_interval_is_three_parts_one_after_the_other():
    labels, x = torch.tensor([0, 2]), noise(0, range(2), (3, 2, 2)).double()
    tight = {"solver": "dopri5", "rtol": 1e-8, "atol": 1e-10}
    found = follow_noise(Toy(), x, labels, Sampling(**tight, scale=3.0, start=0.25, end=0.6), NULL)
    for i in range(2000):  # Euler in small steps, of which none crosses where guidance begins or ends
        moment = torch.full((2,), i / 2000, dtype=torch.float64)
        inside = 500 <= i < 1200
        x = x + (guided(Toy(), x, moment, labels, NULL, 3.0) if inside else Toy()(x, moment, labels)) / 2000
    torch.testing.assert_close(found, x, rtol=0, atol=3e-3)


@pytest.mark.parametrize("solver", ["dopri5", "euler", "heun"])
def test_a_sample_is_the_same_in_any_batch(solver):
    sampling = Sampling(solver=solver, steps=8, scale=2.5, channels=2, start=0.1, seed=3)
    labels, shape = torch.tensor([0, 1, 2, 1, 0]), (3, 3, 2)
    whole = sample(Toy(), labels, shape, sampling, NULL)
    assert torch.equal(sample(Toy(), labels, shape, sampling, NULL), whole)
    for batch in (1, 2, 3):
        parts = [
            sample(Toy(), labels[i : i + batch], shape, sampling, NULL, range(i, min(i + batch, 5)))
            for i in range(0, 5, batch)
        ]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(sample(Toy(), labels, shape, dataclasses.replace(sampling, seed=4), NULL), whole)


def test_solvers_agree_when_steps_are_small():
    labels, shape = torch.tensor([0, 2]), (2, 3, 3)
    exact = sample(Toy(), labels, shape, Sampling(solver="dopri5", rtol=1e-6, atol=1e-8), NULL)
    heun = sample(Toy(), labels, shape, Sampling(solver="heun", steps=80, shift=0.5), NULL)
    torch.testing.assert_close(heun, exact, rtol=0, atol=1e-3)


def test_progress_ends_at_one_and_no_gradient_is_kept():
    told: list[float] = []
    found = sample(Toy(), torch.tensor([0]), (2, 2, 2), Sampling(steps=4), NULL, told=told.append)
    assert told == pytest.approx([0.25, 0.5, 0.75, 1.0]) and not found.requires_grad


def test_choices_are_json_values_and_back():
    sampling = Sampling(solver="dopri5", scale=1.5, channels=3, start=0.11, seed=4)
    text = json.dumps(dataclasses.asdict(sampling))
    assert Sampling(**json.loads(text)) == sampling
    assert set(json.loads(text)) == {field.name for field in dataclasses.fields(Sampling)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"solver": "rk4"},
        {"steps": 0},
        {"steps": 2.5},
        {"shift": 0.0},
        {"scale": -1.0},
        {"channels": 0},
        {"start": 0.6, "end": 0.5},
        {"end": 1.5},
        {"rtol": 0.0},
        {"seed": -1},
        {"scale": float("nan")},
        {"cfg": 4.0},
    ],
    ids=str,
)
def test_wrong_choices_are_refused(wrong):
    with pytest.raises(ValidationError):
        Sampling(**wrong)


def test_what_cannot_be_sampled_is_said_in_one_line():
    labels = torch.tensor([0, 1])
    with pytest.raises(InputError, match=r"scale=2.0 needs a model trained with dropped labels; take scale=1"):
        sample(Toy(), labels, (2, 2, 2), Sampling(scale=2.0), None)
    with pytest.raises(InputError, match="channels=3 are to be guided; a latent has 2"):
        sample(Toy(), labels, (2, 2, 2), Sampling(scale=2.0, channels=3), NULL)
    with pytest.raises(InputError, match="3 numbers of samples came for 2 labels"):
        sample(Toy(), labels, (2, 2, 2), Sampling(), NULL, range(3))
