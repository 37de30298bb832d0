"""Shards: keys of a tar become pictures with classes, the bytes as tarfile gives them, in any process."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from vitrail.data import shards, transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError


def picture(shade: int = 0, suffix: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, 90, 200)).save(content, suffix)
    return content.getvalue()


def make(file: Path, members: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=form) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def pair(root: Path) -> Path:
    """Two training shards of two pictures and a held-out one; the keys are the same in each."""
    for name in ("train-000000", "train-000001", "val-000000"):
        shade = 100 * name.startswith("val") + 10 * int(name[-1])
        members = {}
        for number in range(2):
            members[f"{number:06}.png"] = picture(shade + number)
            members[f"{number:06}.cls"] = str(number).encode() + b"\n"
        make(root / f"{name}.tar", members)
    return root


def test_parts_by_name_and_the_same_keys_in_every_shard(tmp_path: Path) -> None:
    training, held_out = shards.open_split(pair(tmp_path))
    assert training.keys == [f"train-00000{shard}.tar/00000{key}" for shard in (0, 1) for key in (0, 1)]
    assert (training.targets, training.classes, held_out.targets) == ([0, 1, 0, 1], ("0", "1"), [0, 1])
    assert training.content(2) == picture(10)
    assert held_out[1].image.getpixel((0, 0)) == (101, 90, 200)
    assert held_out.name(1) == str(tmp_path / "val-000000.tar" / "000001")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert shards.open_split(tmp_path)[1].classes == ("cat", "dog")
    assert shards.open_held_out(tmp_path, ("dog", "cow", "cat")).targets == [2, 0]


def test_parts_by_folder(tmp_path: Path) -> None:
    pair(tmp_path / "a")
    for part in ("train", "val"):
        (tmp_path / "b" / part).mkdir(parents=True)
        (tmp_path / "a" / f"{part}-000000.tar").rename(tmp_path / "b" / part / "000000.tar")
    training, held_out = shards.open_split(tmp_path / "b")
    assert (training.keys[1], held_out.keys[1]) == ("train/000000.tar/000001", "val/000000.tar/000001")


def test_one_tar_is_parted_by_a_hash(tmp_path: Path) -> None:
    members = {}
    for number in range(20):
        members[f"{number}.jpg"] = picture(number, "JPEG")
        members[f"{number}.json"] = json.dumps({"label": number % 2, "caption": "x"}).encode()
    file = make(tmp_path / "cifar10-000.tar", members)
    training, held_out = shards.open_split(file, held_out=0.3)
    assert [list(held_out.targets).count(target) for target in (0, 1)] == [3, 3]
    assert not set(training.keys) & set(held_out.keys)
    assert held_out[0].image.size == (6, 4)


def test_webdatasets_keys(tmp_path: Path) -> None:
    """A key ends at the first dot of the file's name; other members of it, hidden ones and folders are left out."""
    members = {
        "./n01/a.b/1.left.png": picture(1),
        "./n01/a.b/1.cls": b"0",
        "./n01/a.b/1.txt": b"a caption",
        "./n01/a.b/1.json": b'{"width": 6}',
        "./n01/.hidden.png": b"x",
        "about.json": b"{}",
    }
    file = make(tmp_path / "train-0.tar", members)
    assert [(each.key, each.target) for each in shards.index(file)] == [("n01/a.b/1", 0)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_form(tmp_path: Path, form: int) -> None:
    stem = f"{'d' * 90}/{'k' * (90 if form != tarfile.USTAR_FORMAT else 9)}"
    file = make(tmp_path / "train-0.tar", {f"{stem}.png": picture(3), f"{stem}.cls": b"0"}, form)
    training, _ = shards.open_split(file)
    assert training.content(0) == picture(3)


def test_shards_go_through_pickle_and_workers(tmp_path: Path) -> None:
    training, _ = shards.open_split(pair(tmp_path))
    training.content(0)
    again = pickle.loads(pickle.dumps(training))
    assert [again.content(i) for i in range(4)] == [training.content(i) for i in range(4)]
    change = transforms.for_training((8, 8), Preprocessing(), Augment())
    alone, helped = (Loader(Batches(training, change, 0), 2, True, workers=workers) for workers in (0, 2))
    for epoch in (0, 1):
        for a, b in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            assert a.names == b.names
            assert torch.equal(a.images, b.images)


def test_real_pictures_come_back_as_tarfile_reads_them(shared_data: Path, tmp_path: Path) -> None:
    source, file = shared_data / "classification" / "cifar10_zip" / "val.zip", tmp_path / "val-000.tar"
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()[::50]
        members = {}
        for number, name in enumerate(names):
            members[f"{number:05}.jpg"] = archive.read(name)
            members[f"{number:05}.cls"] = str(number % 10).encode()
    found = shards.open_held_out(make(file, members), tuple("0123456789"))
    assert len(found) == len(names) == 100
    with tarfile.open(file) as archive:
        for index, key in enumerate(found.keys):
            inside = archive.extractfile(f"{key.rpartition('/')[2]}.jpg")
            assert inside and found.content(index) == inside.read()
    assert found[99].image.size == (32, 32)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.png": b"x"}, r"key '1' has no class \(.cls, or .json with label\)"),
        ({"1.png": b"x", "1.json": b'{"name": 3}'}, r"key '1' has no class"),
        ({"1.cls": b"3"}, r"key '1' has no picture"),
        ({"1.png": b"x", "1.jpg": b"x", "1.cls": b"0"}, r"key '1' has two pictures"),
        ({"1.png": b"x", "1.cls": b"0", "1.json": b'{"label": 1}'}, r"key '1' has two classes"),
        ({"1.png": b"x", "1.cls": b"cat"}, r"1.cls: b'cat', wanted a whole number: the index of a class"),
        (
            {"1.png": b"x", "1.json": b'{"label": "cat"}'},
            r"1.json: .* wanted JSON in which \"label\" is a whole number",
        ),
        ({"1.png": b"x", "1.json": b"\xff{"}, r"1.json: .* wanted JSON"),
        ({"1.png": b"x", "1.cls": b"-1"}, r"class -1, wanted 0 to 999999"),
        ({"1.png": b"x", "1.cls": b"1"}, r"no training picture of class '0'"),
        ({"1.png": b"x", "1.json": b"[" * 100_000}, r"1.json: b'\[.*wanted JSON in which \"label\""),
        ({"1.txt": b"x"}, r"train-0.tar: no picture in it"),
        ({}, r"train-0.tar: no picture in it"),
    ],
)
def test_keys_that_are_no_samples_are_one_line(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    make(tmp_path / "train-0.tar", members)
    with pytest.raises(InputError, match=message) as caught:
        shards.open_split(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("label", "message"),
    [(b"-1", "^one.tar: class -1, wanted 0"), (b"1", "^one.tar: no training picture of class '0'")],
)
def test_a_tar_alone_is_what_an_error_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("one.tar"), {"1.png": picture(), "1.cls": label})
    with pytest.raises(InputError, match=message):
        shards.open_split("one.tar")


def test_parts_that_are_missing_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        shards.open_split(tmp_path / "none")
    with pytest.raises(InputError, match="no tar in it; wanted train-000000.tar"):
        shards.open_split(tmp_path)
    for name in ("cats-0", "dogs-0"):
        make(tmp_path / f"{name}.tar", {"1.png": picture(), "1.cls": b"0"})
    with pytest.raises(InputError, match="holds cats, dogs; wanted train and val, or one part"):
        shards.open_split(tmp_path)


@pytest.mark.parametrize("name", ["train-0.tar.gz", "train-0.tar"])
def test_packed_tars_are_one_line(tmp_path: Path, name: str) -> None:
    file = make(tmp_path / name, {"1.png": picture(), "1.cls": b"0"})
    file.write_bytes(gzip.compress(file.read_bytes()))
    with pytest.raises(InputError, match=r"packed, so a picture in it cannot be found; unpack it first \(gunzip\)"):
        shards.open_split(tmp_path)


def test_a_damaged_tar_is_one_line(tmp_path: Path) -> None:
    file = make(tmp_path / "train-0.tar", {f"{n}.{suffix}": b"7" * 600 for n in range(3) for suffix in ("png", "txt")})
    whole = file.read_bytes()
    for wrong, message in (
        (b"x" * 2000, "not a whole tar"),
        (whole[: 512 * 4], "not a whole tar"),
        (whole[: 512 * 3 + 100], "damaged at byte 1536"),
        (whole[: 512 * 3] + b"x" * 512 + whole[512 * 4 :], "damaged at byte 1536"),
    ):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match=message):
            shards.index(file)


def test_a_shard_that_changes_under_a_run_is_one_line(tmp_path: Path) -> None:
    training, _ = shards.open_split(pair(tmp_path))
    (tmp_path / "train-000000.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"train-000000.tar/000000: cut off"):
        training[0]
    (tmp_path / "train-000001.tar").unlink()
    with pytest.raises(InputError, match=r"train-000001.tar/000000: cannot be read \(No such file"):
        training[2]
