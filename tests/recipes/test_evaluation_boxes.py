"""A detector measured, against the dullest loop: data of every layout, damaged pictures, two models, two processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import boxed
import several
import vitrail
from small_detectors import NAMES, kept, picture, size_of
from vitrail.data import detection_layouts, rle
from vitrail.errors import InputError
from vitrail.metrics.coco import Coco
from vitrail.recipes import evaluation_boxes
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.evaluation_boxes import BoxEvaluation
from vitrail.recipes.recipe import Boxes

CPU = Setting(torch.device("cpu"), print, workers=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with three boxes, one without, one of 300, one turned by EXIF whose boxes count the stored pixels."""
    root = tmp_path_factory.mktemp("data")
    (root / "val").mkdir()
    (root / "annotations").mkdir()
    things = {
        "a.png": [(0, 0, 20, 15), (30, 10, 53, 37), (5, 20, 25, 30)],
        "b.png": [],
        "c.png": [(3 * (n % 17), 2 * (n // 17), 3 * (n % 17) + 3, 2 * (n // 17) + 2) for n in range(300)],
        "d.png": [(0, 0, 10, 30), (10, 20, 37, 53)],
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    for seed, name in enumerate(things):
        image = picture(seed=seed)
        image = image.transpose(Image.Transpose.ROTATE_90) if name == "d.png" else image
        image.save(root / "val" / name, **({"exif": exif} if name == "d.png" else {}))
    sizes = {name: (53, 37) if name == "d.png" else (37, 53) for name in things}
    rows = [
        {
            "id": 1000 * number + place,
            "image_id": number,
            "category_id": 3 + 4 * (place % 2),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": 0,
            "segmentation": [boxed.corners(left, top, right, bottom)],
        }
        for number, boxes in enumerate(things.values(), start=1)
        for place, (left, top, right, bottom) in enumerate(boxes)
    ]
    images = [
        {"id": number, "file_name": name, "height": sizes[name][0], "width": sizes[name][1]}
        for number, name in enumerate(things, start=1)
    ]
    categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    document = {"images": images, "annotations": rows, "categories": categories}
    (root / "annotations" / "instances_val.json").write_text(json.dumps(document))
    return root


@pytest.fixture(scope="module", params=NAMES)
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("weights") / "one.safetensors", request.param, thresholds=[0.4, 0.4])


def measured(weights: Path, data: Path | None, said: Boxes | None = None, **choices: object) -> BoxEvaluation:
    asked = Asked(**choices)
    where = None if data is None else str(data)
    return evaluation_boxes.measured(vitrail.load(weights), weights, where, said, asked, CPU)


@pytest.mark.parametrize("choices", [{}, {"views": "flip"}, {"tile": 30, "overlap": 0.4}])
def test_it_equals_the_dullest_loop(weights: Path, data: Path, choices: dict) -> None:
    trained = vitrail.load(weights)
    pictures = detection_layouts.open_held_out(data, "auto", trained.classes)
    assert pictures.masks and len(pictures) == 4
    metric = Coco(trained.classes, trained.model.masks)
    for sample in (pictures[index] for index in range(4)):
        metric.update(trained.predict(sample.image, score=0, **choices), [sample.target])
    found = measured(weights, data, **choices)
    assert found.sides[0].metric.compute() == metric.compute()
    assert metric.compute()["AP50"] > 0
    document = found.document()
    assert (document["pictures"], document["unreadable"]) == (4, [])
    assert document["per_class"]["dog"]["AP"] == metric.per_class()["dog"]["AP"]
    assert document["views"] == choices.get("views", "one") and document.get("tile") == choices.get("tile")


def test_what_is_written_reads_back(weights: Path, data: Path, tmp_path: Path) -> None:
    found = measured(weights, data)
    out = tmp_path / "new" / "out"
    found.write(out, "it")
    masks = found.sides[0].metric.masks
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        *(["mask_precision.png"] if masks else []),
        "per_class.csv",
        "precision.png",
        "results.json",
        *(["results_masks.json"] if masks else []),
        "worst.png",
    ]
    assert json.loads((out / "evaluation.json").read_text()) == found.document()
    with open(out / "per_class.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["cat", "dog"]
    assert float(rows[1]["AP50"]) == found.document()["per_class"]["dog"]["AP50"]
    # the server's files, measured without the model, with the stored pixels of the turned picture
    results = json.loads((out / "results.json").read_text())
    assert {tuple(row) for row in results} == {("image_id", "category_id", "bbox", "score")}
    again = evaluation_boxes.of_results(out / "results.json", str(data)).document()
    for name in ("AP", "AP50", "ARl"):
        assert again[name] == pytest.approx(found.document()[name], abs=2e-3)  # boxes are rounded in the file
    if masks:
        again = evaluation_boxes.of_results(out / "results_masks.json", str(data)).document()
        assert again["mask_AP"] == pytest.approx(found.document()["mask_AP"], abs=1e-9)
        row = next(row for row in json.loads((out / "results_masks.json").read_text()) if row["image_id"] == 4)
        assert rle.read(row["segmentation"], (53, 37)).size == (53, 37)
    evaluation_boxes.of_results(out / "results.json", str(data)).write(tmp_path / "again", "results")
    assert (tmp_path / "again" / "precision.png").is_file()


def test_a_second_model_stands_beside_it(data: Path, tmp_path: Path) -> None:
    weights = kept(tmp_path / "one.safetensors", "mask_rcnn_swin_nano")
    other = kept(tmp_path / "other.safetensors", "retinanet_iwin_nano", seed=1)
    found, alone = measured(weights, data, against=other), measured(other, data)
    assert [side.name for side in found.sides] == ["one.safetensors", "other.safetensors"]
    against = found.document()["against"]
    assert against["name"] == "other.safetensors" and against["AP"] == alone.document()["AP"]
    whole, classes = found.tables()
    assert whole.titles[1] == "one.safetensors boxes" and whole.titles[-1] == "other.safetensors boxes"
    assert len(classes.rows[0]) == len(classes.titles) and len(whole.rows) == 12
    assert [row[0] for row in found.tables(worst=1)[1].rows] == ["cat"]
    found.write(tmp_path / "out", "both")
    wide = size_of(tmp_path / "out" / "worst.png")[0]
    alone.write(tmp_path / "alone", "one")
    narrow = size_of(tmp_path / "alone" / "worst.png")[0]
    assert wide > 1.25 * narrow  # four columns and three
    same = measured(weights, data, against=weights)
    assert len({side.name for side in same.sides}) == 1
    strange = kept(tmp_path / "strange.safetensors", "retinanet_iwin_nano", classes=["dog", "cat"])
    with pytest.raises(InputError, match="has other classes, 2 from dog on"):
        measured(weights, data, against=strange)


def test_data_of_another_order_or_layout(weights: Path, data: Path, tmp_path: Path) -> None:
    turned = kept(tmp_path / "turned.safetensors", "retinanet_iwin_nano", classes=["dog", "cat"])
    usual = kept(tmp_path / "usual.safetensors", "retinanet_iwin_nano")
    one, other = measured(usual, data).document(), measured(turned, data).document()
    assert one["per_class"]["cat"]["AR100"] != other["per_class"]["cat"]["AR100"]
    assert list(other["per_class"]) == ["dog", "cat"]
    by_layout = [measured(usual, root) for root in (boxed.coco(tmp_path / "c"), boxed.voc(tmp_path / "v"))]
    first, second = (found.document() for found in by_layout)
    assert first["AP"] == pytest.approx(second["AP"]) and first["pictures"] == 3
    with pytest.raises(InputError, match="none of the 2 classes"):
        measured(kept(tmp_path / "s.safetensors", "retinanet_iwin_nano", classes=["cat", "cow"]), data)


def test_what_a_run_held_out_is_what_it_is_measured_on(weights: Path, tmp_path: Path) -> None:
    root = boxed.coco(tmp_path / "data", parts=("train",))
    found = measured(weights, None, Boxes(str(root), held_out=0.34))
    assert found.counted == 1
    assert measured(weights, root).counted == 3
    with pytest.raises(InputError, match="--data FOLDER"):
        measured(weights, None)


def test_damaged_pictures_are_left_out_in_one_process_and_in_two(weights: Path, tmp_path: Path) -> None:
    root = boxed.coco(tmp_path / "data")
    broken = root / "val" / "b.png"
    broken.write_bytes(broken.read_bytes()[:60])
    found = measured(weights, root)
    assert (found.counted, len(found.unreadable)) == (2, 1) and "b.png" in found.unreadable[0]
    assert found.line().endswith("of 2 pictures, 1 unreadable")
    found.write(tmp_path / "out", "it")
    if found.sides[0].metric.masks:
        return  # one model is enough for what follows
    arguments = ["eval", weights, "--data", root, "--device", "cpu", "--workers", 0, "--json"]
    said = several.launch(2, "-m", "vitrail.cli.main", *map(str, arguments))
    assert not said[1]
    assert json.loads(said[0]) == found.document()
    for path in (root / "val").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="None of the 3 pictures can be read"):
        measured(weights, root)


def test_results_that_cannot_be_measured_are_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('[{"image_id": 99, "category_id": 3, "bbox": [0, 0, 1, 1], "score": 0.5}]')
    (tmp_path / "none.json").write_text("{}")
    for results, root, message in (
        ("odd.json", data, "is of no picture or category here"),
        ("none.json", data, "no results"),
        ("odd.json", None, "--data FILE.json"),
        ("odd.json", boxed.voc(tmp_path / "voc"), "this is none"),
    ):
        with pytest.raises(InputError, match=message):
            evaluation_boxes.of_results(tmp_path / results, None if root is None else str(root))
