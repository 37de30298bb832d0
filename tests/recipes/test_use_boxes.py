"""A detector opened from its file and asked about pictures of every kind a user may have."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import vitrail
from small_detectors import CLASSES, NAMES, SETTINGS, detector, kept, picture, size_of
from vitrail.data import rle
from vitrail.data.detections import Detections
from vitrail.errors import InputError
from vitrail.recipes import use
from vitrail.recipes.asking import Asked
from vitrail.recipes.use_boxes import Answers, TrainedDetector
from vitrail.weights import save


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainedDetector:
    path = kept(tmp_path_factory.mktemp("weights") / "d.safetensors", request.param, thresholds=[0.58, 0.3])
    found = vitrail.load(path)
    assert isinstance(found, TrainedDetector)
    return found


def sound(found: Detections, size: tuple[int, int]) -> None:
    """In the frame, without NaN."""
    assert found.size == size
    assert found.boxes.isfinite().all() and found.scores.isfinite().all()
    assert (found.boxes >= 0).all() and (found.boxes <= torch.tensor([size[1], size[0]] * 2)).all()
    if found.masks is not None:
        assert len(rle.decode(found.masks, size)) == len(found)


def test_it_has_all_that_its_use_needs(trained: TrainedDetector) -> None:
    assert (trained.classes, trained.size, trained.preprocessing) == (CLASSES, (64, 64), SETTINGS)
    assert trained.thresholds == (0.58, 0.3) and not trained.model.training
    (every,) = trained.predict(picture(), score=0)
    (sure,) = trained.predict(picture())
    assert len(every) == 20
    kept = [at for at in range(20) if every.scores[at] >= trained.thresholds[int(every.classes[at])]]
    assert torch.equal(sure.boxes, every[torch.tensor(kept)].boxes) and 0 < len(sure) < 20
    assert len(trained.predict(picture(), score=0.5)[0]) == int((every.scores >= 0.5).sum())
    assert not trained.predict([])
    views = trained.predict(picture(), 0, views="flip")[0], trained.predict(picture(), 0, sides=(48, 64))[0]
    assert all(not torch.equal(one.boxes, every.boxes) for one in views)
    assert torch.equal(trained.predict(picture(), 0, tile=64)[0].boxes, every.boxes)


def test_any_file_is_its_upright_picture(trained: TrainedDetector, tmp_path: Path) -> None:
    image = picture()
    image.save(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    image.convert("L").save(tmp_path / "grey.png")
    image.convert("CMYK").save(tmp_path / "ink.tif")
    names = ("plain.png", "turned.png", "grey.png", "ink.tif")
    found = trained.predict([tmp_path / name for name in names], score=0)
    grey, ink = image.convert("L").convert("RGB"), image.convert("CMYK").convert("RGB")
    expected = trained.predict([image, image, grey, ink], score=0)
    for one, other in zip(found, expected, strict=True):
        sound(one, (37, 53))
        assert torch.equal(one.boxes, other.boxes) and one.masks == other.masks
    (tmp_path / "none.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable picture"):
        trained.predict(tmp_path / "none.png")


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 700), (700, 3)])
def test_the_smallest_and_the_longest(trained: TrainedDetector, size: tuple[int, int], tmp_path: Path) -> None:
    image = picture(*size)
    image.save(tmp_path / "a.png")
    for choices in ({}, {"views": "all"}, {"tile": 64}, {"tile": 200, "views": "flip"}):
        for found in trained.predict([tmp_path / "a.png", image], score=0, **choices):
            sound(found, size)
    (one,) = trained.predict(image, score=0)
    answers = Answers(CLASSES, (tmp_path / "a.png",), (one,))
    answers.draw(tmp_path / "drawn.png", "it")
    answers.draw(tmp_path / "drawn", "it")
    Answers(CLASSES, (tmp_path / "a.png",) * 3, (one,) * 3).draw(tmp_path / "grid.png", "it")
    assert all(size_of(path) > (0, 0) for path in tmp_path.glob("*.png"))


def test_three_hundred_answers(tmp_path: Path) -> None:
    model = detector("mask_rcnn_swin_nano")
    proposals = {"proposal_overlap": 0.99, "test_before": 400, "test_proposals": 400}
    spec = dataclasses.asdict(model.spec) | proposals | {"keep": 300, "overlap": 0.99, "score": 0.0}
    many = vitrail.create_model(model.name, 2, (64, 64), **spec).eval()
    many.load_state_dict(model.state_dict())
    said = {"classes": list(CLASSES), "preprocessing": dataclasses.asdict(SETTINGS)}
    save(tmp_path / "many.safetensors", many, **said)
    trained = vitrail.load(tmp_path / "many.safetensors")
    assert trained.thresholds == (0.5, 0.5)
    picture(90, 120).save(tmp_path / "a.png")
    answers = use.answer(trained, [tmp_path / "a.png"], Asked(score=0.0))
    assert answers.lines()[0].split("   ")[1].startswith("300 things: ")
    (row,) = json.loads(json.dumps(answers.document()))
    assert (row["height"], row["width"], len(row["things"])) == (90, 120, 300)
    assert rle.read(row["things"][0]["mask"], (90, 120)).size == (90, 120)
    answers.draw(tmp_path / "a-300.png", "it")
    assert size_of(tmp_path / "a-300.png") == (900, 675)


def test_a_folder_has_a_picture_for_each(trained: TrainedDetector, tmp_path: Path) -> None:
    files = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "b" / "y.png"]
    for seed, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        picture(seed=seed).save(file)
    answers = use.answer(trained, files, Asked())
    answers.draw(tmp_path / "new" / "drawn", "it")
    assert sorted(path.name for path in (tmp_path / "new" / "drawn").iterdir()) == ["x-2.png", "x.png", "y.png"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"thresholds": [0.5]}, "wanted 2 numbers"),
        ({"thresholds": "high"}, "wanted 2 numbers"),
        ({"thresholds": [0.5, 2]}, "wanted 2 numbers"),
        ({"preprocessing": {"resize": {"least": 0}}}, "preprocessing: resize.least"),
        ({"preprocessing": {"share": 0.875}}, "preprocessing: share"),
        ({"classes": ["cat"]}, "does not name the classes"),
    ],
)
def test_a_file_that_is_not_sound_is_one_line(tmp_path: Path, document: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        use.load(kept(tmp_path / "d.safetensors", "retinanet_iwin_nano", **document))


def test_what_cannot_be_is_one_line(trained: TrainedDetector, tmp_path: Path) -> None:
    for choices, message in (
        ({"score": 1.5}, "wanted 0 to 1"),
        ({"views": "ten"}, "none of one, flip, scales, all"),
        ({"tile": 0}, "wanted pixels from 1 on"),
        ({"tile": 9, "overlap": 1.0}, "a share below 1"),
    ):
        with pytest.raises(InputError, match=message):
            trained.predict(picture(), **choices)
    for asked, message in (
        (Asked(top=3), "--top is not for a detector of boxes"),
        (Asked(overlap=0.3), "--tile PIXELS"),
        (Asked(out=tmp_path / "none" / "a.png"), "in a folder that exists"),
    ):
        with pytest.raises(InputError, match=message):
            use.answer(trained, [tmp_path / "a.png"], asked)
