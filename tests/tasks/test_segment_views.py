"""Views, windows and tiles beside what torch makes of whole pictures."""

from __future__ import annotations

import itertools

import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

import vitrail
from vitrail.data.label_transforms import pixels, resize_image
from vitrail.data.pixel_settings import Fit, PixelPreprocessing
from vitrail.errors import InputError
from vitrail.tasks import segment_bands
from vitrail.tasks.segment_bands import Seen, class_map
from vitrail.tasks.segment_tiles import look_in_tiles, spans
from vitrail.tasks.segment_views import RATIOS, Slide, View, looking, see, views_of

TINY = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2}
OWN = PixelPreprocessing(resize=None)


def photo(height: int = 53, width: int = 70, seed: int = 0) -> Image.Image:
    torch.manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 9)
    image = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return Image.fromarray((255 * image[0].permute(1, 2, 0)).byte().numpy())


def small(kind: str = "upernet", backbone: str = "swin_nano", classes: int = 5) -> vitrail.models.segmenters.Segmenter:
    torch.manual_seed(0)
    head = {"channels": 8, **({"auxiliary": 0} if kind == "upernet" else {"pyramid": 8})}
    model = vitrail.create_model(f"{kind}_{backbone}", classes, (64, 64), **TINY, **head).eval()
    for parameter in model.parameters():  # values at which a difference shows
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.2)
    return model


def shares(views: list[Seen], size: tuple[int, int]) -> Tensor:
    """The slow way: all logits of all views at once, (K, H, W)."""
    total = 0.0
    for view in views:
        logits, count = torch.zeros(5, *view.size), torch.zeros(view.size)
        for one in view.windows:
            wide = F.interpolate(one.logits[None], one.frame, mode="bilinear", align_corners=False)[0]
            place = (slice(one.top, one.top + one.size[0]), slice(one.left, one.left + one.size[1]))
            logits[(slice(None), *place)] += wide[:, : one.size[0], : one.size[1]]
            count[place] += 1
        logits /= count
        logits = logits.flip(2) if view.mirrored else logits
        total = total + F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0].softmax(0)
    return total / len(views)


def agrees(found: Tensor, wanted: Tensor) -> None:
    """Nowhere another class than one as likely as the likeliest."""
    assert found.shape == wanted.shape[1:] and found.dtype == torch.uint8
    torch.testing.assert_close(wanted.gather(0, found[None].long())[0], wanted.amax(0), atol=2e-6, rtol=0)


@pytest.mark.parametrize("numbers", [1, 2000, 1 << 24])
@pytest.mark.parametrize("multiple", [1, 32])
def test_bands_are_the_whole(numbers: int, multiple: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_bands, "NUMBERS", numbers)
    model, image = small(), photo()
    settings = PixelPreprocessing(resize=Fit(200, 41), multiple=multiple)
    views = views_of("all", settings.resize)
    for slide in (None, Slide(33, 20)):
        seen = [see(model, settings, view, image, slide) for view in views]
        agrees(class_map(seen, (53, 70)), shares(seen, (53, 70)))
        agrees(class_map(seen[:1], (53, 70)), shares(seen[:1], (53, 70)))


def test_one_look_is_the_prediction_of_a_batch() -> None:
    """The path that training measures by and the one of pictures, on the same picture."""
    from vitrail.data.label_batches import PixelBatch, frame, normalised
    from vitrail.tasks.segment import Segment

    model, image = small(), photo()
    settings = PixelPreprocessing(resize=Fit(200, 41), multiple=32)
    resized = normalised(resize_image(pixels(image), (41, 54)), settings)
    images = torch.zeros(1, 3, *frame([(41, 54)], 32))
    images[0, :, :41, :54] = resized
    batch = PixelBatch(images, (), ((41, 54),), ((53, 70),), ("a",))
    found = looking(model, settings, views_of("one", settings.resize))(image)
    assert torch.equal(found, Segment(tuple("abcde")).predict(model, batch)[0])


def test_a_window_that_covers_the_picture_is_the_whole() -> None:
    model, image = small(), photo()
    whole, window = (see(model, OWN, View(None), image, slide) for slide in (None, Slide(90, 60)))
    assert len(window.windows) == 1
    torch.testing.assert_close(window.rows(0, 53), whole.rows(0, 53), atol=1e-6, rtol=0)
    with torch.no_grad():
        oracle = model.predict(
            (pixels(image).float()[None] / 255 - torch.tensor(OWN.mean)[:, None, None])
            / torch.tensor(OWN.std)[:, None, None]
        )
    torch.testing.assert_close(whole.rows(0, 53), oracle[0], atol=1e-5, rtol=1e-5)


def test_windows_reach_every_pixel_and_end_at_the_border() -> None:
    for size, side, step in (((53, 70), 33, 20), ((33, 34), 33, 33), ((10, 100), 32, 16), ((64, 64), 32, 32)):
        covered = torch.zeros(size)
        for top, left, height, width in Slide(side, step).places(size):
            assert (height, width) == (min(side, size[0]), min(side, size[1]))
            assert top + height <= size[0] and left + width <= size[1]
            covered[top : top + height, left : left + width] += 1
        assert covered.min() >= 1 and (step < side or covered.max() == 1 or size == (33, 34))
    assert [left for top, left, *_ in Slide(32, 20).places((32, 75))] == [0, 20, 40, 43]
    for side, step in ((0, 0), (8, 0), (8, 9)):
        with pytest.raises(InputError, match="within one"):
            Slide(side, step)


def test_a_mirrored_picture_has_the_mirrored_answer() -> None:
    """Seen both ways, whatever the model is."""
    model, image = small("semantic_fpn", "iwin_nano"), photo()
    settings = PixelPreprocessing(resize=Fit(200, 41), multiple=32)
    look = looking(model, settings, views_of("flip", settings.resize))
    both = [see(model, settings, view, image) for view in views_of("flip", settings.resize)]
    wanted = shares(both, (53, 70))
    agrees(look(ImageOps.mirror(image)).flip(1), wanted)


def test_views_by_name() -> None:
    usual = Fit(2048, 512)
    assert views_of("one", usual) == (View(usual),)
    assert views_of("flip", usual) == (View(usual), View(usual, 1.0, True))
    assert [view.ratio for view in views_of("scales", None)] == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75] == list(RATIOS)
    assert len(views_of("all", usual)) == 12 and sum(view.mirrored for view in views_of("all", usual)) == 6
    assert [view.fit for view in views_of("one", usual, (256, 512, 256))] == [Fit(1024, 256), Fit(2048, 512)]
    assert views_of("scales", None, (256,))[0].fit.shortest == 256
    for name, sides, said in (("ten", (), "none of one, flip"), ("one", (0,), "from 1 on")):
        with pytest.raises(InputError, match=said):
            views_of(name, usual, sides)


@pytest.mark.parametrize("multiple", [1, 8])
def test_tiles_take_every_pixel_once(multiple: int) -> None:
    for length in (1, 31, 32, 33, 40, 97, 250):
        found = spans(length, 32, 9, multiple)
        assert [low for *_, low, _ in found] == [0, *(high for *_, high in found[:-1])] and found[-1].high == length
        assert all(
            first <= low < high <= last <= first + 32 and first % multiple == 0 for first, last, low, high in found
        )
        assert all(one.last - after.first >= 9 for one, after in itertools.pairwise(found))
        if length > 32:  # what is taken is far from where its tile was cut
            assert all(one.last - one.high >= 4 for one in found[:-1]) and all(
                one.low - one.first >= 4 for one in found[1:]
            )
    with pytest.raises(InputError, match="more than they share"):
        spans(100, 32, 32 - multiple + 1, multiple)
    assert len(spans(32, 32, 32)) == 1


def test_tiles_are_the_whole_for_a_look_that_sees_one_pixel() -> None:
    def look(image: Image.Image) -> Tensor:
        return pixels(image)[0]

    image = photo(97, 130)
    assert torch.equal(look_in_tiles(look, image, 40, 10), look(image))
    assert torch.equal(look_in_tiles(look, image, 40, 10, 8), look(image))
    assert torch.equal(look_in_tiles(look, image, 130, 100), look(image))


def test_tiles_that_overlap_by_the_reach_agree_away_from_the_borders() -> None:
    """A network of convolutions and block windows, tiles at multiples of the largest window: the same logits inside."""
    model = small("semantic_fpn", "swin_nano")
    image = photo(64, 512, seed=3)
    whole = see(model, OWN, View(None), image).rows(0, 64)
    left = see(model, OWN, View(None), image.crop((0, 0, 384, 64))).rows(0, 64)
    right = see(model, OWN, View(None), image.crop((128, 0, 512, 64))).rows(0, 64)
    far = 160  # of the cut: no path of pooling, shift and neighbours leads there
    torch.testing.assert_close(left[:, :, : 384 - far], whole[:, :, : 384 - far], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(right[:, :, far:], whole[:, :, 128 + far :], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(left[:, :, -8:], whole[:, :, 376:384], atol=1e-2)  # near it they differ
