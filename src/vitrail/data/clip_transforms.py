"""From the frames of a video to clips, for training and for use.   T frames of a clip, H x W, V views of a video.

Every random choice is torch's: call inside `randomness.seeded` and it depends on the numbers given there alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vitrail.data import clip_sampling, rand_augment
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, ClipViews
from vitrail.data.settings import Preprocessing, RandAugment
from vitrail.data.video import Video

Change = Callable[[Video], Tensor]


def for_training(size: tuple[int, int], settings: ClipPreprocessing, augment: ClipAugment) -> Change:
    """Video -> (3, T, H, W) uint8, not yet normalised: a clip drawn from it, changed at random, each frame alike.

    A much larger video is first shrunk to a shorter side of size / share, as 256 for 224.
    Differs: the releases bring every video to that, which the crop's own resize makes needless.
    Raises (the change): InputError naming a video that cannot be used.
    """
    steps: list[Callable[[Tensor], Tensor]] = [partial(middle, size=size, share=settings.share)]
    if augment.crop:
        steps = [v2.RandomResizedCrop(size, scale=augment.crop, ratio=augment.aspect, antialias=True)]
    if augment.flip:
        steps.append(v2.RandomHorizontalFlip(augment.flip))
    if augment.rand:
        colours = Preprocessing(interpolation="bilinear", mean=settings.mean)
        steps.append(partial(rand_alike, settings=augment.rand, canvas=rand_augment.canvas(colours)))
    return partial(_draw, settings=settings, cover=larger(size, settings.share), steps=v2.Compose(steps))


def for_use(size: tuple[int, int], settings: ClipPreprocessing, views: ClipViews) -> Callable[[Video], Tensor]:
    """Video -> (V, 3, T, H, W) uint8, not yet normalised: the clips of `clip_sampling.spread`, of each its crops.

    One crop is the middle of a picture whose shorter side is size / share; several take the whole shorter side and lie
    along the longer one, from end to end in equal steps. Crop v % crops of clip v // crops is view v.
    Differs: the last of mmaction's three crops ends a pixel early where an odd number of pixels is left over.
    Raises (the change): InputError naming a video that cannot be used.
    """
    return partial(_spread, size=size, settings=settings, views=views)


def erasing(augment: ClipAugment) -> Callable[[Tensor], Tensor] | None:
    """(3, T, H, W) normalised -> the same with one rectangle of noise in all frames; None where nothing is erased."""
    if not augment.erase:
        return None
    return partial(
        _frame_wise, change=v2.RandomErasing(augment.erase, scale=(0.02, 1 / 3), value="random", inplace=True)
    )


def normalise(clip: Tensor, settings: ClipPreprocessing, out: Tensor | None = None) -> Tensor:
    """(..., 3, T, H, W) uint8 -> float32, normalised.

    Args:
        out: Where to write it, of the same shape.
    """
    mean, std = (torch.tensor(values, device=clip.device).view(3, 1, 1, 1) for values in (settings.mean, settings.std))
    planes = clip.to(torch.float32) if out is None else out.copy_(clip)
    return planes.mul_(1 / (255 * std)).sub_(mean / std)


def rand_alike(clip: Tensor, settings: RandAugment, canvas: rand_augment.Canvas) -> Tensor:
    """(T, 3, H, W) uint8 -> the same with RandAugment's changes, drawn once for all frames."""
    drawn = rand_augment.draw(settings)
    if not drawn:
        return clip
    changed = []
    for frame in clip.permute(0, 2, 3, 1).contiguous().numpy():
        image = Image.fromarray(frame)
        for name, amount in drawn:
            image = rand_augment.CHANGES[name](image, amount, canvas)
        changed.append(np.asarray(image))
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2)


def larger(size: tuple[int, int], share: float) -> tuple[int, int]:
    """(H, W) that a picture is to cover before a crop of `size`."""
    height, width = (int(side / share) for side in size)
    return height, width


def tensor(frames: np.ndarray) -> Tensor:
    """(T, H, W, 3) -> (T, 3, H, W), the memory as it lies."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def middle(frames: Tensor, size: tuple[int, int], share: float) -> Tensor:
    """(T, 3, H, W) uint8 -> (T, 3, *size): the middle of the frames resized so that they cover size / share."""
    return _crop(_covering(frames, larger(size, share)), size, 0, 1)


def _draw(
    video: Video, settings: ClipPreprocessing, cover: tuple[int, int], steps: Callable[[Tensor], Tensor]
) -> Tensor:
    wanted = clip_sampling.draw(video.count(), settings.sampling)
    return steps(tensor(video.frames(wanted.tolist(), cover))).transpose(0, 1).contiguous()


def _spread(video: Video, size: tuple[int, int], settings: ClipPreprocessing, views: ClipViews) -> Tensor:
    wanted = clip_sampling.spread(video.count(), settings.sampling, views.clips)
    order, places = np.unique(wanted, return_inverse=True)
    cover = larger(size, settings.share) if views.crops == 1 else size
    frames = _covering(tensor(video.frames(order.tolist(), cover)), cover)
    out = torch.empty(views.count, 3, wanted.shape[1], *size, dtype=torch.uint8)
    for clip, taken in enumerate(torch.from_numpy(places).view(wanted.shape)):
        for crop in range(views.crops):
            view = _crop(frames, size, crop, views.crops)
            out[clip * views.crops + crop] = view[taken].transpose(0, 1)
    return out


def _frame_wise(clip: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """(3, T, H, W) -> the same, by a change of (T, 3, H, W)."""
    return change(clip.transpose(0, 1)).transpose(0, 1)


def _covering(frames: Tensor, cover: tuple[int, int]) -> Tensor:
    """Resized, the shape kept, to the smallest size that covers `cover`."""
    old = (frames.shape[2], frames.shape[3])
    zoom = max(new / side for new, side in zip(cover, old, strict=True))
    new = [max(round(side * zoom), least) for side, least in zip(old, cover, strict=True)]
    return frames if tuple(new) == old else F.resize(frames, new, antialias=True)


def _crop(frames: Tensor, size: tuple[int, int], number: int, count: int) -> Tensor:
    """Crop `number` of `count` along the axis with most to spare; on the other axis all are in the middle."""
    free = [old - new for old, new in zip(frames.shape[2:], size, strict=True)]
    first = [spare // 2 for spare in free]
    if count > 1:
        axis = int(free[1] >= free[0])
        first[axis] = number * free[axis] // (count - 1)
    (top, left), (height, width) = first, size
    return frames[:, :, top : top + height, left : left + width]
