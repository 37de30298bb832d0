"""COCO's numbers: as published, as pycocotools has them, and the same however the pictures are dealt out."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as packing
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vitrail.data import coco as layout
from vitrail.data import coco_results, rle
from vitrail.data.detection_set import DetectionSet, truth
from vitrail.data.detections import Detections, Instances
from vitrail.errors import InputError
from vitrail.metrics.coco import NAMES, Coco, of_files

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, numpy 2
PUBLISHED = {
    "bbox": (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564),
    "segm": (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381),
}


@pytest.mark.parametrize("kind", sorted(PUBLISHED))
def test_the_published_numbers_come_out(kind: str, shared_data: Path) -> None:
    """From the files as they are, and through our own reader, `Instances` and `Detections` in float32."""
    folder = shared_data / "coco_eval" / "val2014_100"
    said = json.loads((folder / "instances_val2014_100.json").read_text())
    file = folder / f"instances_val2014_fake{kind}100_results.json"
    metric = of_files(said, json.loads(file.read_text()), masks=kind == "segm")
    prefix = "mask_" if kind == "segm" else ""
    numbers = [metric.compute()[prefix + name] for name in NAMES]
    assert tuple(round(number, 3) for number in numbers) == PUBLISHED[kind]
    exact = json.loads((folder / "expected_pycocotools_2.0.11.json").read_text())[kind]
    assert numbers == pytest.approx([exact[name] for name in NAMES], abs=1e-12)

    annotations = layout.read(folder / "instances_val2014_100.json")
    pictures = DetectionSet(annotations)
    sizes = {record.id: record.size for record in annotations.records}
    results = coco_results.read(file, sizes, annotations.ids)
    through = Coco(annotations.classes, masks=kind == "segm")
    for record in pictures.records:
        target = truth(record, record.size, b"", record.file, with_masks=kind == "segm")
        through.update([results[record.id]], [target])
    numbers = [through.compute()[prefix + name] for name in NAMES]
    assert tuple(round(number, 3) for number in numbers) == PUBLISHED[kind]


def random_case(seed: int, pictures: int = 8, classes: int = 4) -> tuple[list[Detections], list[Instances]]:
    """Boxes with masks: crowds, a class that never occurs, pictures without boxes or without detections, and one with
    more than a hundred detections of a class."""
    random = np.random.default_rng(seed)
    size = (120, 150)
    found, truths = [], []
    for number in range(pictures):
        count = 0 if number in (1, 2) else int(random.integers(1, 12))
        boxes, masks = _things(random, size, count)
        crowd = torch.from_numpy(random.random(count) < 0.2)
        targets = torch.from_numpy(random.integers(0, classes - 1, count))
        truths.append(Instances(boxes, targets, size, masks, crowd, picture=number))
        extra = 0 if number in (2, 3) else 150 if number == 4 else int(random.integers(1, 15))
        moved = boxes + torch.from_numpy(random.normal(0, 3, boxes.shape)).float()
        others, _ = _things(random, size, extra)
        every = torch.cat([moved, others]) if number != 3 else torch.zeros(0, 4)
        every = torch.cat([every[:, :2], torch.maximum(every[:, 2:], every[:, :2] + 1)], 1)
        guess = torch.cat([targets, torch.from_numpy(random.integers(0, classes - 1, extra))])[: len(every)]
        scores = torch.from_numpy(random.integers(1, 20, len(every)) / 20).float()  # with ties
        found.append(Detections.of(every, scores, guess, size, rle.encode(_filled(every, size))))
    return found, truths


def _things(random: np.random.Generator, size: tuple[int, int], count: int) -> tuple[torch.Tensor, torch.Tensor]:
    corner = random.uniform(0, 100, (count, 2))
    sides = random.uniform(2, 110, (count, 2))
    far = np.minimum(corner + sides, [size[1], size[0]])
    boxes = torch.from_numpy(np.concatenate([corner, np.maximum(far, corner + 1)], 1)).float()
    return boxes, _filled(boxes, size)


def _filled(boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        mask[max(round(top), 0) : max(round(bottom), 0), max(round(left), 0) : max(round(right), 0)] = True
    return masks


def by_pycocotools(found: list[Detections], truths: list[Instances], kind: str) -> tuple[list[float], COCOeval]:
    def row(value, number: int, place: int) -> dict:
        left, top, right, bottom = value.boxes[place].double().tolist()
        masks = value.masks
        dense = masks[place] if isinstance(masks, torch.Tensor) else rle.decode(masks[place : place + 1], value.size)[0]
        packed = packing.encode(np.asfortranarray(dense.numpy().astype(np.uint8)))
        return {
            "image_id": number,
            "category_id": int(value.classes[place]) + 1,
            "bbox": [left, top, right - left, bottom - top],
            "segmentation": packed,
        }

    said = COCO()
    rows = [
        row(one, one.picture, place) | {"area": float(one.areas[place]), "iscrowd": int(one.crowd[place])}
        for one in truths
        for place in range(len(one))
    ]
    said.dataset = {
        "images": [{"id": one.picture, "height": one.size[0], "width": one.size[1]} for one in truths],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(4)],
        "annotations": [one | {"id": place + 1} for place, one in enumerate(rows)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        said.createIndex()
        results = [
            {key: value for key, value in row(one, target.picture, place).items() if key != left_out}
            | {"score": float(one.scores[place])}
            for one, target in zip(found, truths, strict=True)
            for place in range(len(one))
            for left_out in (["segmentation"] if kind == "bbox" else ["bbox"])
        ]
        evaluation = COCOeval(said, said.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist(), evaluation


@pytest.mark.parametrize("seed", range(4))
def test_random_cases_agree_with_pycocotools(seed: int) -> None:
    found, truths = random_case(seed)
    metric = Coco([str(k) for k in range(4)], masks=True)
    for start in range(0, len(found), 3):
        metric.update(found[start : start + 3], truths[start : start + 3])
    numbers = metric.compute()
    for kind, prefix in (("bbox", ""), ("segm", "mask_")):
        wanted, evaluation = by_pycocotools(found, truths, kind)
        assert [numbers[prefix + name] for name in NAMES] == pytest.approx(wanted, abs=1e-9)
        what = "box" if kind == "bbox" else "mask"
        ours, reached = metric.measured(what), metric.measured(what)["precision"] > 0
        for key in ("precision", "recall"):
            assert np.allclose(ours[key], evaluation.eval[key], atol=1e-9)
        assert reached.any() and np.allclose(ours["scores"][reached], evaluation.eval["scores"][reached])
        each = metric.per_class(what)
        assert list(each) == ["0", "1", "2", "3"] and set(each["3"].values()) == {-1.0}
        there = [each[name]["AP"] for name in "012"]
        assert np.mean(there) == pytest.approx(numbers[prefix + "AP"])
        precision, scores = metric.curves(what, 0.75)
        assert precision.shape == scores.shape == (4, 101) and (precision[3] == -1).all()
        assert precision[:3].mean(1) == pytest.approx([each[name]["AP75"] for name in "012"])
    assert -1 < numbers["AP"] < numbers["AP50"] < 1


def test_states_add_up_whatever_process_saw_a_picture() -> None:
    found, truths = random_case(5)
    whole = Coco("abcd", masks=True)
    whole.update(found, truths)
    parts = [Coco("abcd", masks=True) for _ in range(3)]
    for number in reversed(range(len(found))):
        parts[number % 3].update([found[number]], [truths[number]])
    parts[0].update(found[1:2], truths[1:2])  # two processes may see one, where pictures do not divide evenly
    sent = [pickle.loads(pickle.dumps(part.states())) for part in parts]
    for part in parts:
        part.absorb(sent)
        assert part.compute() == whole.compute()


def test_nothing_at_all_and_perfection() -> None:
    metric = Coco(["a", "b"], masks=True)
    assert set(metric.compute().values()) == {-1.0}
    _, truths = random_case(0)
    perfect = Coco("abcd", masks=True)
    for one in truths:
        one = one[~one.crowd]
        scores = torch.ones(len(one))
        perfect.update([Detections(one.boxes, scores, one.classes, one.size, rle.encode(one.masks))], [one])
    numbers = perfect.compute()
    assert {numbers[key] for key in ("AP", "AP50", "AR100", "mask_AP", "mask_AR100")} == {1.0}


def test_what_cannot_be_measured_is_told() -> None:
    size = (8, 9)
    one = Instances(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([2]), size)
    with pytest.raises(ValueError, match="class 2; wanted 0 to 1"):
        Coco("ab").update([Detections.of(one.boxes, torch.ones(1), torch.tensor([0]), size)], [one])
    with pytest.raises(ValueError, match="without masks"):
        Coco("abc", masks=True).update([Detections.of(one.boxes, torch.ones(1), one.classes, size)], [one])
    with pytest.raises(ValueError, match="wanted 0.50"):
        Coco("ab").curves(threshold=0.52)
    said = {"images": [], "categories": [], "annotations": []}
    with pytest.raises(InputError, match="a result of picture 1"):
        of_files(said, [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1.0}])
