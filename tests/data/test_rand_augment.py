"""RandAugment: each change is timm's, pixel by pixel, and chance has the shares that the settings name."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitrail.data import rand_augment, transforms
from vitrail.data.randomness import seeded
from vitrail.data.settings import Augment, Preprocessing, RandAugment

THEIRS = {
    "auto_contrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
    "rotate": "Rotate",
    "posterize": "PosterizeIncreasing",
    "solarize": "SolarizeIncreasing",
    "solarize_add": "SolarizeAdd",
    "colour": "ColorIncreasing",
    "contrast": "ContrastIncreasing",
    "brightness": "BrightnessIncreasing",
    "sharpness": "SharpnessIncreasing",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateXRel",
    "translate_y": "TranslateYRel",
}
MAGNITUDES = (0.0, 0.3, 2.5, 4.9, 7.77, 9.0, 9.6, 10.0)


def picture(shared: Path | None = None) -> Image.Image:
    """A photo where there is one, else waves: 3 channels of their own, darker than white and lighter than black."""
    if shared:
        with Image.open(shared / "photos" / "chelsea.png") as image:
            return image.convert("RGB").resize((97, 64))
    y, x = np.mgrid[:64, :97]
    waves = [np.sin(x / a + y / b) for a, b in ((7, 11), (5, -9), (13, 4))]
    return Image.fromarray((128 + 90 * np.stack(waves, -1)).astype(np.uint8))


def test_the_list_is_the_releases_in_their_order() -> None:
    names = pytest.importorskip("timm.data.auto_augment")._RAND_INCREASING_TRANSFORMS
    assert [THEIRS[name] for name in rand_augment.NAMES] == names


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
@pytest.mark.parametrize("name", rand_augment.NAMES)
def test_each_change_is_timms_exactly(
    name: str, interpolation: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm.data.auto_augment")
    settings, image = Preprocessing(interpolation=interpolation), picture(shared_data)
    canvas = rand_augment.canvas(settings)
    assert canvas.fill == (124, 116, 104)
    hparams = {"img_mean": canvas.fill, "interpolation": getattr(Image.Resampling, interpolation.upper())}
    for magnitude in MAGNITUDES:
        op = timm.AugmentOp(THEIRS[name], prob=1.0, magnitude=magnitude, hparams=hparams)
        for sign in (1, -1):
            monkeypatch.setattr(random, "random", lambda sign=sign: 0.5 - 0.1 * sign)  # timm negates above a half
            ours = rand_augment.CHANGES[name](image, sign * magnitude / 10, canvas)
            assert ours.mode == "RGB" and ours.size == image.size
            if name == "posterize" and magnitude == 10:  # no bit left: Pillow 13 refuses it in timm, and 12 gave black
                assert not np.asarray(ours).any()
            else:
                assert ours.tobytes() == op(image).tobytes(), (magnitude, sign)


def test_the_defaults_are_what_the_releases_name() -> None:
    timm = pytest.importorskip("timm.data.auto_augment")
    ours = RandAugment()
    theirs = timm.rand_augment_transform("rand-m9-mstd0.5-inc1", {"img_mean": (124, 116, 104)})
    assert theirs.num_layers == ours.count
    for op in theirs.ops:
        assert (op.prob, op.magnitude, op.magnitude_std) == (ours.chance, ours.magnitude, ours.spread)


def test_chance_has_the_shares_that_are_named() -> None:
    many, settings = 6000, RandAugment(count=2, magnitude=9.0, spread=0.5, chance=0.5)
    with seeded(0):
        rounds = [rand_augment.draw(settings) for _ in range(many)]
    drawn = [pair for pairs in rounds for pair in pairs]
    expected = many * settings.count * settings.chance / len(rand_augment.NAMES)
    counts = Counter(name for name, _ in drawn)
    assert set(counts) == set(rand_augment.NAMES)
    assert all(abs(count - expected) < 4.5 * math.sqrt(expected) for count in counts.values()), counts
    made = Counter(map(len, rounds))  # binomial(2, 1/2)
    assert [made[count] / many for count in range(3)] == pytest.approx([0.25, 0.5, 0.25], abs=0.025)
    repeated = sum(len(pairs) == 2 and pairs[0][0] == pairs[1][0] for pairs in rounds) / made[2]
    assert repeated == pytest.approx(1 / len(rand_augment.NAMES), abs=0.025)

    amounts = torch.tensor([amount for _, amount in drawn])
    assert (amounts > 0).double().mean() == pytest.approx(0.5, abs=0.03)
    strength = amounts.abs() * 10
    clipped = 0.5 * math.erfc(2 / math.sqrt(2))  # normal(9, 0.5) above 10
    assert (strength == 10).double().mean() == pytest.approx(clipped, abs=0.01)
    assert strength.max() == 10 and strength.min() > 6
    assert strength.median() == pytest.approx(9.0, abs=0.03)
    assert strength[strength < 9].sub(9).square().mean().sqrt() == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize("magnitude", [0.0, 10.0])
def test_strength_stays_on_its_scale(magnitude: float) -> None:
    with seeded(3):
        drawn = [pair for _ in range(200) for pair in rand_augment.draw(RandAugment(3, magnitude, 4.0, 1.0))]
    assert len(drawn) == 600
    assert all(abs(amount) <= 1 for _, amount in drawn)
    assert any(abs(amount) == magnitude / 10 for _, amount in drawn)


def test_nothing_is_drawn_without_chance_and_nothing_but_torch_is_drawn_from() -> None:
    image, canvas = picture(), rand_augment.canvas(Preprocessing())
    assert rand_augment.change(image, RandAugment(chance=0.0), canvas) is image
    random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    for number in range(40):
        with seeded(number):
            rand_augment.change(image, RandAugment(chance=1.0), canvas)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_training_makes_the_changes_it_is_told_after_the_mirror() -> None:
    image, plain = picture(), Preprocessing(share=None)
    augment = Augment(flip=1.0, rand=RandAugment(chance=1.0))
    change = transforms.for_training((64, 97), plain, augment)
    with seeded(5, 1, 2):
        got = change(image)
    with seeded(5, 1, 2):
        torch.rand(1)  # the mirror's draw
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        wanted = rand_augment.change(mirrored, RandAugment(chance=1.0), rand_augment.canvas(plain))
    assert torch.equal(got, transforms.for_use((64, 97), plain)(wanted))
    with seeded(5, 1, 3):
        assert not torch.equal(got, change(image))
