"""Several views of a picture: the plain one is the model's own answer, mirrored pictures have mirrored answers."""

from __future__ import annotations

import pytest
import torch
from PIL import ImageOps

from small_detectors import CLASSES, NAMES, SETTINGS, detector, picture
from vitrail.data import rle
from vitrail.data.detection_batches import DetectionBatches
from vitrail.data.detection_set import DetectionSample
from vitrail.data.detections import Detections, Instances
from vitrail.data.loader import Draw
from vitrail.data.settings import Sides
from vitrail.errors import InputError
from vitrail.tasks.detect import Detect
from vitrail.tasks.detect_views import View, looking, merged, views_of


class OnePicture:
    """A set of one picture without a thing."""

    masks = False

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> DetectionSample:
        image = picture()
        nothing = Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), (image.height, image.width))
        return DetectionSample(image, nothing, "one")


def same(one: Detections, other: Detections) -> None:
    for name in ("boxes", "scores", "classes"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert (one.size, one.masks) == (other.size, other.masks)


def test_the_views_of_a_name() -> None:
    usual = Sides(80, 80, 1, 120)
    assert views_of("one", usual) == (View(usual),)
    assert views_of("flip", usual) == (View(usual), View(usual, True))
    scales = [Sides(60, 60, 1, 90), Sides(80, 80, 1, 120), Sides(100, 100, 1, 150)]
    assert views_of("scales", usual) == tuple(map(View, scales))
    assert len(views_of("all", usual)) == 6 and views_of("all", usual)[:3] == views_of("scales", usual)
    assert views_of("flip", usual, (40,)) == (View(Sides(40, 40, 1, 60)), View(Sides(40, 40, 1, 60), True))
    assert len(views_of("one", usual, (40, 80, 40))) == 2
    with pytest.raises(InputError, match="none of one, flip, scales, all"):
        views_of("ten", usual)
    with pytest.raises(InputError, match="sides 0"):
        views_of("one", usual, (0,))


@pytest.mark.parametrize("name", NAMES)
def test_one_view_is_the_plain_prediction(name: str) -> None:
    model = detector(name)
    batch = DetectionBatches(OnePicture(), SETTINGS, None, 0).load(Draw(0, (0,)))  # type: ignore[arg-type]
    (plain,) = Detect(CLASSES, model.masks).predict(model, batch)
    assert len(plain) == 20 and len({*plain.classes.tolist()}) == 2
    same(looking(model, SETTINGS, views_of("one", SETTINGS.resize))(picture()), plain)
    same(looking(model, SETTINGS, views_of("one", SETTINGS.resize, (64,)))(picture()), plain)


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_picture_has_a_mirrored_answer(name: str) -> None:
    model, image = detector(name), picture()
    plain, look = (looking(model, SETTINGS, views_of(views, SETTINGS.resize)) for views in ("one", "flip"))
    here, there = look(image), look(ImageOps.mirror(image))
    assert len(here) == len(there) == 20
    assert not torch.equal(here.boxes, plain(image).boxes)
    order = [place.scores.mul(1e6).round().argsort(descending=True, stable=True) for place in (here, there)]
    left, top, right, bottom = there.boxes.unbind(1)
    back = torch.stack([image.width - right, top, image.width - left, bottom], 1)
    torch.testing.assert_close(here.boxes[order[0]], back[order[1]], atol=1e-3, rtol=0)
    torch.testing.assert_close(here.scores, there.scores)
    if here.masks is not None:
        masks = rle.decode(here.masks, here.size), rle.decode(there.masks, there.size).flip(2)
        assert (masks[0] != masks[1]).float().mean() < 0.01  # at edges, where rounding decides a pixel


def test_the_surest_of_a_class_stays() -> None:
    def found(rows: list[list[float]], masks: list[list[int]]) -> Detections:
        table = torch.tensor(rows)
        pixels = torch.zeros(len(rows), 1, 10, dtype=torch.bool)
        for mask, (first, last) in zip(pixels, masks, strict=True):
            mask[:, first:last] = True
        return Detections(table[:, :4], table[:, 4], table[:, 5].long(), (1, 10), rle.encode(pixels))

    plain = found([[0, 0, 4, 1, 0.9, 0], [6, 0, 9, 1, 0.4, 1]], [[0, 4], [6, 9]])
    turned = found([[6, 0, 10, 1, 0.8, 1], [1, 0, 4, 1, 0.6, 1]], [[6, 10], [1, 3]])  # 0 to 4, and 6 to 9, of class 1
    both = merged([(False, plain), (True, turned)], 0.5, 100)
    assert both.boxes.tolist() == [[0, 0, 4, 1], [0, 0, 4, 1], [6, 0, 9, 1]]
    assert both.classes.tolist() == [0, 1, 1] and both.scores.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert rle.decode(both.masks, (1, 10))[:, 0].nonzero().tolist() == [
        *([0, x] for x in range(4)),
        *([1, x] for x in range(4)),
        *([2, x] for x in (7, 8)),  # the mask of the surer one, turned back
    ]
    assert len(merged([(False, plain), (True, turned)], 0.5, 2)) == 2
