"""Zips: which member is whose class, the bytes as zipfile gives them, in any process."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

import tiny
from vitrail.data import transforms, zips
from vitrail.data.loader import Batches, Loader
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError


def picture(shade: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, 90, 200)).save(content, "PNG")
    return content.getvalue()


def make(file: Path, members: dict[str, bytes], lines: str | None = None, method: int = zipfile.ZIP_STORED) -> Path:
    """A zip, and its map where there are lines for it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    if lines is not None:
        file.with_name(f"{file.stem}_map.txt").write_text(lines)
    return file


def pair(root: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Swin's zip mode: two classes, three training pictures, one held out whose path names no class."""
    members = {f"{name}/{number}.png": picture(number) for name in ("cat", "dog") for number in range(2)}
    make(root / "train.zip", members, "cat/1.png\t1\ncat/0.png\t1\ndog/1.png\t0\n", method)
    make(root / "val.zip", {"x_0001.png": picture(7)}, "x_0001.png\t1\n", method)
    return root


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_map_decides_what_there_is_and_its_order(tmp_path: Path, method: int) -> None:
    training, held_out = zips.open_split(pair(tmp_path, method))
    assert training.keys == ["cat/1.png", "cat/0.png", "dog/1.png"]
    assert (training.classes, training.targets) == (("dog", "cat"), [1, 1, 0])
    assert (held_out.classes, held_out.targets) == (("dog", "cat"), [1])
    assert training.content(0) == picture(1)
    assert training[2].image.getpixel((0, 0)) == (1, 90, 200)
    assert held_out.name(0) == str(tmp_path / "val.zip" / "x_0001.png")


def test_names_come_from_the_list_then_the_folders_then_the_numbers(tmp_path: Path) -> None:
    members = {f"{number}.png": picture(number) for number in range(2)}
    file = make(tmp_path / "all.zip", members, "0.png\t0\r\n1.png\t1\r\n")
    assert zips.read(file).classes == ("0", "1")
    (tmp_path / "classes.txt").write_text("first\nsecond thing\n")
    assert zips.open_held_out(tmp_path, ("second thing", "first")).targets == [1, 0]
    mixed = {"a/0.png": picture(), "b/1.png": picture(), "c/2.png": picture()}
    file = make(tmp_path / "b" / "all.zip", mixed, "a/0.png\t0\nb/1.png\t0\nc/2.png\t1\n")
    assert zips.read(file).classes == ("0", "1")


@pytest.mark.parametrize("top", ["", "train/"])
def test_class_folders_inside_need_no_map(tmp_path: Path, top: str) -> None:
    plain = tiny.folders(tmp_path / "plain", training=3) / "train"
    members = {f"{top}{p.relative_to(plain).as_posix()}": p.read_bytes() for p in sorted(plain.rglob("*.png"))}
    file = make(tmp_path / "train.zip", {**members, "__MACOSX/red/._0.png": b"x", f"{top}about.txt": b"x"})
    training, held_out = zips.open_split(file, held_out=0.4)
    assert training.classes == ("blue", "green", "red")
    assert (len(training), len(held_out)) == (6, 3)
    assert sorted([*training.keys, *held_out.keys]) == sorted(members)


def test_the_held_out_part_takes_the_models_classes(tmp_path: Path) -> None:
    root = pair(tmp_path)
    assert zips.open_held_out(root, ("bird", "cat", "dog")).targets == [1]
    with pytest.raises(InputError, match=r"val.zip: 'cat' is none of the 2 classes. Nearest: cats"):
        zips.open_held_out(root, ("cats", "dogs"))


def test_a_zip_goes_through_pickle_and_workers(tmp_path: Path) -> None:
    training, _ = zips.open_split(pair(tmp_path))
    training.content(0)
    again = pickle.loads(pickle.dumps(training))
    assert [again.content(i) for i in range(3)] == [training.content(i) for i in range(3)]
    change = transforms.for_training((8, 8), Preprocessing(), Augment())
    alone, helped = (Loader(Batches(training, change, 0), 1, True, workers=workers) for workers in (0, 2))
    for epoch in (0, 1):
        for a, b in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            assert a.names == b.names
            assert torch.equal(a.images, b.images)


def test_the_shared_zip_holds_what_zipfile_reads(shared_data: Path) -> None:
    root = shared_data / "classification" / "cifar10_zip"
    training, held_out = zips.open_split(root)
    assert (len(training), len(held_out), len(training.classes)) == (20000, 5000, 10)
    assert training.classes == tuple((root / "classes.txt").read_text().split())
    with zipfile.ZipFile(root / "val.zip") as archive:
        for index in range(0, 5000, 97):
            key = held_out.keys[index]
            assert held_out.content(index) == archive.read(key)
            assert held_out.classes[held_out.targets[index]] == key.split("/")[0]
    assert held_out[4999].image.size == (32, 32)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a/0.png\t0\na/O.png\t0\nA/0.png\t0\n", r"'a/O.png' and 1 more not in train.zip; capitals count"),
        ("a/0.png 0\n", r"line 1 is 'a/0.png 0'; wanted PATH<tab>INDEX"),
        ("a/0.png\t-1\n", r"line 1 is .*; wanted PATH<tab>INDEX"),
        ("a/0.png\t0\na/0.png\t1\n", r"line 2 lists 'a/0.png' a second time"),
        ("\n", r"train_map.txt: lists no picture"),
        ("a/0.png\t0\nb/0.png\t2\n", r"no training picture of class '1'"),
        ("a/0.png\t0\nb/0.png\t1000000000\n", r"class 1000000000, wanted 0 to 999999"),
        ("a/0.png\t0\nb/0.png\t1\nB/0.png\t2\n", r"called alike, 'b' and 'B'"),
    ],
)
def test_a_map_that_does_not_fit_is_one_line(tmp_path: Path, lines: str, message: str) -> None:
    make(tmp_path / "train.zip", {"a/0.png": picture(), "b/0.png": picture(), "B/0.png": picture()}, lines)
    with pytest.raises(InputError, match=message) as caught:
        zips.open_split(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("cat\n", "train_map.txt: class 1, wanted 0 to 0, as classes.txt names"),
        ("cat\n\ndog\n", "classes.txt: line 2 is empty"),
        ("cat\nCat\n", "classes.txt: two classes are called alike, 'cat' and 'Cat'"),
        ("cat\ndog\nfish\ncrow\n", "no training picture of class 'fish' and 1 more"),
        (b"\xff\xfe\x00", "classes.txt: cannot be read as text"),
    ],
)
def test_names_that_do_not_fit_are_one_line(tmp_path: Path, names: str | bytes, message: str) -> None:
    root = pair(tmp_path)
    (root / "classes.txt").write_bytes(names if isinstance(names, bytes) else names.encode())
    with pytest.raises(InputError, match=message):
        zips.open_split(root)


def test_parts_that_are_missing_or_double_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        zips.open_split(tmp_path / "none")
    with pytest.raises(InputError, match="no zip in it; wanted train.zip"):
        zips.open_split(tmp_path)
    root = pair(tmp_path)
    (root / "train.zip").rename(root / "other.txt")
    with pytest.raises(InputError, match="holds val but no train"):
        zips.open_split(root)
    (root / "other.txt").rename(root / "train.zip")
    make(root / "small-train.zip", {})
    with pytest.raises(InputError, match=r"two zips of one part, small-train.zip and train.zip"):
        zips.open_split(root)


def test_a_zip_without_map_or_class_folders_is_one_line(tmp_path: Path) -> None:
    file = make(tmp_path / "train.zip", {"a/notes.txt": b"x"})
    with pytest.raises(InputError, match=r"neither train_map.txt beside it nor class folders"):
        zips.open_split(tmp_path)
    make(file, {"a/0.png": picture(), "1.png": picture()})
    with pytest.raises(InputError, match=r"train.zip/1.png: in no class folder"):
        zips.open_split(tmp_path)


def test_a_damaged_zip_is_one_line(tmp_path: Path) -> None:
    file = make(tmp_path / "train.zip", {"a/0.png": picture(), "b/0.png": picture()})
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"train.zip: not a readable zip \(File is not a zip file\)"):
        zips.open_split(file)
    file.write_bytes(whole.replace(b"IDAT", b"IDAX"))
    pictures = zips.read(file)
    with pytest.raises(InputError, match=r"a/0.png: damaged inside the zip \(its checksum"):
        pictures[0]
    file.write_bytes(b"")
    with pytest.raises(InputError, match=r"a/0.png: damaged inside the zip"):
        pictures[0]
    file.unlink()
    with pytest.raises(InputError, match=r"a/0.png: cannot be read \(No such file"):
        pictures[0]


def test_damage_in_a_packed_member_is_one_line(tmp_path: Path) -> None:
    file = make(tmp_path / "train.zip", {"a/0.png": bytes(range(256)) * 9}, method=zipfile.ZIP_DEFLATED)
    whole = bytearray(file.read_bytes())
    whole[37 + 20 : 37 + 60] = b"\xff" * 40
    file.write_bytes(whole)
    with pytest.raises(InputError, match=r"a/0.png: damaged inside the zip"):
        zips.read(file).content(0)


def test_what_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(tmp_path / "train.zip", {"a/0.png": bytes(5000)}, method=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zips, "MOST_BYTES", 4999)
    with pytest.raises(InputError, match=r"a/0.png: 5000 bytes unpacked are more than the limit of 4999"):
        zips.read(file)


def test_a_member_that_unpacks_to_more_than_it_says_fills_no_memory(tmp_path: Path) -> None:
    file = make(tmp_path / "train.zip", {"a/0.png": bytes(50_000_000)}, method=zipfile.ZIP_DEFLATED)
    pictures = zips.read(file)
    pictures.places[0, 2] = 10
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="its checksum"):
            pictures.content(0)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_other_methods_and_passwords_are_refused(tmp_path: Path) -> None:
    file = make(tmp_path / "train.zip", {"a/0.png": picture()}, method=zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match=r"a/0.png: packed by method 14; wanted a zip that is stored or deflated"):
        zips.read(file)
    file = make(tmp_path / "train.zip", {"a/0.png": picture()})
    whole = bytearray(file.read_bytes())
    whole[whole.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(whole)
    with pytest.raises(InputError, match=r"a/0.png: encrypted; wanted a zip without a password"):
        zips.read(file)
