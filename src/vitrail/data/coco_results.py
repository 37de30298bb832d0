"""Result files in the layout of COCO's server: a list of boxes, or of masks, with the data set's own numbers.

Detections are in the pixels of the upright picture; where a data set counts stored pixels (see `DetectionSet`), they
are turned back, since the file is read beside that data set's annotations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from vitrail.data import rle
from vitrail.data.coco import read_json, write_json
from vitrail.data.detections import Detections
from vitrail.data.turning import BACK, turn_boxes, turn_masks
from vitrail.errors import InputError


def rows(picture: int, found: Detections, ids: Sequence[int], orientation: int = 1) -> list[dict[str, Any]]:
    """What a result file says of one picture, the surest first; masks as packed run lengths, where there are any.

    Args:
        picture: Its number in the data set.     ids: The data set's number of each class.
        orientation: `DetectionSet.orientation` of the picture.
    """
    size, boxes, masks = found.size, found.boxes.cpu(), found.masks
    if orientation != 1:
        boxes = turn_boxes(boxes, size, BACK[orientation])
        masks = masks and rle.encode(turn_masks(rle.decode(masks, size), BACK[orientation]))
    written = []
    for place, (corners, score, target) in enumerate(
        zip(boxes.double().tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    ):
        left, top, right, bottom = corners
        sides = [round(side, 3) for side in (left, top, right - left, bottom - top)]
        row = {"image_id": picture, "category_id": ids[target], "bbox": sides, "score": round(score, 6)}
        if masks is not None:
            row["segmentation"] = rle.write(masks[place])
        written.append(row)
    return written


def write(path: str | Path, results: Iterable[dict[str, Any]], what: str = "box") -> None:
    """Writes rows into one file, there whole or not at all.

    Args:
        what: "box" leaves masks out; "mask" leaves boxes out, as COCO's server wants it; "both" keeps both.
    """
    left_out = {"box": "segmentation", "mask": "bbox", "both": ""}[what]
    kept = [{key: value for key, value in row.items() if key != left_out} for row in results]
    write_json(kept, Path(path))


def read(path: str | Path, sizes: dict[int, tuple[int, int]], ids: Sequence[int]) -> dict[int, Detections]:
    """The detections in a result file, by the number of their picture; pictures without any have none.

    Args:
        sizes: (H, W) of every picture, by its number.     ids: As the file numbers the classes.
    Raises: InputError for a file of another kind, or a row that cannot be used.
    """
    path = Path(path)
    found = read_json(path)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError(f"{path}: no results; wanted a list of boxes or masks.")
    places = {number: place for place, number in enumerate(ids)}
    members: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for number, row in enumerate(found):
        if row.get("image_id") not in sizes or row.get("category_id") not in places or not _is_score(row.get("score")):
            said = {key: row.get(key) for key in ("image_id", "category_id", "score")}
            raise InputError(f"{path}: row {number + 1}, {said}, is of no picture or category here, or has no score.")
        members[row["image_id"]].append(row)
    return {picture: _detections(path, members[picture], size, places) for picture, size in sizes.items()}


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _detections(path: Path, given: list[dict[str, Any]], size: tuple[int, int], places: dict[int, int]) -> Detections:
    try:
        masked = bool(given) and all("segmentation" in row for row in given)
        masks = tuple(rle.read(row["segmentation"], size) for row in given) if masked else None
        if given and not all("bbox" in row for row in given):
            boxes = rle.boxes(masks or ())
        else:
            sides = torch.tensor([row["bbox"] for row in given], dtype=torch.float64).reshape(-1, 4)
            boxes = torch.cat([sides[:, :2], sides[:, :2] + sides[:, 2:]], 1).float()
        scores = torch.tensor([row["score"] for row in given], dtype=torch.float32)
        classes = torch.tensor([places[row["category_id"]] for row in given], dtype=torch.int64)
        if len(boxes) != len(given) or not math.isfinite(boxes.sum()):
            raise ValueError("rows without a box or a mask")
        return Detections.of(boxes, scores, classes, size, masks)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: results that cannot be used ({str(error).splitlines()[0]}).") from error
