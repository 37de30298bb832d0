"""Views of a picture against crops made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vitrail.data.settings import Preprocessing
from vitrail.data.transforms import for_use
from vitrail.data.views import for_views, how_many
from vitrail.errors import InputError


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def by_hand(crop: Image.Image, settings: Preprocessing) -> torch.Tensor:
    values = torch.from_numpy(np.array(crop)).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(part)[:, None, None] for part in (settings.mean, settings.std))
    return (values - mean) / std


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
@pytest.mark.parametrize("share", [0.875, 0.9, 1.0, None])
@pytest.mark.parametrize("shape", [(50, 37), (37, 50), (20, 90)])
def test_views_are_the_crops_cut_by_hand(size: tuple[int, int], share: float | None, shape: tuple[int, int]) -> None:
    image, settings = picture(*shape), Preprocessing(share=share)
    usual = for_use(size, settings)(image)
    assert torch.equal(for_views("one", size, settings)(image), usual[None])
    assert torch.equal(for_views("flip", size, settings)(image), torch.stack([usual, usual.flip(-1)]))

    (high, wide), (width, height) = size, shape
    if share is None:
        new = (round(wide * 256 / 224), round(high * 256 / 224))
    else:
        zoom = max(int(high / share) / height, int(wide / share) / width)
        new = (round(width * zoom), round(height * zoom))
    large = image.resize(new, Image.Resampling.BICUBIC)
    right, low = new[0] - wide, new[1] - high
    corners = [(0, 0), (right, 0), (0, low), (right, low)]
    ten = for_views("ten", size, settings)(image)
    assert ten.shape == (10, 3, *size)
    for view, (x, y) in zip(ten[:4], corners, strict=True):
        torch.testing.assert_close(view, by_hand(large.crop((x, y, x + wide, y + high)), settings))
    if share is not None:
        assert torch.equal(ten[4], usual)
    assert torch.equal(ten[5:], ten[:5].flip(-1))


def test_other_names_are_refused() -> None:
    assert [how_many(name) for name in ("one", "flip", "ten")] == [1, 2, 10]
    with pytest.raises(InputError, match="none of one, flip, ten"):
        for_views("five", (8, 8), Preprocessing())
