"""Layouts: each is known by looking, opened the same way, and holds the same pictures as any other."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny
from vitrail.data import layouts
from vitrail.data.collection import Collection
from vitrail.errors import InputError

PARTS = ("train", "val")


def pictures(plain: Path, part: str) -> list[tuple[str, int, bytes]]:
    """(path under the part, class, bytes) of class folders, in order."""
    found = sorted((plain / part).rglob("*.png"))
    names = sorted(tiny.COLOURS)
    return [(p.relative_to(plain / part).as_posix(), names.index(p.parent.name), p.read_bytes()) for p in found]


def as_classes(plain: Path, root: Path) -> None:
    shutil.copytree(plain, root, dirs_exist_ok=True)


def as_zip(plain: Path, root: Path) -> None:
    for part in PARTS:
        found = pictures(plain, part)
        with zipfile.ZipFile(root / f"{part}.zip", "w") as archive:
            for path, _, content in found:
                archive.writestr(path, content)
        (root / f"{part}_map.txt").write_text("".join(f"{path}\t{target}\n" for path, target, _ in found))


def as_shards(plain: Path, root: Path) -> None:
    (root / "classes.txt").write_text("\n".join(sorted(tiny.COLOURS)))
    for part in PARTS:
        with tarfile.open(root / f"{part}-000000.tar", "w") as archive:
            for number, (_, target, content) in enumerate(pictures(plain, part)):
                for suffix, text in (("png", content), ("json", json.dumps({"label": target}).encode())):
                    member = tarfile.TarInfo(f"{number:06}.{suffix}")
                    member.size = len(text)
                    archive.addfile(member, io.BytesIO(text))


def as_table(plain: Path, root: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=sorted(tiny.COLOURS))
    for part in PARTS:
        rows = [
            {"image": {"bytes": content, "path": None}, "label": target}
            for *_, target, content in pictures(plain, part)
        ]
        features = datasets.Features({"image": datasets.Image(decode=False), "label": label})
        datasets.Dataset.from_list(rows, features=features).save_to_disk(root / part)
    (root / "dataset_dict.json").write_text(json.dumps({"splits": list(PARTS)}))


def as_idx(plain: Path, root: Path) -> None:
    (root / "classes.txt").write_text("\n".join(sorted(tiny.COLOURS)))
    for part, stem in zip(PARTS, ("train", "t10k"), strict=True):
        found = pictures(plain, part)
        greys = np.stack([np.asarray(Image.open(io.BytesIO(content)).convert("L")) for *_, content in found])
        shape = b"".join(size.to_bytes(4, "big") for size in greys.shape)
        (root / f"{stem}-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + shape + greys.tobytes())
        targets = bytes(target for _, target, _ in found)
        (root / f"{stem}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + len(targets).to_bytes(4, "big") + targets)


WRITE: dict[str, Callable[[Path, Path], None]] = {
    "classes": as_classes,
    "zip": as_zip,
    "shards": as_shards,
    "table": as_table,
    "idx": as_idx,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folders(tmp_path_factory.mktemp("plain"))


def shown(pictures: Collection) -> list[tuple[str, bytes]]:
    """Class and grey pixels of each, in an order of their own."""
    samples = map(pictures.__getitem__, range(len(pictures)))
    return sorted((pictures.classes[each.target], each.image.convert("L").tobytes()) for each in samples)


@pytest.mark.parametrize("layout", WRITE)
def test_each_layout_is_found_and_holds_the_same(plain: Path, tmp_path: Path, layout: str) -> None:
    WRITE[layout](plain, tmp_path)
    assert layouts.find(tmp_path) == layout
    expected = layouts.open_split(plain, "classes")
    for name in (layout, "auto"):
        for found, wanted in zip(layouts.open_split(tmp_path, name), expected, strict=True):
            assert found.classes == wanted.classes == ("blue", "green", "red")
            assert len(set(found.keys)) == len(found)
            assert shown(found) == shown(wanted)
    held_out = layouts.open_held_out(tmp_path, "auto", ("red", "purple", "blue", "green"))
    assert sorted(set(held_out.targets)) == [0, 2, 3]
    assert shown(held_out) == shown(expected[1])
    with pytest.raises(InputError, match=r"'red' is none of the 3 classes"):
        layouts.open_held_out(tmp_path, layout, ("blue", "green", "rose"))


def test_every_layout_is_drawn_where_nothing_fits(tmp_path: Path) -> None:
    assert layouts.SHAPES.keys() == layouts.LAYOUTS.keys() == layouts.LOOKS.keys() == WRITE.keys()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"no data that vitrail knows; wanted one of classes: .*; idx: train-images"):
        layouts.find(tmp_path)
    with pytest.raises(InputError, match=r"notes.txt: no data that vitrail knows"):
        layouts.find(tmp_path / "notes.txt")
    with pytest.raises(InputError, match=r"none: no such folder"):
        layouts.open_split(tmp_path / "none")
    with pytest.raises(InputError, match=r"layout='zips' is none of auto, classes, zip, .* Nearest: zip"):
        layouts.open_split(tmp_path, "zips")


def test_two_layouts_at_once_are_one_line(plain: Path, tmp_path: Path) -> None:
    as_zip(plain, tmp_path)
    as_classes(plain, tmp_path)
    with pytest.raises(InputError, match="fits several layouts, classes and zip; say which: data.layout=classes"):
        layouts.open_split(tmp_path)
    assert len(layouts.open_split(tmp_path, "zip")[0]) == 12


def test_a_download_beside_what_it_held_does_not_disturb(plain: Path, tmp_path: Path) -> None:
    as_classes(plain, tmp_path)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("notes.txt", "x")
    assert layouts.find(tmp_path) == "classes"


def test_two_folders_of_one_name_are_one_line(plain: Path, tmp_path: Path) -> None:
    as_classes(plain, tmp_path)
    shutil.copytree(tmp_path / "train" / "red", tmp_path / "train" / "Red")
    if len(list((tmp_path / "train").iterdir())) == 3:
        pytest.skip("the file system does not tell red and Red apart")
    with pytest.raises(InputError, match="train: two classes are called alike, 'Red' and 'red'; rename or merge one"):
        layouts.open_split(tmp_path)
