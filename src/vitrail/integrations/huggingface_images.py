"""vitrail's preprocessing as transformers' image processor: the same numbers, by the same code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import BaseImageProcessor, BatchFeature
from transformers.image_transforms import to_pil_image
from transformers.image_utils import make_flat_list_of_images

from vitrail.data.images import read
from vitrail.data.settings import Preprocessing
from vitrail.data.transforms import for_use
from vitrail.errors import InputError

USUAL = Preprocessing()


class VitrailImageProcessor(BaseImageProcessor):
    """Pictures -> pixel_values (B, 3, H, W): resized, centre-cropped, normalised as `vitrail.data.transforms.for_use`.

    transformers' own processors differ from it: they resize tensors, not pictures, or round a side another way.

    Args:
        size: {"height": H, "width": W}, or one side.
        crop_pct: Part of the resized picture's shorter side that the crop keeps; None resizes straight to `size`.
        interpolation: "bicubic", "bilinear" or "nearest".
        image_mean, image_std: Of the channels, for values in [0, 1].
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012
    crop_pct: float | None = USUAL.share  # transformers writes a None only where the class says otherwise

    def __init__(
        self,
        size: dict[str, int] | int = 224,
        crop_pct: float | None = USUAL.share,
        interpolation: str = USUAL.interpolation,
        image_mean: tuple[float, ...] = USUAL.mean,
        image_std: tuple[float, ...] = USUAL.std,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = {"height": size, "width": size} if isinstance(size, int) else dict(size)
        self.crop_pct, self.interpolation = crop_pct, interpolation
        self.image_mean, self.image_std = list(image_mean), list(image_std)

    @property
    def settings(self) -> Preprocessing:
        """The same in vitrail's words."""
        mean, std = tuple(self.image_mean), tuple(self.image_std)
        return Preprocessing(self.crop_pct, self.interpolation, mean, std)  # type: ignore[arg-type]

    def preprocess(self, images: Any, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """One picture or several: Pillow's, uint8 arrays or tensors (H, W, 3) or (3, H, W), or paths of files."""
        transform = for_use((self.size["height"], self.size["width"]), self.settings)
        several: Any = [images] if isinstance(images, str | Path) else images
        if not (isinstance(several, list | tuple) and all(isinstance(item, str | Path) for item in several)):
            several = make_flat_list_of_images(images)
        pixels = torch.stack([transform(_picture(image)) for image in several])
        return BatchFeature({"pixel_values": pixels}, tensor_type=return_tensors)


def _picture(image: Any) -> Image.Image:
    if isinstance(image, str | Path):
        return read(image)
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if str(getattr(image, "dtype", "")).removeprefix("torch.") != "uint8":
        raise InputError(f"A picture, a path or uint8 pixels are wanted; {type(image).__name__} of another type came.")
    return to_pil_image(image, do_rescale=False).convert("RGB")
