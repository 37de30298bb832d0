"""Pictures encoded into latents, shard by shard; what is there already is not made again.

OUT/latents-00000.safetensors ...   OUT/statistics.safetensors   OUT/latents.json, as `data/latents.py` reads them
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialize
from torch import Tensor

from vitrail.data import latents, layouts
from vitrail.data.collection import Collection, Part
from vitrail.data.generation_batches import FlowBatch, FlowBatches
from vitrail.data.generation_settings import GenerationPreprocessing
from vitrail.data.loader import Loader
from vitrail.data.randomness import mix
from vitrail.errors import InputError
from vitrail.flow.noise import noise
from vitrail.models.autoencoder import Autoencoder, open_autoencoder
from vitrail.train.files import held, replacing
from vitrail.train.record import told, write_text

COLOURS = GenerationPreprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))  # as they are, in [0, 1]
COUNTED = 10_000  # latents that the statistics are of


@dataclass(frozen=True)
class Encoding:
    """How pictures become latents.

    autoencoder: Its path.     size: (H, W) in pixels that a picture is cut to.     shard: Latents of a file.
    seed: With a picture's number it decides which latent of its posterior is drawn.
    layout: How the pictures lie there, as `data.layouts` has it.
    """

    autoencoder: str
    size: tuple[int, int] = (256, 256)
    shard: int = 10_000
    seed: int = 0
    layout: str = "auto"


def encode(
    folder: str | Path,
    out: Path,
    encoding: Encoding,
    device: torch.device,
    batch: int = 16,
    workers: int | None = None,
    model: Autoencoder | None = None,
) -> dict[str, Any]:
    """Writes the latents of all training pictures of `folder`, and says what they are, as latents.json does.

    Of each picture's middle one draw of the posterior is kept, and one of its mirror image's.

    Args:
        batch: Pictures encoded at a time; changes nothing but the last bits.
        model: The autoencoder itself, where it is open already.
    Raises: InputError for pictures or an autoencoder that cannot be used, a size that is no multiple of the
        autoencoder's stride, or a folder that holds something else, or latents made otherwise.
    """
    pictures = layouts.open_split(folder, encoding.layout)[0]
    pictures = pictures.whole if isinstance(pictures, Part) else pictures  # where no part stands apart, all of them
    model = (model or open_autoencoder(encoding.autoencoder)).to(device)
    if any(side % model.stride for side in encoding.size):
        size = f"{encoding.size[0]}x{encoding.size[1]}"
        raise InputError(f"size {size} is no multiple of the autoencoder's stride {model.stride}.")
    about = _about(pictures, encoding)
    _vacant(out, about)
    out.mkdir(parents=True, exist_ok=True)
    with held(out):
        write_text(out / latents.ABOUT, json.dumps(about, indent=1) + "\n")
        unreadable = _shards(pictures, out, encoding, model, batch, workers)
        whole = latents.open_folder(out)
        mean, std = channel_statistics(whole, encoding.seed)
        with replacing(out / latents.STATISTICS) as file:
            file.write(serialize({"mean": mean, "std": std}))
        about = {**about, "latents": len(whole), "shape": list(whole.shape)}
        write_text(out / latents.ABOUT, json.dumps(about, indent=1) + "\n")
    return {**about, "unreadable": unreadable}


def channel_statistics(whole: latents.Latents, seed: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, (C,) float32, over `COUNTED` latents picked by the seed, or all of fewer.

    Source: LightningDiT's release, which picks 10 000.
    """
    generator = torch.Generator().manual_seed(mix(seed, len(whole)))
    sums = torch.zeros(3, whole.shape[0], dtype=torch.float64)
    for index in sorted(torch.randperm(len(whole), generator=generator)[:COUNTED].tolist()):
        values = whole[index].latents[0].flatten(1).double()
        sums += torch.stack([torch.full_like(sums[0], values.shape[1]), values.sum(1), values.square().sum(1)])
    count, total, squares = sums
    mean = total / count
    return mean.float(), (squares / count - mean.square()).clamp(min=0).sqrt().float()


def _shards(
    pictures: Collection, out: Path, encoding: Encoding, model: Autoencoder, batch: int, workers: int | None
) -> list[str]:
    """Writes the shards that are not there; lines about pictures that cannot be read."""
    count, unreadable = len(pictures), list[str]()
    processes = min(os.cpu_count() or 1, 8) if workers is None else workers
    with told(count, "encoding") as tell:
        for number, start in enumerate(range(0, count, encoding.shard)):
            places = range(start, min(start + encoding.shard, count))
            path = out / f"latents-{number:05d}.safetensors"
            if path.is_file():
                tell(len(places), 1.0)
                continue
            some = FlowBatches(Part(pictures, places), encoding.size, COLOURS, 0.0, encoding.seed)
            parts = []
            for loaded in Loader(some, batch, False, processes).epoch(0):
                assert isinstance(loaded, FlowBatch)
                unreadable += loaded.skipped
                if len(loaded):
                    parts.append(_encoded(loaded, start, encoding.seed, model))
                tell(len(loaded) + len(loaded.skipped), 1.0)
            if not parts:
                raise InputError(
                    f"None of the {len(places)} pictures of a shard can be read. The first: {unreadable[0]}"
                )
            whole = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
            with replacing(path) as file:
                file.write(serialize(whole))
    return unreadable


def _encoded(loaded: FlowBatch, start: int, seed: int, model: Autoencoder) -> dict[str, Tensor]:
    """One draw of each picture's posterior and of its mirror image's."""
    found = {}
    for flipped, key in enumerate(("latents", "latents_flip")):
        images = loaded.images.flip(-1) if flipped else loaded.images
        mean, std = (part.float().cpu() for part in model.encode(images))
        numbers = [2 * (start + number) + flipped for number in loaded.numbers]
        found[key] = (mean + std * noise(seed, numbers, tuple(mean.shape[1:]))).contiguous()  # diffusers' are not
    return {**found, "labels": loaded.target}


def _about(pictures: Collection, encoding: Encoding) -> dict[str, Any]:
    document = {**asdict(encoding), "autoencoder": os.path.abspath(encoding.autoencoder), "size": list(encoding.size)}
    return {"format": 1, **document, "pictures": len(pictures), "classes": list(pictures.classes)}


def _vacant(out: Path, about: dict[str, Any]) -> None:
    """Raises: InputError where `out` holds anything but the beginning of the same latents."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    before = latents.about(out)
    if not before:
        raise InputError(f"{out} is not empty and holds no latents of ours; --out takes a folder of its own.")
    changed = [key for key in about if before.get(key) != about[key]]
    if changed:
        raise InputError(f"{out} was begun otherwise ({', '.join(changed)}); --out takes another folder.")
