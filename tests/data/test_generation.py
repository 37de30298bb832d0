"""What a generator learns from: pictures cut as ADM cuts them, and latents in shards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vitrail.data import digits, latents
from vitrail.data.generation_batches import FlowBatches, adm_crop, normalised, restored, to_bytes
from vitrail.data.generation_settings import GenerationPreprocessing
from vitrail.data.loader import Draw, Loader
from vitrail.errors import InputError

SETTINGS = GenerationPreprocessing(space="latents", mean=(1.0, -2.0), std=(2.0, 0.5), multiplier=0.5)


def shards(folder: Path, counts: tuple[int, ...] = (5, 3)) -> Path:
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for number, count in enumerate(counts):
        pair = {key: torch.randn(count, 2, 3, 4, generator=generator) for key in ("latents", "latents_flip")}
        save_file({**pair, "labels": torch.arange(count) % 2}, folder / f"latents-{number:05d}.safetensors")
    mean = {"mean": torch.tensor([1.0, -2.0]).view(1, 2, 1, 1), "std": torch.tensor([2.0, 0.5]).view(1, 2, 1, 1)}
    save_file(mean, folder / "statistics.safetensors")
    (folder / "latents.json").write_text(json.dumps({"classes": ["cat", "dog"], "autoencoder": "/some/vae"}))
    return folder


def adm(picture: Image.Image, size: int) -> np.ndarray:
    """ADM's own steps, of squares."""
    while min(*picture.size) >= 2 * size:
        picture = picture.resize(tuple(side // 2 for side in picture.size), resample=Image.BOX)
    scale = size / min(*picture.size)
    picture = picture.resize(tuple(round(side * scale) for side in picture.size), resample=Image.BICUBIC)
    array = np.array(picture)
    top, left = (array.shape[0] - size) // 2, (array.shape[1] - size) // 2
    return array[top : top + size, left : left + size]


@pytest.mark.parametrize("size", [(70, 33), (31, 47), (16, 16), (9, 12)])
def test_pictures_are_cut_as_adm_cuts_them(size: tuple[int, int]) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert np.array_equal(np.asarray(adm_crop(picture, (16, 16))), adm(picture, 16))
    assert adm_crop(picture, (10, 14)).size == (14, 10)
    assert np.array_equal(np.asarray(adm_crop(picture, size)), np.asarray(picture))


def test_what_is_normalised_comes_back() -> None:
    values = torch.randn(3, 2, 4, 5)
    torch.testing.assert_close(restored(normalised(values, SETTINGS), SETTINGS), values)
    assert normalised(torch.tensor([3.0, -1.0]).view(2, 1, 1), SETTINGS).flatten().tolist() == [0.5, 1.0]
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 256).expand(3, 1, 256)
    scaled = normalised(pixels.float() / 255, GenerationPreprocessing())
    assert (scaled.min(), scaled.max()) == (-1, 1)
    assert torch.equal(to_bytes(restored(scaled, GenerationPreprocessing())), pixels)
    assert torch.equal(
        to_bytes(restored(scaled * 2, GenerationPreprocessing())).unique()[[0, -1]], torch.tensor([0, 255])
    )


def test_latents_are_read_from_their_shards(tmp_path: Path) -> None:
    whole = latents.open_folder(shards(tmp_path / "z"))
    assert (len(whole), whole.shape, whole.classes) == (8, (2, 3, 4), ("cat", "dog"))
    assert whole.name(5) == f"{tmp_path}/z/latents-00001.safetensors:0" and whole[6].target == 1
    batches = FlowBatches(whole, (3, 4), SETTINGS, 0.5, seed=0)
    seen = set()
    for epoch in range(8):
        batch = batches.load(Draw(epoch, (6,)))
        pair = normalised(whole[6].latents, SETTINGS)
        flipped = [torch.equal(batch.images[0], each) for each in pair]
        assert sum(flipped) == 1 and batch.numbers == (6,)
        assert torch.equal(batch.images, batches.load(Draw(epoch, (6,))).images)
        seen.add(flipped.index(True))
    assert seen == {0, 1}


def test_some_of_each_class_are_held_out_and_the_folder_says_its_statistics(tmp_path: Path) -> None:
    folder = shards(tmp_path / "z", (20, 12))
    training, held_out = latents.open_split(folder, 0.25, 0)
    assert sorted(training.keys + held_out.keys) == sorted(latents.open_folder(folder).keys)  # type: ignore[operator]
    assert sorted(held_out.targets) == [0] * 4 + [1] * 4
    found = latents.resolved(GenerationPreprocessing(space="latents", mean=(), std=()), folder)
    assert (found.mean, found.std, found.autoencoder) == ((1.0, -2.0), (2.0, 0.5), "/some/vae")
    assert latents.resolved(SETTINGS, folder).mean == SETTINGS.mean
    (folder / "latents.json").unlink()
    assert latents.open_folder(folder).classes == ("0", "1")


def test_digits_come_at_their_own_size(tmp_path: Path) -> None:
    training, _ = digits.open_split()
    batches = FlowBatches(training, (8, 8), GenerationPreprocessing(), 0.0, 0)
    batch = next(Loader(batches, 3, shuffle=False).epoch(0))
    assert batch.images.shape == (3, 3, 8, 8) and batch.target.tolist() == training.targets[:3]
    assert torch.equal(to_bytes(batch.images / 2 + 0.5)[0, 0], torch.from_numpy(training.pixels[0]))
    mirrored = FlowBatches(training, (8, 8), GenerationPreprocessing(), 1.0, 0).load(Draw(0, (0,)))
    assert torch.equal(mirrored.images[0], batch.images[0].flip(-1))


def test_what_is_no_folder_of_latents_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no shards of latents"):
        latents.open_folder(tmp_path / "empty")
    folder = shards(tmp_path / "z")
    with pytest.raises(InputError, match="held_out=0 leaves nothing"):
        latents.open_split(folder, 0.0, 0)
    (folder / "statistics.safetensors").unlink()
    (folder / "latents_stats.pt").write_bytes(b"x")
    with pytest.raises(InputError, match=r"vitrail convert .*latents_stats.pt .*statistics.safetensors"):
        latents.statistics(folder)
    save_file({"latents": torch.zeros(2, 2, 3, 5)}, folder / "x.safetensors")
    with pytest.raises(InputError, match="no shard of latents; wanted labels, latents, latents_flip"):
        latents.open_folder(folder)
    pair = {key: torch.zeros(2, 2, 3, 5) for key in ("latents", "latents_flip")}
    save_file({**pair, "labels": torch.zeros(2)}, folder / "x.safetensors")
    with pytest.raises(InputError, match="labels of torch.float32; wanted whole numbers"):
        latents.open_folder(folder)
    save_file({**pair, "labels": torch.zeros(2).long()}, folder / "x.safetensors")
    with pytest.raises(InputError, match="several shapes"):
        latents.open_folder(folder)
    (folder / "x.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        latents.open_folder(folder)
