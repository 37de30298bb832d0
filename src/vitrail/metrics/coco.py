"""COCO's average precision and recall, of boxes and of masks, by faster-coco-eval.

n boxes in a picture, K classes, T = 10 thresholds of intersection over union from 0.50 to 0.95, R = 101 recalls.
Source: Lin et al. (arXiv 1405.0312) and cocoapi's COCOeval; 100 detections a picture and class, areas parted at 32 and
96 pixels squared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from vitrail.errors import InputError

What = Literal["box", "mask"]
MOST = (1, 10, 100)  # detections of a class in a picture that count
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


class Truth(Protocol):
    """What is in a picture: boxes (n, 4) xyxy, classes (n,), crowd (n,), areas (n,), masks; `picture` is its number."""

    boxes: Any
    classes: Any
    crowd: Any
    areas: Any
    masks: Any
    size: Any
    picture: Any


class Found(Protocol):
    """What is said to be in it: boxes (n, 4) xyxy, the same frame, scores (n,), classes (n,), masks."""

    boxes: Any
    scores: Any
    classes: Any
    masks: Any


@dataclass(frozen=True)
class Seen:
    """One picture, ready to be counted: rows as COCO's files have them, without ids."""

    size: tuple[int, int]
    truth: tuple[dict[str, Any], ...]
    found: tuple[dict[str, Any], ...]


class Coco:
    """COCO's numbers over all pictures it was shown. A picture counts once, by its number, in whatever order they come.

    Args:
        classes: Names of the K classes.
        masks: Whether masks are measured beside boxes; truth and predictions then have them.
    Raises: InputError where faster-coco-eval is missing.
    """

    def __init__(self, classes: Sequence[str], masks: bool = False) -> None:
        _api()
        self.classes, self.masks = tuple(classes), masks
        self.pictures: dict[int, Seen] = {}
        self._measured: dict[What, dict[str, np.ndarray]] = {}

    def update(self, prediction: Sequence[Found], target: Sequence[Truth]) -> None:
        """Counts B pictures: a prediction and a truth of each, in the pixels of the original picture.

        Raises: ValueError where masks are measured and missing, or a class is none of the K.
        """
        for found, truth in zip(prediction, target, strict=True):
            truth_rows, found_rows = _rows(truth, self.masks), _rows(found, self.masks)
            for row, crowd, area in zip(truth_rows, truth.crowd.tolist(), truth.areas.tolist(), strict=True):
                row |= {"iscrowd": int(crowd), "area": area}
            for row, score in zip(found_rows, found.scores.tolist(), strict=True):
                row["score"] = score
            self.add(int(truth.picture), Seen((int(truth.size[0]), int(truth.size[1])), truth_rows, found_rows))

    def add(self, picture: int, seen: Seen) -> None:
        """Counts a picture, unless it was counted before. Raises: ValueError for a class that is none of the K."""
        for row in (*seen.truth, *seen.found):
            if not 0 <= row["category_id"] < len(self.classes):
                raise ValueError(f"class {row['category_id']}; wanted 0 to {len(self.classes) - 1}.")
        self.pictures.setdefault(picture, seen)
        self._measured = {}

    def states(self) -> dict[int, Seen]:
        """All that was counted, for another process to `absorb`."""
        return self.pictures

    def absorb(self, states: Iterable[Mapping[int, Seen]]) -> None:
        """Counts what other processes did, too; a picture that several saw counts once."""
        for state in states:
            for picture, seen in state.items():
                self.add(picture, seen)

    def compute(self) -> dict[str, float]:
        """The twelve numbers of boxes, `AP` to `ARl`, and those of masks as `mask_AP` to `mask_ARl`.

        In [0, 1]; -1, as COCO has it, where there is nothing of a kind to find.
        """
        result = _twelve(self.measured("box"))
        if self.masks:
            result |= {f"mask_{name}": value for name, value in _twelve(self.measured("mask")).items()}
        return result

    def per_class(self, what: What = "box") -> dict[str, dict[str, float]]:
        """The twelve numbers of each class alone."""
        measured = self.measured(what)
        return {
            name: _twelve({key: values[..., k : k + 1, :, :] for key, values in measured.items()})
            for k, name in enumerate(self.classes)
        }

    def curves(self, what: What = "box", threshold: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        """Precision at each recall of np.linspace(0, 1, R), and the score from which on it is reached.

        Args:
            threshold: One of the T.
        Returns:
            Two arrays (K, R); -1 for a class of which there is nothing.
        """
        place = round((threshold - 0.5) / 0.05)
        if not 0 <= place < 10 or abs(0.5 + 0.05 * place - threshold) > 1e-9:
            raise ValueError(f"threshold {threshold}; wanted 0.50, 0.55 to 0.95.")
        measured = self.measured(what)
        return measured["precision"][place, :, :, 0, -1].T, measured["scores"][place, :, :, 0, -1].T

    def best_scores(self, what: What = "box") -> np.ndarray:
        """(K,) the score of each class from which on F1 = 2 P R / (P + R) is highest; 0.5 for one of which there is
        nothing, or nothing right.
        """
        precision, scores = self.curves(what)
        recall = np.linspace(0, 1, precision.shape[1])
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        place = f1.argmax(1)
        rows = np.arange(len(place))
        return np.where(f1[rows, place] > 0, scores[rows, place], 0.5)

    def measured(self, what: What) -> dict[str, np.ndarray]:
        """precision, scores (T, R, K, 4 areas, 3 counts) and recall (T, K, 4, 3) of all pictures."""
        if what not in self._measured:
            self._measured[what] = _measure(self.pictures, self.classes, what)
        return self._measured[what]


def of_files(truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], masks: bool = False) -> Coco:
    """The metric of a COCO annotation document and a result document, as they come from JSON.

    Raises: InputError for a result of a picture or a category that the truth does not list.
    """
    numbers = sorted(category["id"] for category in truth["categories"])
    names = {category["id"]: category["name"] for category in truth["categories"]}
    place = {number: k for k, number in enumerate(numbers)}
    rows: dict[int, tuple[list, list]] = {picture["id"]: ([], []) for picture in truth["images"]}
    for which, document in enumerate((truth["annotations"], results)):
        for row in document:
            if row["image_id"] not in rows or row["category_id"] not in place:
                unknown = f"picture {row['image_id']}, category {row['category_id']}"
                raise InputError(f"a {'result' if which else 'box'} of {unknown}, which the annotations do not list.")
            rows[row["image_id"]][which].append({**row, "category_id": place[row["category_id"]]})
    metric = Coco([names[number] for number in numbers], masks)
    for picture in truth["images"]:
        said, found = rows[picture["id"]]
        metric.add(picture["id"], Seen((picture["height"], picture["width"]), tuple(said), tuple(found)))
    return metric


def _rows(value: Any, masks: bool) -> tuple[dict[str, Any], ...]:
    """Boxes as x, y, width, height; masks packed."""
    corners = value.boxes.detach().cpu().double().numpy()
    sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).tolist()
    classes = value.classes.tolist()
    if not masks or not classes:
        return tuple({"bbox": box, "category_id": k} for box, k in zip(sides, classes, strict=True))
    if value.masks is None:
        raise ValueError(f"{type(value).__name__} without masks, where masks are measured.")
    if isinstance(value.masks, Tensor):
        segments = _pack(value.masks)
    else:
        segments = [{"size": list(mask.size), "counts": mask.counts} for mask in value.masks]
    return tuple(
        {"bbox": box, "category_id": k, "segmentation": segment}
        for box, k, segment in zip(sides, classes, segments, strict=True)
    )


def _pack(masks: Tensor) -> list[dict[str, Any]]:
    if not len(masks):
        return []
    return _api().mask.encode(np.asfortranarray(masks.cpu().byte().permute(1, 2, 0).numpy()))


def _measure(pictures: Mapping[int, Seen], classes: Sequence[str], what: What) -> dict[str, np.ndarray]:
    core = _api()
    kind = "bbox" if what == "box" else "segm"
    order = sorted(pictures)
    listed = [{"id": n, "height": pictures[n].size[0], "width": pictures[n].size[1]} for n in order]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
    sides = []
    for which in ("truth", "found"):
        rows: list[dict[str, Any]] = []
        for number in order:
            for row in getattr(pictures[number], which):
                own = {"id": len(rows) + 1, "image_id": number, "category_id": row["category_id"] + 1}
                rows.append({"iscrowd": 0, **row, **own})
        if which == "found":
            _areas(rows, kind, core)
        document = {"images": listed, "categories": categories, "annotations": rows}
        sides.append(core.coco.COCO(document))
    evaluation = core.faster_eval_api.COCOeval_faster(*sides, kind)
    evaluation.params.maxDets = list(MOST)
    evaluation.evaluate()
    evaluation.accumulate()
    shapes = {"precision": (10, 101), "scores": (10, 101), "recall": (10,)}
    return {
        key: np.asarray(evaluation.eval[key], dtype=np.float64).reshape(*shape, len(classes), 4, len(MOST))
        for key, shape in shapes.items()
    }


def _areas(rows: list[dict[str, Any]], kind: str, core: Any) -> None:
    """What decides whether a detection is small: the pixels of its mask, or the area of its box."""
    for row in rows:
        if "bbox" not in row:  # a result file of masks alone
            row["bbox"] = core.mask.toBbox(row["segmentation"]).tolist()
        sides = row["bbox"][2] * row["bbox"][3]
        row["area"] = sides if kind == "bbox" else float(core.mask.area(row["segmentation"]))


def _twelve(measured: Mapping[str, np.ndarray]) -> dict[str, float]:
    precision, recall = measured["precision"], measured["recall"]
    values = [
        precision[..., 0, 2],
        precision[0, ..., 0, 2],
        precision[5, ..., 0, 2],
        *(precision[..., area, 2] for area in (1, 2, 3)),
        *(recall[..., 0, most] for most in (0, 1, 2)),
        *(recall[..., area, 2] for area in (1, 2, 3)),
    ]
    means = (float(value[value > -1].mean()) if (value > -1).any() else -1.0 for value in values)
    return dict(zip(NAMES, means, strict=True))


def _api() -> Any:
    """faster_coco_eval.core with what is used of it. Raises: InputError where it is missing."""
    try:
        import faster_coco_eval.core.coco
        import faster_coco_eval.core.faster_eval_api
        import faster_coco_eval.core.mask
    except ImportError as error:
        raise InputError(
            "COCO's numbers need faster-coco-eval, which is missing: pip install 'vitrail[detection]'."
        ) from error
    return faster_coco_eval.core
