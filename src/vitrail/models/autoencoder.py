"""Autoencoders that latents are of: diffusers' AutoencoderKL, from a folder on this machine.

Letters: B batch, C channels of a latent, H x W a picture in pixels, h x w its latent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitrail.errors import InputError, first_line


class Autoencoder:
    """A KL autoencoder in eval mode, without gradients.

    Args:
        model: With diffusers' interface: `encode(x).latent_dist` has `mean` and `std`, `decode(z).sample` is a picture
            in [-1, 1], `config` has `latent_channels` and `block_out_channels`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model.eval().requires_grad_(False)
        self.channels: int = model.config.latent_channels
        self.stride: int = 2 ** (len(model.config.block_out_channels) - 1)

    def to(self, device: torch.device | str) -> Autoencoder:
        self.model = self.model.to(device)
        return self

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @torch.no_grad()
    def encode(self, colours: Tensor) -> tuple[Tensor, Tensor]:
        """Colours in [0, 1], (B, 3, H, W) -> mean and deviation of the posterior, (B, C, h, w) each."""
        found = self.model.encode(colours.to(self.device) * 2 - 1).latent_dist
        return found.mean, found.std

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents as `encode` has them, (B, C, h, w) -> colours, about in [0, 1], (B, 3, H, W)."""
        return self.model.decode(latents.to(self.device)).sample / 2 + 0.5


def open_autoencoder(path: str | Path) -> Autoencoder:
    """The autoencoder in a folder that diffusers wrote: config.json and its safetensors, or a pipeline's with `vae/`.

    Raises: InputError where diffusers is missing, or the folder holds none.
    """
    try:
        from diffusers import AutoencoderKL
    except ImportError as error:
        raise InputError(
            "An autoencoder needs diffusers, which is missing: pip install 'vitrail[generation]'"
        ) from error
    folder = Path(path)
    folder = folder / "vae" if (folder / "vae").is_dir() else folder
    if folder.is_file():
        raise InputError(f"{path} is a file; `vitrail convert {path} FOLDER` makes an autoencoder's folder of it.")
    if not (folder / "config.json").is_file():
        raise InputError(f"{path}: no autoencoder; wanted a folder of diffusers' AutoencoderKL, with config.json.")
    try:
        # with little memory it would need accelerate, and warns where that is missing
        options = {"local_files_only": True, "use_safetensors": True, "low_cpu_mem_usage": False}
        return Autoencoder(AutoencoderKL.from_pretrained(folder, **options))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: diffusers cannot read it ({first_line(error)}).") from None
