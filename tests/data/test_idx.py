"""Idx files: the pictures torchvision reads from them, and every way in which such a file can be wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import FashionMNIST

from vitrail.data import idx, transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError


def encode(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def make(folder: Path, part: str, targets: list[int], packed: bool = False, shade: int = 0) -> None:
    """Pictures of 5 x 3 pixels, the n-th beginning with the shade n, and their classes."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(len(targets) * 15, dtype=np.uint8).reshape(-1, 5, 3)
    pixels[:, 0, 0] = shade + np.arange(len(targets))
    for name, values in (("images-idx3", pixels), ("labels-idx1", np.array(targets, np.uint8))):
        content = encode(values)
        file = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("names", ["{}", "emnist-balanced-{}"])
def test_where_the_files_may_lie(tmp_path: Path, place: str, packed: bool, names: str) -> None:
    make(tmp_path / place, names.format("train"), [0, 1, 1], packed)
    make(tmp_path / place, names.format("test" if packed else "t10k"), [1, 0], packed, shade=100)
    training, held_out = idx.open_split(tmp_path)
    assert (training.targets, held_out.targets, training.classes) == ([0, 1, 1], [1, 0], ("0", "1"))
    sample = held_out[1]
    assert (sample.image.size, sample.image.mode, sample.image.getpixel((0, 0))) == ((3, 5), "RGB", (101, 101, 101))
    assert held_out.content(1) == sample.image.convert("L").tobytes()
    assert len(idx.open_held_out(tmp_path, ("1", "0"))) == 2
    assert idx.open_held_out(tmp_path, ("1", "0")).targets == [0, 1]


@pytest.mark.parametrize("place", ["", "MNIST", "MNIST/raw"])
def test_names_from_a_list(tmp_path: Path, place: str) -> None:
    make(tmp_path / "MNIST" / "raw", "train", [0, 1, 1])
    (tmp_path / place / "classes.txt").write_text("shirt\nankle boot\n")
    assert idx.open_held_out(tmp_path, ("ankle boot", "shirt")).targets == [1, 0, 0]


def test_a_training_part_alone_is_parted(tmp_path: Path) -> None:
    make(tmp_path, "train", [0, 1] * 10)
    training, held_out = idx.open_split(tmp_path, held_out=0.3)
    assert [list(held_out.targets).count(target) for target in (0, 1)] == [3, 3]
    shades = {part[index].image.getpixel((0, 0))[0] for part in (training, held_out) for index in range(len(part))}
    assert shades == set(range(20))


def test_an_unpacked_file_goes_before_a_packed_one(tmp_path: Path) -> None:
    make(tmp_path, "train", [0, 1], packed=True, shade=50)
    make(tmp_path, "train", [0, 1, 1])
    assert len(idx.open_held_out(tmp_path, ("0", "1"))) == 3


def test_workers_change_nothing(tmp_path: Path) -> None:
    make(tmp_path, "train", [0, 1, 1, 0])
    training, _ = idx.open_split(tmp_path, held_out=0)
    change = transforms.for_training((8, 8), Preprocessing(), Augment())
    alone, helped = (Loader(Batches(training, change, 0), 1, True, workers=workers) for workers in (0, 2))
    for a, b in zip(alone.epoch(0), helped.epoch(0), strict=True):
        assert a.names == b.names
        assert torch.equal(a.images, b.images)


def test_torchvision_reads_the_same(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "classification" / "fashion_mnist_900"
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in root.rglob("*.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    for ours, train in zip(idx.open_split(root), (True, False), strict=True):
        theirs = FashionMNIST(tmp_path, train=train)
        assert len(ours) == len(theirs) == (700 if train else 200)
        assert ours.targets == theirs.targets.tolist()
        for index in range(0, len(ours), 13):
            image, target = theirs[index]
            assert (ours[index].image.tobytes(), ours[index].target) == (image.convert("RGB").tobytes(), target)


PIXELS, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (PIXELS, b"", "images-idx3-ubyte: begins with nothing; wanted 0 0 8 3"),
        (PIXELS, b"\x89PNG", "begins with 137 80 78 71; wanted 0 0 8 3, which begin an idx file of pictures"),
        (LABELS, encode(np.zeros((2, 5, 3), np.uint8)), "begins with 0 0 8 3; wanted 0 0 8 1, .* of classes"),
        (PIXELS, encode(np.zeros((2, 5, 3), np.uint8))[:9], "cut off after 9 bytes"),
        (PIXELS, encode(np.zeros((2, 5, 3), np.uint8))[:-1], "cut off: 29 bytes of the 2 x 5 x 3 it says"),
        (PIXELS, encode(np.zeros((2, 5, 3), np.uint8)) + b"x", "longer than the 2 x 5 x 3 it says it holds"),
        (PIXELS, encode(np.zeros((0, 5, 3), np.uint8)), "says it holds 0 x 5 x 3 bytes; wanted 1 to"),
        (PIXELS, b"\0\0\x08\3" + b"\xff" * 12, "says it holds 4294967295 x 4294967295 x 4294967295 bytes"),
        (LABELS, encode(np.zeros(3, np.uint8)), "holds 2 pictures, train-labels-idx1-ubyte 3 classes"),
        (LABELS, encode(np.array([0, 2], np.uint8)), "no training picture of class '1'"),
        (LABELS, None, "holds one file of train-images and train-labels, not both"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    make(tmp_path, "train", [0, 1])
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        idx.open_split(tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_gzip_is_one_line(tmp_path: Path) -> None:
    make(tmp_path, "train", [0, 1], packed=True)
    file = tmp_path / f"{PIXELS}.gz"
    whole = file.read_bytes()
    damaged = whole[:12] + b"\xff" * 8 + whole[20:]
    for wrong in (whole[:-12], whole[:-4] + b"xxxx", damaged, b"no gzip at all"):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match=r"images-idx3-ubyte.gz: not a whole gzip file \("):
            idx.open_split(tmp_path)


def test_names_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    make(tmp_path, "train", [0, 1])
    for names, message in (
        ("a\n", "class 1, wanted 0 to 0, as classes.txt names"),
        ("a\nA\n", "called alike, 'a' and 'A'"),
    ):
        (tmp_path / "classes.txt").write_text(names)
        with pytest.raises(InputError, match=message):
            idx.open_split(tmp_path)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match="'a' is none of the 2 classes"):
        idx.open_held_out(tmp_path, ("b", "c"))


def test_files_that_are_missing_or_double_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        idx.open_split(tmp_path / "none")
    with pytest.raises(InputError, match="no idx files; wanted train-images-idx3-ubyte"):
        idx.open_split(tmp_path)
    make(tmp_path, "t10k", [0, 1])
    with pytest.raises(InputError, match="holds test but no train"):
        idx.open_split(tmp_path)
    for name in ("letters", "digits"):
        make(tmp_path / "EMNIST" / "raw", f"emnist-{name}-train", [0, 1])
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"two sets, .*emnist-digits-\* and .*emnist-letters-\*; wanted one"):
        idx.open_split(tmp_path)
