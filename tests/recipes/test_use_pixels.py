"""A segmenter in use and measured: opened, asked in every way, beside the dullest loop, in one process and in two."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import several
import vitrail
from small_segmenters import BACKBONE, COLOURS, HEADS, squares
from vitrail.data import label_files
from vitrail.data.pixel_settings import Fit, PixelPreprocessing
from vitrail.errors import InputError
from vitrail.recipes import evaluation_pixels, evaluations, use
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.recipe import Pixels
from vitrail.recipes.use_pixels import TrainedSegmenter
from vitrail.weights import save

CPU = torch.device("cpu")
SETTING = Setting(CPU, print, workers=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return squares(tmp_path_factory.mktemp("data"))


def written(path: Path, seed: int = 0, palette: list | None = None, **about: object) -> Path:
    torch.manual_seed(seed)
    fields = {**BACKBONE, **HEADS["semantic_fpn"]}
    model = vitrail.create_model("semantic_fpn_swin_nano", 3, (32, 32), **fields).eval()
    for parameter in model.parameters():  # answers of every class
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
    said = {"preprocessing": {"resize": {"longest": 80, "shortest": 40}, "kind": "pixels"}, **about}
    save(path, model, None, classes=["ground", "red", "blue"], **said, **({"palette": palette} if palette else {}))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("weights") / "one.safetensors", palette=[list(each) for each in COLOURS])


@pytest.fixture(scope="module")
def trained(weights: Path) -> TrainedSegmenter:
    opened = vitrail.load(weights)
    assert isinstance(opened, TrainedSegmenter)
    return opened


def measured(trained: TrainedSegmenter, data: Path, **asked: object) -> evaluation_pixels.PixelEvaluation:
    found = evaluations.measured(trained, Path("one"), str(data), None, Asked(**asked), SETTING)
    assert isinstance(found, evaluation_pixels.PixelEvaluation)
    return found


def test_it_is_opened_as_what_it_is(trained: TrainedSegmenter, tmp_path: Path) -> None:
    assert trained.classes == ("ground", "red", "blue") and list(trained.palette) == COLOURS
    assert trained.preprocessing == PixelPreprocessing(resize=Fit(80, 40))
    without = vitrail.load(written(tmp_path / "without.safetensors"))
    assert len(set(without.palette)) == 3 and list(without.palette) != COLOURS
    for palette in ([[1, 2]], "red", [[0, 0, 300.5]]):
        with pytest.raises(InputError, match="palette: wanted red, green and blue"):
            vitrail.load(written(tmp_path / "bad.safetensors", palette=palette))
    with pytest.raises(InputError, match="preprocessing: "):
        vitrail.load(written(tmp_path / "bad.safetensors", preprocessing={"resize": 3}))


def test_every_picture_is_answered_in_its_own_size(trained: TrainedSegmenter, tmp_path: Path, data: Path) -> None:
    """Grey, CMYK, turned by EXIF, of one pixel, very long: any file that can be read."""
    pixels = np.random.default_rng(0).integers(0, 255, (37, 51, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    made = {
        "grey.png": image.convert("L"),
        "cmyk.jpg": image.convert("CMYK"),
        "one.png": image.crop((0, 0, 1, 1)),
        "two.png": image.crop((0, 0, 2, 1)),
        "long.png": image.crop((0, 0, 51, 1)).resize((300, 3)),
    }
    for name, each in made.items():
        each.save(tmp_path / name)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    sizes = {name: (each.height, each.width) for name, each in made.items()} | {"turned.png": (51, 37)}
    for asked in ({}, {"views": "all"}, {"slide": (24, 16)}, {"tile": 40}):
        found = trained.predict([tmp_path / name for name in sizes], **asked)
        assert [tuple(one.shape) for one in found] == list(sizes.values())
        assert all(one.dtype == torch.uint8 and int(one.max()) < 3 for one in found)
    upright = trained.predict(image.rotate(-90, expand=True))[0]
    assert torch.equal(trained.predict(tmp_path / "turned.png")[0], upright)
    assert len(torch.cat([one.flatten() for one in found]).unique()) > 1  # a test of one class would not see much


def test_ways_that_come_to_the_same(trained: TrainedSegmenter) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (45, 60, 3), dtype=np.uint8))
    plain = trained.predict(image)[0]
    assert torch.equal(trained.predict(image, tile=60)[0], plain)  # one tile is the picture
    assert torch.equal(trained.predict(image, slide=(200, 100))[0], plain)  # so is one window
    assert torch.equal(trained.predict(image, sides=[40])[0], plain)  # the usual side
    assert not torch.equal(trained.predict(image, sides=[64])[0], plain)
    both = trained.predict(image, views="flip")[0]
    assert torch.equal(trained.predict(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), views="flip")[0].flip(1), both)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"views": "ten"}, "none of one, flip"),
        ({"tile": 8, "overlap": 1.0}, "share below 1"),
        ({"overlap": 0.5}, "is that of tiles"),
        ({"slide": (8, 9)}, "a step within one"),
        ({"top": 3}, "--top is not for a segmenter of pixels"),
        ({"score": 0.5}, "--score is not for"),
        ({"batch": 2}, "--batch is not for"),
    ],
)
def test_choices_that_cannot_be_are_one_line(
    trained: TrainedSegmenter, data: Path, asked: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        use.answer(trained, [data / "images" / "val" / "0.png"], Asked(**asked))
    with pytest.raises(InputError, match=said):
        measured(trained, data, **asked)


def test_answers_say_how_large_each_class_is(trained: TrainedSegmenter, data: Path, tmp_path: Path) -> None:
    files = sorted((data / "images" / "val").iterdir())[:2]
    files.append(data / "images" / "train" / files[0].name)
    answers = use.answer(trained, files, Asked())
    for row, found, line in zip(answers.document(), answers.found, answers.lines(), strict=True):
        counts = {each["name"]: each["pixels"] for each in row["classes"]}
        there = {trained.classes[k]: int((found == k).sum()) for k in range(3) if (found == k).any()}
        assert counts == there and list(counts.values()) == sorted(counts.values(), reverse=True)
        assert sum(each["share"] for each in row["classes"]) == pytest.approx(1)
        largest = row["classes"][0]
        assert f"{largest['name']} {100 * largest['share']:.1f} %" in line
    answers.draw(tmp_path / "each", "one")
    names = ["0-2.png", "0-2_labels.png", "0.png", "0_labels.png", "1.png", "1_labels.png"]
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == names
    assert np.array_equal(label_files.read(tmp_path / "each" / "1_labels.png"), answers.found[1].numpy())
    assert label_files.palette(tmp_path / "each" / "1_labels.png")[:3] == tuple(COLOURS)
    answers.draw(tmp_path / "rows.png", "one")
    use.answer(trained, files[:1], Asked()).draw(tmp_path / "single.png", "one")
    for name in ("rows.png", "single.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 200
    for out, said in ((tmp_path / "gone" / "x.png", "in a folder that exists"), (files[0].with_suffix(""), None)):
        if said:
            with pytest.raises(InputError, match=said):
                use.answer(trained, files, Asked(out=out))


def test_numbers_are_those_of_the_dullest_loop(trained: TrainedSegmenter, data: Path) -> None:
    found = measured(trained, data)
    confusion = np.zeros((3, 3), dtype=np.int64)
    for path in sorted((data / "images" / "val").iterdir()):
        said, truth = trained.predict(path)[0].numpy(), label_files.read(data / "labels" / "val" / path.name)
        for row, column in zip(truth.ravel(), said.ravel(), strict=True):
            if row != 255:
                confusion[row, column] += 1
    right = np.diag(confusion)
    ious = right / (confusion.sum(0) + confusion.sum(1) - right)
    document = found.document()
    assert document["mIoU"] == pytest.approx(ious.mean()) and document["pictures"] == 4
    assert document["aAcc"] == pytest.approx(right.sum() / confusion.sum())
    assert [row["IoU"] for row in document["per_class"].values()] == pytest.approx(list(ious))
    assert 0 <= document["boundary_mIoU"] <= 1 and document["views"] == "one"
    assert found.tables(1)[1].rows[0][0] == trained.classes[int(ious.argmin())]
    assert "of 4 pictures" in found.line()
    same = measured(trained, data, tile=100)  # one tile, by the path of whole pictures
    assert same.document()["per_class"] == document["per_class"] and same.document()["tile"] == 100
    assert measured(trained, data, views="flip").document()["views"] == "flip"


def test_what_is_written_reads_back(trained: TrainedSegmenter, data: Path, tmp_path: Path) -> None:
    against = written(tmp_path / "other.safetensors", seed=1)
    out = tmp_path / "out"
    found = measured(trained, data, out=out, against=against)
    found.write(out, "one")
    names = {"evaluation.json", "per_class.csv", "class_iou.png", "confusion.png", "worst.png", "labels"}
    assert {path.name for path in out.iterdir()} == names
    document = json.loads((out / "evaluation.json").read_text())
    assert document == json.loads(json.dumps(found.document()))
    other = measured(vitrail.load(against), data).document()
    assert document["against"]["name"] == "other.safetensors" and document["against"]["mIoU"] == other["mIoU"]
    with open(out / "per_class.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(trained.classes)
    assert float(rows[1]["IoU"]) == document["per_class"]["red"]["IoU"]
    for path in sorted((data / "images" / "val").iterdir()):  # as ADE20K's server wants them: from 1
        with Image.open(out / "labels" / path.name) as image:
            assert image.mode == "L" and np.array_equal(np.asarray(image), trained.predict(path)[0].numpy() + 1)
    assert set(found.sides[0].worst) == set(found.sides[1].worst) and len(found.sides[0].worst) == 4


def test_models_and_data_that_do_not_fit_are_one_line(trained: TrainedSegmenter, data: Path, tmp_path: Path) -> None:
    for classes, said in ((["ground", "red", "green"], "has other classes"), (["a", "b"], "does not name the classes")):
        path = written(tmp_path / "other.safetensors")
        model, document = vitrail.weights.open_model(path)
        save(path, model, None, **{**document, "classes": classes})
        with pytest.raises(InputError, match=said):
            measured(trained, data, against=path)
    with pytest.raises(InputError, match="says what to measure|does not say what"):
        evaluations.measured(trained, Path("one"), None, None, Asked(), SETTING)
    bad = squares(tmp_path / "bad")
    Image.fromarray(np.full((40, 52), 9, dtype=np.uint8)).save(bad / "labels" / "val" / "0.png")
    with pytest.raises(InputError, match="0.png: value 9"):
        measured(trained, bad)
    own = evaluations.measured(trained, Path("one"), None, Pixels(str(data)), Asked(), SETTING)
    assert own.document()["mIoU"] == measured(trained, data).document()["mIoU"]


def test_two_processes_count_each_picture_once(weights: Path, tmp_path: Path, trained: TrainedSegmenter) -> None:
    data = squares(tmp_path / "data", 5)
    (data / "images" / "val" / "1.png").write_bytes(b"no picture")
    command = ["eval", weights, "--data", data, "--out", tmp_path / "out", "--json", "--device", "cpu", "--workers", 0]
    first, second = several.launch(2, "-m", "vitrail.cli.main", *map(str, command))
    assert not second
    document = json.loads(first)
    assert document["pictures"] == 4 and len(document["unreadable"]) == 1 and "1.png" in document["unreadable"][0]
    alone = measured(trained, data).document()
    assert document == json.loads(json.dumps(alone))
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 4
