"""The weights of a network of pictures as the start of one of clips: on a still clip both are then one function."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.layers.relative import RelativeBias, resize_table
from vitrail.models.assemble import Network
from vitrail.models.iwin import IwinSpec
from vitrail.models.iwin_video import VideoIwinSpec
from vitrail.models.swin import SwinSpec
from vitrail.models.swin_video import VideoSwinSpec
from vitrail.weights.load import Report

PICTURES: dict[type, type] = {VideoIwinSpec: IwinSpec, VideoSwinSpec: SwinSpec}
NEW = re.compile(r"\.time\.")  # a picture has nothing for it: zeros leave a still clip as it is


@torch.no_grad()
def inflate(image: Network, video: Network) -> Report:
    """Copy the weights of `image` into `video`, which then begins as the same function of each frame.

    Stem: a picture's weights for every frame of a patch, divided by their number p_t. Convolutions over several
    moments: a picture's at the middle one. Bias tables: a picture's for every offset in time, stretched bicubically
    for another window. Time embeddings and convolutions along time: zeros. The head stays as it is.

    On a clip of equal frames each moment's features are those of the picture, if p_t and the windows along time divide
    the clip and both networks have the same windows of H and W. Where Video Swin clamps its windows in a frame this
    needs `bias="corrected"`; the released rows are those of other offsets.
    Source: the releases of Video Swin (arXiv 2106.13230) and Video Iwin (arXiv 2507.18405). They copy what fits by
        name; here nothing may be left over.
    Returns:
        What became of each tensor, by the names of `video`.
    Raises:
        InputError: networks of other families, widths, depths or heads, or with other convolutions or positions.
            Nothing was copied then.
    """
    _check(image, video)
    pictures: dict[str, Tensor] = {_common(name): tensor for name, tensor in image.named_parameters()}
    modules, tables = dict(video.named_modules()), {_common(n): m for n, m in image.named_modules()}
    values: dict[str, Tensor] = {}
    resized, used = [], set()
    targets = {name: p for name, p in video.named_parameters() if not name.startswith("head.")}
    for name, target in targets.items():
        path = name.rpartition(".")[0]
        source = _common(name)
        if NEW.search(name):
            values[name] = torch.zeros_like(target)
            continue
        if source not in pictures:
            raise InputError(f"{image.name} has nothing for {name} of {video.name}; {_ALIKE}")
        value, module, table = pictures[source], modules[path], tables.get(_common(path))
        used.add(source)
        if isinstance(module, RelativeBias) and isinstance(table, RelativeBias):
            value = _bias(value, table, module)
            if table.size != module.size[1:]:
                resized.append(name)
        elif isinstance(module, nn.Conv3d) and value.ndim == 4:
            value = _stem(value, target) if module is video.trunk.stem.project else _middle(value, target)
        if value.shape != target.shape:
            raise InputError(
                f"{name}: {tuple(value.shape)} comes of {image.name}, {video.name} has {tuple(target.shape)}; {_ALIKE}"
            )
        values[name] = value
    left = [name for name in pictures if name not in used and not name.startswith("head.")]
    if left:
        raise InputError(f"{video.name} has nothing for {left[0]} of {image.name}; {_ALIKE}")
    for name, value in values.items():
        targets[name].copy_(value)
    kept = tuple(name for name, _ in video.named_parameters() if name not in targets)
    return Report(layout="a picture's", loaded=tuple(values), resized=tuple(resized), renewed=kept)


_ALIKE = "build both with the same widths, kernels, convolutions and positions."


def _common(name: str) -> str:
    """A name without what only one of both has: layers of some axes, and mixers beside the attention."""
    return re.sub(r"\.(conv|down)\.layer\b", r".\1", name).replace(".mix.body.attention", ".mix.body")


def _stem(weight: Tensor, like: Tensor) -> Tensor:
    """(C, C_in, p, p) -> (C, C_in, p_t, p, p)."""
    frames = like.shape[2]
    return weight[:, :, None].expand(-1, -1, frames, -1, -1) / frames


def _middle(weight: Tensor, like: Tensor) -> Tensor:
    """(C, 1, K, K) -> (C, 1, K_t, K, K), zeros before and after the middle moment."""
    moments = like.shape[2]
    spread = weight.new_zeros(*weight.shape[:2], moments, *weight.shape[2:])
    spread[:, :, moments // 2] = weight
    return spread


def _bias(value: Tensor, picture: RelativeBias, clip: RelativeBias) -> Tensor:
    """((2M_h - 1)(2M_w - 1), h) -> ((2M_t - 1)(2M_h - 1)(2M_w - 1), h).

    A clamped window that takes the rows of its own offsets gets them exactly, in the middle of the stretched table.
    """
    _, height, width = clip.size
    old = (picture.size[0], picture.size[1])
    frame = resize_table(value, old, (height, width))
    if not clip.corner and old == clip.inside[1:]:
        frame = frame.unflatten(0, (2 * height - 1, 2 * width - 1)).clone()
        inner = value.unflatten(0, (2 * old[0] - 1, 2 * old[1] - 1))
        top, left = height - old[0], width - old[1]
        frame[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        frame = frame.flatten(0, 1)
    return frame.repeat(2 * clip.size[0] - 1, 1)


def _check(image: Network, video: Network) -> None:
    kind = PICTURES.get(type(getattr(video, "spec", None)))
    if kind is None:
        raise InputError(f"inflate fills a video model of create_model; {type(video).__name__} came.")
    if type(getattr(image, "spec", None)) is not kind:
        came = getattr(image, "name", type(image).__name__)
        raise InputError(f"{video.name} begins from a network with a {kind.__name__}; {came} is another.")
    for field in ("dim", "depths", "heads", "in_channels"):
        theirs, its = getattr(image.spec, field), getattr(video.spec, field)
        if theirs != its:
            raise InputError(
                f"{image.name} has {field}={theirs}, {video.name} {field}={its}; build both with the same."
            )
