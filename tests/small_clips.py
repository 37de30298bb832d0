"""A small classifier of clips in a file, and films for it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import nn

import films
import vitrail
from vitrail.recipes.use_clips import TrainedClips
from vitrail.weights import save

SPEC = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2, "frames": 4}
CLASSES = ["falling", "jumping", "running"]
SAMPLING = {"length": 4, "interval": 2}  # so a clip spans eight frames


def kept(path: Path, classes: list[str] | None = None, **about: object) -> Path:
    """A weights file of a model whose answers differ from clip to clip."""
    torch.manual_seed(2)
    classes = classes or CLASSES
    model = vitrail.create_model("video_iwin_nano", len(classes), (32, 32), **SPEC).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.35)
    about = about or {"preprocessing": {"sampling": SAMPLING, "kind": "clips"}}
    save(path, model, None, classes=classes, **about)
    return path


def film(path: Path, count: int = 30, seed: int = 0, **how: object) -> Path:
    """Frames that change a lot, 40 x 72."""
    dice = np.random.default_rng(seed)
    rough = dice.integers(0, 255, (count, 5, 9, 3), dtype=np.uint8)
    return films.write(path, rough.repeat(8, 1).repeat(8, 2), options={"preset": "ultrafast"}, **how)


def folder(path: Path, count: int = 12, seed: int = 0) -> Path:
    """A video as a folder of frames."""
    path.mkdir(parents=True)
    dice = np.random.default_rng(seed)
    for number in range(count):
        pixels = dice.integers(0, 255, (5, 9, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(path / f"img_{number + 1:05d}.png")
    return path


def slowly(trained: TrainedClips, path: Path, numbers: list[int], crop: int | None = None) -> torch.Tensor:
    """(K,) of one clip: every frame decoded, those with these numbers resized, cut and looked at, the plain way.

    Args:
        crop: Of three along the longer side; None: the middle of a larger picture, as in use.
    """
    if path.is_dir():
        whole = [np.asarray(Image.open(each).convert("RGB")) for each in sorted(path.iterdir())]
    else:
        with av.open(str(path)) as container:
            whole = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    clip = torch.from_numpy(np.stack([whole[number] for number in numbers])).permute(0, 3, 1, 2)
    height = 32 if crop is not None else int(32 / trained.preprocessing.share)
    width = round(clip.shape[3] * height / clip.shape[2])
    large = nn.functional.interpolate(clip.float(), (height, width), mode="bilinear", antialias=True).round()
    left = (width - 32) // 2 if crop is None else (0, (width - 32) // 2, width - 32)[crop]
    part = large[:, :, (height - 32) // 2 :][:, :, :32, left : left + 32] / 255
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (trained.preprocessing.mean, trained.preprocessing.std))
    with torch.no_grad():
        return trained.model(((part - mean) / std).transpose(0, 1)[None]).softmax(1)[0]
