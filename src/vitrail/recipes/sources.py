"""From where a recipe says the pictures are to the pictures."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from vitrail.data import digits, layouts
from vitrail.data.sample import Pictures
from vitrail.errors import InputError
from vitrail.recipes.recipe import Boxes, Data, Digits, Folder, Latents, Moving, Pixels, Text, Videos


def named(text: str, data: Data | None = None) -> Data:
    """What `--data TEXT` means: `digits` or `moving`, or a path, laid out and split as `data` says."""
    if text == "digits" and (data is None or isinstance(data, Folder | Digits)):
        return data if isinstance(data, Digits) else Digits()
    if text == "moving" and isinstance(data, Videos | Moving):
        return data if isinstance(data, Moving) else Moving()
    if isinstance(data, Moving):
        return Videos(text, held_out=data.held_out, seed=data.seed)
    if isinstance(data, Digits):
        return Folder(text, held_out=data.held_out, seed=data.seed)
    return replace(data, path=text) if data else Folder(text)


def open_split(data: Data) -> tuple[Any, Any]:
    """The training and the held-out pictures.

    Raises: InputError where the recipe names no folder, or what it names cannot be used.
    """
    if isinstance(data, Digits):
        return digits.open_split(data.held_out, data.seed)
    if isinstance(data, Boxes):
        from vitrail.data import detection_layouts

        training, held_out = detection_layouts.open_split(_path(data), data.layout, data.held_out, data.seed)
        return training if data.empty else training.with_boxes(), held_out
    if isinstance(data, Pixels):
        from vitrail.data import label_layouts
        from vitrail.train.record import track

        return label_layouts.open_split(_path(data), data.layout, data.held_out, data.seed, data.reduce, track)
    if isinstance(data, Moving):
        from vitrail.data import moving

        return moving.open_split(data.count, data.held_out, data.frames, data.size, data.seed)
    if isinstance(data, Videos):
        from vitrail.data import clip_layouts

        return clip_layouts.open_split(_path(data), data.layout, data.held_out, data.seed)
    if isinstance(data, Latents):
        from vitrail.data import latents

        return latents.open_split(_path(data), data.held_out, data.seed)
    if isinstance(data, Text):
        from vitrail.data import text_files

        return text_files.open_texts(_path(data), data.tokens, data.held_out)
    return layouts.open_split(_path(data), data.layout, data.held_out, data.seed)


def open_held_out(data: Folder | Digits, classes: tuple[str, ...]) -> Pictures:
    """What a trained model is measured on: the held-out part or all of a folder, or the held-out digits.

    Raises: InputError where the recipe names no folder, or what it names has other classes.
    """
    if isinstance(data, Digits):
        if classes != digits.CLASSES:
            raise InputError(f"The digits have the classes 0 to 9; this model has {len(classes)} others.")
        return digits.open_split(data.held_out, data.seed)[1]
    return layouts.open_held_out(_path(data), data.layout, classes)


def workers(data: Data, asked: int | None) -> int:
    """Processes that decode: as many as asked for, else one per core up to eight; none for data in memory."""
    if asked is not None:
        return asked
    return 0 if isinstance(data, Digits | Moving | Text) else min(os.cpu_count() or 1, 8)


def _path(data: Folder | Boxes | Pixels | Videos | Latents | Text) -> str:
    if data.path is None and isinstance(data, Text):
        raise InputError(
            "This recipe trains on your own texts: --data FILE, or a FOLDER of .txt and .md files or of packed shards."
        )
    if data.path is None and isinstance(data, Latents):
        raise InputError(
            "This recipe trains on latents: --data FOLDER, as `vitrail latents PICTURES --vae PATH --out FOLDER` "
            "writes it."
        )
    if data.path is None and isinstance(data, Videos):
        raise InputError(
            "This recipe trains on your own videos: --data FOLDER, with train.csv and val.csv, FOLDER/train/CLASS, or "
            "another layout of docs/video_data.md; `--data moving` draws some."
        )
    if data.path is None and isinstance(data, Boxes):
        raise InputError(
            "This recipe trains on your own pictures with boxes: --data FOLDER, laid out as COCO, Pascal VOC or YOLO "
            "have it; docs/detection_data.md shows them."
        )
    if data.path is None and isinstance(data, Pixels):
        raise InputError(
            "This recipe trains on your own pictures with label maps: --data FOLDER, with images/train and "
            "labels/train, or as ADE20K, Cityscapes or COCO-Stuff have it; docs/segmentation_data.md shows them."
        )
    if data.path is None:
        raise InputError(
            "This recipe trains on your own pictures: --data FOLDER, with FOLDER/train/CLASS and FOLDER/val/CLASS, "
            "FOLDER/CLASS, or another layout of docs/data.md."
        )
    return data.path
