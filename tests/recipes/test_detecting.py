"""A run that learns boxes, on pictures that the test draws: from the recipe to the files it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import several
from vitrail.data.detection_batches import DetectionBatches
from vitrail.data.detections import Detections, Instances
from vitrail.data.loader import Loader
from vitrail.data.settings import DetectionAugment, DetectionPreprocessing, Sides
from vitrail.errors import InputError
from vitrail.models.detectors import Detector
from vitrail.recipes import detecting, run, sources
from vitrail.recipes.find import find, of_run
from vitrail.recipes.overrides import apply
from vitrail.recipes.recipe import Boxes, Model, Recipe, to_json
from vitrail.recipes.run import Options
from vitrail.tasks.detect import Detect
from vitrail.train.loop import Setting, measure
from vitrail.train.record import read
from vitrail.weights import open_model

BACKBONE = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2}
REGIONS = {
    "channels": 16,
    "regions": 16,
    "width": 16,
    "train_before": 50,
    "train_proposals": 20,
    "test_before": 50,
    "test_proposals": 20,
}


def squares(folder: Path, pictures: int = 6, masks: bool = True) -> Path:
    """A COCO data set of light squares on dark pictures, train and val; one picture of train has none."""
    generator = np.random.default_rng(0)
    for part in ("train", "val"):
        (folder / part).mkdir(parents=True)
        images, annotations = [], []
        for number in range(1, pictures + 1):
            pixels = generator.integers(0, 60, (48, 64 - number % 2, 3), dtype=np.uint8)
            for _ in range(0 if part == "train" and number == 1 else 2):
                left, top, side = (int(generator.integers(2, most)) for most in (40, 26, 20))
                side += 2
                pixels[top : top + side, left : left + side] = 230
                corners = [left, top, left + side, top, left + side, top + side, left, top + side]
                annotation = {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 3 + side // 12,
                    "bbox": [left, top, side, side],
                    "area": side * side,
                    "iscrowd": 0,
                }
                annotations.append(annotation | ({"segmentation": [corners]} if masks else {}))
            Image.fromarray(pixels).save(folder / part / f"{number}.png")
            height, width = pixels.shape[:2]
            images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        categories = [{"id": 3, "name": "small"}, {"id": 4, "name": "large"}]
        document = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(document))
    return folder


def tiny(data: Path, name: str = "retinanet_iwin_nano") -> Recipe:
    overrides = {**BACKBONE, **({"channels": 16, "tower": 1} if name.startswith("retinanet") else REGIONS)}
    side = Sides(48, 48, 1, 96)
    return replace(
        find("finetune_boxes"),
        model=Model(name, size=(64, 64), overrides=overrides),
        data=Boxes(str(data)),
        epochs=2,
        batch=2,
        preprocessing=DetectionPreprocessing(resize=side),
        augment=DetectionAugment(resize=Sides(40, 56, 8, 96), paste=0.5 if "mask" in name else 0.0),
    )


@pytest.mark.parametrize("name", ["mask_rcnn_swin_nano", "retinanet_iwin_nano"])
def test_a_run_leaves_a_model_answers_and_pictures(tmp_path: Path, name: str) -> None:
    data, out = squares(tmp_path / "data"), tmp_path / "run"
    summary = run.train(tiny(data, name), out, Options("cpu", workers=0))
    assert summary and summary["pictures"] == 5  # the one without a thing is not trained on
    masks = name.startswith("mask")
    score = "mask_AP" if masks else "AP"
    assert f"best_{score}" in summary and ("mask_AP50" in summary) == masks
    assert all({"loss", "AP50", "ARl"} <= row.keys() for row in read(out))
    drawn = {"curves.png", "precision.png", "predictions.png", "predictions.json"} | (
        {"mask_precision.png"} if masks else set()
    )
    assert drawn <= {path.name for path in out.iterdir()}
    model, document = open_model(out / "model.safetensors")
    assert document["classes"] == ["small", "large"] and len(document["thresholds"]) == 2
    assert model.masks == masks and document["preprocessing"]["kind"] == "boxes"
    rows = json.loads((out / "predictions.json").read_text())
    assert {row["category_id"] for row in rows} <= {3, 4} and all(("segmentation" in row) == masks for row in rows)


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_learn_and_count_every_picture_once(tmp_path: Path, kind: str) -> None:
    """Five held-out pictures for two processes; things in one share of a batch and none in the other."""
    data, out = squares(tmp_path / "data", pictures=5), tmp_path / "run"
    recipe = replace(tiny(data, "mask_rcnn_swin_nano"), data=Boxes(str(data), empty=True))
    (tmp_path / "recipe.json").write_text(to_json(recipe))
    given = [str(tmp_path / "recipe.json"), "--out", str(out), "--device", "cpu", "--workers", "0"]
    said = several.launch(2, "-m", "vitrail", "train", *given, "--parallel", kind)
    assert "epoch 2/2" in said[0], said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["held_out"] == 5 and 0 <= summary["mask_AP"] <= 1
    again = evaluated(out, data)
    assert all(again[name] == pytest.approx(summary[name], abs=1e-6) for name in ("AP", "AP50", "mask_AP", "AR100"))


def evaluated(out: Path, data: Path) -> dict[str, float]:
    """The numbers of a run's model, by one process."""
    model = open_model(out / "model.safetensors")[0]
    assert isinstance(model, Detector)
    held_out = sources.open_split(Boxes(str(data)))[1]
    settings = of_run(out).preprocessing
    assert isinstance(settings, DetectionPreprocessing)
    batches = Loader(DetectionBatches(held_out, settings, None, 0), 1, False)
    return measure(model, Detect(held_out.classes, True), batches.epoch(0), Setting(torch.device("cpu"))).compute()


def test_what_does_not_fit_is_said_before_anything_is_written(tmp_path: Path) -> None:
    data = squares(tmp_path / "data", masks=False)
    for name, said in (
        ("mask_rcnn_swin_nano", "faster_rcnn_swin_nano does without"),
        ("cascade_mask_rcnn_swin_nano", "cascade_rcnn_swin_nano does without"),
        ("swin_nano", "is a detector"),
    ):
        recipe = tiny(data, "mask_rcnn_swin_nano")
        recipe = replace(recipe, model=Model(name, (64, 64)), augment=DetectionAugment())
        with pytest.raises(InputError, match=said):
            run.train(recipe, tmp_path / "run", Options("cpu", workers=0))
    with pytest.raises(InputError, match="boxes wants that for boxes|wants that for boxes"):
        apply(find("demo"), ["data.kind=boxes"])
    with pytest.raises(InputError, match="COCO, Pascal VOC or YOLO"):
        sources.open_split(Boxes())
    assert not (tmp_path / "run").exists()


def test_agreement_counts_pairs() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [20, 0, 30, 10], [0, 20, 10, 30]], dtype=torch.float32)
    truth = Instances(boxes, torch.tensor([0, 0, 1]), (40, 40))
    found = Detections(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 1]), (40, 40))
    assert detecting.agreement(found, truth) == 1
    assert detecting.agreement(found[torch.tensor([0])], truth) == pytest.approx(1 / 3)
    twice = Detections(boxes[[0, 0]], torch.tensor([0.9, 0.8]), torch.tensor([0, 0]), (40, 40))
    assert detecting.agreement(twice, truth) == pytest.approx(1 / 4)  # one pair, two things missed, one answer wrong
    wrong = Detections(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 1, 0]), (40, 40))
    assert detecting.agreement(wrong, truth) == 0
    nothing = truth[torch.zeros(3, dtype=torch.bool)]
    assert detecting.agreement(found[torch.zeros(0, dtype=torch.int64)], nothing) == 1
