"""Where in a picture the evidence for a class lies: gradient-weighted class activation (Grad-CAM) on the last map.

Letters: B pictures, K classes, C channels, h x w positions of the map.
Source: Selvaraju et al. (arXiv 1610.02391) eqs. 1 and 2; the heat maps of Iwin (arXiv 2507.18405) figure 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.insight.watching import noting, still
from vitrail.models.assemble import Classifier
from vitrail.models.others import Other


def cam(model: nn.Module, pictures: Tensor, classes: Sequence[int] | Tensor | None = None) -> Tensor:
    """relu(sum over c of a_c A_c), where A is the last map and a_c the mean over positions of d score / d A_c.

    Of vitrail's own classifiers A is the map that their mean is taken of, after the last norm; with one linear layer
    as head this is the class activation map itself (arXiv 1512.04150). Of others it is the last map that they compute,
    and of those that keep tokens in one line the input of the last block, behind which only a class token may be read.

    Args:
        model: Gives (B, K) logits; it is left as it was.
        pictures: (B, C_in, H, W).
        classes: (B,), each picture's class; by default the one with the largest logit.
    Returns:
        (B, H, W) in [0, 1]: the map divided by its largest value and resized bilinearly; 0 everywhere where nothing
        speaks for the class.
    Raises: InputError for a model without classes or without such a map, or a class that it does not have.
    """
    return laid_out(class_map(model, pictures, classes), model, (pictures.shape[2], pictures.shape[3]))


def class_map(model: nn.Module, pictures: Tensor, classes: Sequence[int] | Tensor | None = None) -> Tensor:
    """`cam` before it is resized: (B, h, w) in [0, 1]."""
    name = getattr(model, "name", type(model).__name__)
    module, before, prefix = last_map(model, pictures)
    at = next(model.parameters())
    pictures = pictures.detach().to(at.device, at.dtype)
    with still(model), torch.enable_grad(), noting([module], inputs=before) as noted:
        logits = model(pictures.requires_grad_())
        found = noted[module]
        wanted = logits.argmax(1) if classes is None else torch.as_tensor(classes, device=logits.device)
        if wanted.shape != logits.shape[:1] or int(wanted.min()) < 0 or int(wanted.max()) >= logits.shape[1]:
            raise InputError(
                f"{name}: wanted one class of 0 to {logits.shape[1] - 1} for each of {len(logits)} pictures."
            )
        score = logits.gather(1, wanted[:, None]).sum()
        (slope,) = torch.autograd.grad(score, found)
    maps, slopes = (_as_map(t.detach().float(), model, pictures, prefix) for t in (found, slope))
    heat = (maps * slopes.mean((1, 2), keepdim=True)).sum(-1).relu()
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)


def laid_out(maps: Tensor, model: nn.Module, size: tuple[int, int], stride: int | None = None) -> Tensor:
    """(B, h, w) resized bilinearly over pictures of `size`: (B, H, W).

    Where the model filled pictures up to whole positions, what lies beyond them is cut off again.
    Args:
        stride: Pixels of a position; by default that of the model's last map.
    """
    if stride is None and isinstance(model, Classifier):
        stride = model.strides[-1]
    whole = [max(n * (stride or 0), side) for n, side in zip(maps.shape[1:], size, strict=True)]
    large = F.interpolate(maps[:, None], size=whole, mode="bilinear", align_corners=False)
    return large[:, 0, : size[0], : size[1]]


def last_map(model: nn.Module, pictures: Tensor) -> tuple[nn.Module, bool, int]:
    """The module with the last map, whether it is its input, and how many tokens stand before the map's own.

    Raises: InputError where there is none, or there are no classes.
    """
    name = getattr(model, "name", type(model).__name__)
    if not getattr(model, "num_classes", 0):
        raise InputError(f"{name} has no classes, and cam shows what speaks for one.")
    if isinstance(model, Classifier):
        return model.norm, False, 0
    inner: Any = model.model if isinstance(model, Other) else model
    at = next(model.parameters())
    with still(model), torch.no_grad(), noting(model.modules()) as noted:
        model(pictures[:1].to(at.device, at.dtype))
    blocks = getattr(inner, "blocks", None)
    if isinstance(blocks, nn.Sequential | nn.ModuleList) and blocks[-1] in noted and noted[blocks[-1]].ndim == 3:
        return blocks[-1], True, getattr(inner, "num_prefix_tokens", 0)
    called = list(noted)
    maps = [n for n, m in enumerate(called) if noted[m].ndim == 4 and noted[m].shape[0] == 1 and _sides(noted[m]) > 1]
    lines = [n for n, m in enumerate(called) if noted[m].ndim == 3 and noted[m].shape[0] == 1]
    if not maps or (lines and lines[-1] > maps[-1]):
        raise InputError(f"{name}: its last map is not known, so cam cannot look at it.")
    return called[maps[-1]], False, 0


def _sides(found: Tensor) -> int:
    """The least of a 4-D map's axes after the first: 1 for what is pooled."""
    return min(found.shape[1:])


def _as_map(found: Tensor, model: nn.Module, pictures: Tensor, prefix: int) -> Tensor:
    """(B, h, w, C) of a map in either order, or of tokens in one line."""
    if found.ndim == 3:
        tokens = found[:, prefix:]
        ratio = (tokens.shape[1] / (pictures.shape[2] * pictures.shape[3])) ** 0.5
        grid = round(pictures.shape[2] * ratio), round(pictures.shape[3] * ratio)
        if grid[0] * grid[1] != tokens.shape[1]:
            raise InputError(f"{getattr(model, 'name', '')}: {tokens.shape[1]} tokens lie on no grid of the picture.")
        return tokens.unflatten(1, grid)
    last = isinstance(model, Classifier) or _skew(found.shape[1:3], pictures) < _skew(found.shape[2:4], pictures)
    return found if last else found.movedim(1, -1)


def _skew(sides: Sequence[int], pictures: Tensor) -> float:
    """How far the proportions of a map are from those of the pictures."""
    return abs(math.log(sides[0] * pictures.shape[3] / (sides[1] * pictures.shape[2])))
