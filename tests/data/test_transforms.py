"""From a picture to a tensor: sizes, values, and what training changes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from vitrail.data import transforms
from vitrail.data.randomness import seeded
from vitrail.data.settings import Augment, Preprocessing

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_use_is_the_usual_resize_and_centre_crop() -> None:
    image = noise(300, 200)
    usual = v2.Compose(
        [
            v2.Resize(256, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(224),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    assert torch.equal(transforms.for_use((224, 224), Preprocessing())(image), usual(image))


@pytest.mark.parametrize("picture", [(31, 20), (20, 31), (7, 90)])
@pytest.mark.parametrize("share", [0.875, 1.0, None])
def test_any_shape_becomes_the_size_asked_for(picture: tuple[int, int], share: float | None) -> None:
    settings = Preprocessing(share=share)
    assert transforms.for_use((24, 16), settings)(noise(*picture)).shape == (3, 24, 16)
    assert transforms.for_training((24, 16), settings, Augment(crop=(0.3, 1.0)))(noise(*picture)).shape == (3, 24, 16)


def test_without_a_crop_nothing_is_cut_or_stretched_beyond_the_share() -> None:
    white = Image.new("RGB", (40, 30), "white")
    assert transforms.for_use((16, 16), PLAIN)(white).min() == 1.0


def test_training_without_changes_is_use() -> None:
    image, size = noise(30, 30), (16, 16)
    assert torch.equal(transforms.for_training(size, PLAIN, Augment())(image), transforms.for_use(size, PLAIN)(image))


@pytest.mark.parametrize(
    "augment",
    [
        Augment(crop=(0.2, 0.5)),
        Augment(rotate=30.0),
        Augment(shift=0.3),
        Augment(scale=(0.5, 0.6)),
        Augment(flip=1.0),
        Augment(jitter=0.5),
        Augment(erase=1.0),
    ],
)
def test_each_change_changes_the_picture_and_follows_its_seed(augment: Augment) -> None:
    image, change = noise(24, 24), transforms.for_training((16, 16), PLAIN, augment)
    results = []
    for seed in (0, 0, 1):
        with seeded(seed):
            results.append(change(image))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], transforms.for_use((16, 16), PLAIN)(image))
    if not augment.flip:
        assert not torch.equal(results[0], results[2])


def test_mixing_keeps_shares_that_add_to_one() -> None:
    images, target = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 3, 0, 1])
    assert transforms.mixing(Augment(), 4) is None
    for augment in (Augment(mixup=0.8), Augment(cutmix=1.0), Augment(mixup=0.8, cutmix=1.0)):
        mix = transforms.mixing(augment, 4)
        assert mix
        with seeded(1):
            mixed, shares = mix(images, target)
        assert mixed.shape == images.shape
        assert shares.shape == (6, 4)
        assert torch.allclose(shares.sum(1), torch.ones(6))
        assert not torch.equal(mixed, images)


def test_transforms_reach_a_worker_by_pickle() -> None:
    change = transforms.for_training((8, 8), PLAIN, Augment(crop=(0.5, 1.0), rotate=5.0, jitter=0.1))
    again = pickle.loads(pickle.dumps(change))
    with seeded(0):
        first = change(noise(9, 9))
    with seeded(0):
        assert torch.equal(again(noise(9, 9)), first)
