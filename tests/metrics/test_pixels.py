"""Intersection over union against the dullest possible loop, on random and on real maps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitrail.metrics.pixels import Pixels, inside

NAMES = ("a", "b", "c", "d", "e")


def slow(said: list[list[list[int]]], truth: list[list[list[int]]], classes: int) -> dict[str, dict[int, float]]:
    """IoU and accuracy of each class that has one, pixel by pixel; aAcc under class -1."""
    both, true, told = ([0] * classes for _ in range(3))
    pixels = 0
    for one, other in zip(said, truth, strict=True):
        for row, wanted in zip(one, other, strict=True):
            for guess, label in zip(row, wanted, strict=True):
                if label == 255:
                    continue
                pixels += 1
                true[label] += 1
                if guess < classes:
                    told[guess] += 1
                both[label] += guess == label
    unions = [true[k] + told[k] - both[k] for k in range(classes)]
    return {
        "IoU": {k: both[k] / unions[k] for k in range(classes) if unions[k]},
        "acc": {k: both[k] / true[k] for k in range(classes) if true[k]},
        "aAcc": {-1: sum(both) / pixels},
    }


def agree(metric: Pixels, wanted: dict[str, dict[int, float]]) -> None:
    found, table = metric.compute(), list(metric.per_class().values())
    assert found["aAcc"] == pytest.approx(wanted["aAcc"][-1], abs=1e-12)
    for name, mean in (("IoU", "mIoU"), ("acc", "mAcc")):
        there = wanted[name]
        assert found[mean] == pytest.approx(sum(there.values()) / len(there), abs=1e-12)
        for k, row in enumerate(table):
            assert math.isnan(row[name]) if k not in there else row[name] == pytest.approx(there[k], abs=1e-12)
    assert sum(row["share"] for row in table) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_random_maps_with_ignored_pixels_and_absent_classes(seed: int) -> None:
    """Class 4 is nowhere, class 3 only said, class 2 only true; guesses under ignored pixels count nowhere."""
    random = np.random.default_rng(seed)
    metric, said, truth = Pixels(NAMES), [], []
    for size in ((7, 11), (5, 3), (1, 9)):
        label = random.choice([0, 1, 2, 255], size, p=[0.3, 0.3, 0.2, 0.2])
        guess = random.choice([0, 1, 3], size)
        guess[label == 255] = 4
        said.append(guess.tolist())
        truth.append(label.tolist())
    metric.update([torch.tensor(one) for one in said], [torch.tensor(one).to(torch.uint8) for one in truth])
    wanted = slow(said, truth, 5)
    assert set(wanted["IoU"]) == {0, 1, 2, 3} and set(wanted["acc"]) == {0, 1, 2}
    agree(metric, wanted)


def test_a_guess_beyond_the_classes_is_wrong_and_no_class() -> None:
    metric = Pixels(("a", "b"))
    metric.update([torch.tensor([[0, 1, 255, -1]])], [torch.tensor([[0, 0, 1, 1]])])
    assert [row["IoU"] for row in metric.per_class().values()] == [0.5, 0.0] and metric.compute()["aAcc"] == 0.25


def test_real_maps(shared_data: Path) -> None:
    """CamVid's truth beside the truth of the next frame but one, at every fifth pixel."""
    files = sorted((shared_data / "semseg" / "camvid" / "annotations" / "validation").glob("*.png"))[:12:2]
    maps = [np.asarray(Image.open(file))[::5, ::5] for file in files]
    said = [np.where(one == 255, 7, one) for one in maps[1:]]
    metric = Pixels(tuple(map(str, range(11))))
    for guess, label in zip(said, maps[:-1], strict=True):
        metric.update([torch.from_numpy(guess).long()], [torch.tensor(label).long()])
    agree(metric, slow([one.tolist() for one in said], [one.tolist() for one in maps[:-1]], 11))
    assert 0.3 < metric.compute()["mIoU"] < 0.95


def test_processes_add_up() -> None:
    random = torch.Generator().manual_seed(0)
    pairs = [torch.randint(0, 5, (2, 9, 8), generator=random) for _ in range(6)]
    whole, first, second = (Pixels(NAMES, boundary=True) for _ in range(3))
    for number, (said, truth) in enumerate(pairs):
        whole.update([said], [truth])
        (first if number % 2 else second).update([said], [truth])
    first.absorb([second.states()])
    assert first.compute() == whole.compute() and first.per_class() == whole.per_class()


def test_nothing_seen_is_not_a_number() -> None:
    assert all(math.isnan(value) for value in Pixels(NAMES, boundary=True).compute().values())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted \\(H, W\\) of both"):
        Pixels(NAMES).update([torch.zeros(2, 3)], [torch.zeros(3, 2)])
    with pytest.raises(ValueError, match="wanted 0 to 4 or 255"):
        Pixels(NAMES).update([torch.zeros(1, 1)], [torch.full((1, 1), 5)])


def eroded(mask: np.ndarray, times: int) -> np.ndarray:
    """A mask that loses its rim, eight neighbours wide, one pixel at a time, as the paper's own code erodes."""
    for _ in range(times):
        wide = np.pad(mask, 1)
        mask = np.all([wide[i : i + mask.shape[0], j : j + mask.shape[1]] for i in range(3) for j in range(3)], axis=0)
    return mask


@pytest.mark.parametrize(("height", "width"), [(20, 30), (70, 90), (90, 110)])
def test_boundaries_are_what_erosion_takes_away(height: int, width: int) -> None:
    """Class by class, mask by mask; d is 1, 2 and 3 pixels."""
    random = np.random.default_rng(height)
    blocks = random.choice([0, 1, 2, 255], (2, 4, 5), p=[0.3, 0.3, 0.3, 0.1])
    truth = blocks[0].repeat(-(-height // 4), 0).repeat(-(-width // 5), 1)[:height, :width]
    said = np.roll(np.where(truth == 255, 1, truth), (2, -3), (0, 1))
    d = max(round(0.02 * (height**2 + width**2) ** 0.5), 1)
    metric = Pixels(NAMES, boundary=True)
    metric.update([torch.from_numpy(said)], [torch.from_numpy(truth)])
    wanted = []
    for k in range(5):
        masks = [(one == k) & (truth != 255) for one in (truth, said)]
        rims = [mask & ~eroded(mask, d) for mask in masks]
        union = (rims[0] | rims[1]).sum()
        wanted.append((rims[0] & rims[1]).sum() / union if union else math.nan)
    found = [row["boundary_IoU"] for row in metric.per_class().values()]
    assert found == pytest.approx(wanted, nan_ok=True, abs=1e-12)
    assert metric.compute()["boundary_mIoU"] == pytest.approx(np.nanmean(wanted)) and 0 < np.nanmean(wanted) < 1


def test_only_the_middle_of_a_plain_picture_is_inside() -> None:
    found = inside(torch.zeros(7, 9, dtype=torch.int16), 3)
    assert found.nonzero().tolist() == [[3, 3], [3, 4], [3, 5]]


def test_boundaries_of_eight_bits_are_those_of_more() -> None:
    """A label map as it is stored, 255 for none, has no room for -1."""
    truth, said = (torch.randint(0, 3, (9, 14), dtype=torch.uint8) for _ in range(2))
    truth[:2] = 255
    wide, narrow = (Pixels(("a", "b", "c"), boundary=True) for _ in range(2))
    wide.update([said.long()], [truth.long()])
    narrow.update([said], [truth])
    assert torch.equal(wide.edges, narrow.edges) and int(wide.edges.sum()) > 0
