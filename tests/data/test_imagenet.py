"""ImageNet's other test sets in small: which picture has which class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vitrail.data import imagenet
from vitrail.errors import InputError

CLASSES = ("n01", "n02", "n03", "n04")


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def pairs(found) -> dict[str, int]:
    return dict(zip(found.keys, found.targets, strict=True))


@pytest.mark.parametrize("place", ["", "val", "val/n02", "n04"])
def test_real_gives_each_picture_its_classes(tmp_path: Path, place: str) -> None:
    names = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG", "ILSVRC2012_val_00000004_n00000001.JPEG"]
    for name in names:
        save(tmp_path / "data" / place / name)
    (tmp_path / "real.json").write_text(json.dumps([[3, 1], [], [0], [2]]))
    real = imagenet.open_real(tmp_path / "data", tmp_path / "real.json", CLASSES)
    right = {Path(key).name: real.sets[target] for key, target in pairs(real).items()}
    assert right == {names[0]: (1, 3), names[2]: (2,)}  # the second has no class
    assert [real.classes[target] for target in real.targets] == ["n02 or n04", "n03"]
    assert real[0].image.size == (4, 4)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("[[1]", "ILSVRC2012_val_00000001.JPEG", "not JSON"),
        ('{"a": 1}', "ILSVRC2012_val_00000001.JPEG", "wanted a list"),
        ("[[1], [true]]", "ILSVRC2012_val_00000001.JPEG", "wanted a list"),
        ("[[-1]]", "ILSVRC2012_val_00000001.JPEG", "wanted a list"),
        ("[[4]]", "ILSVRC2012_val_00000001.JPEG", "class 4; this model has 4 classes"),
        ("[[1]]", "ILSVRC2012_val_00000002.JPEG", "to ILSVRC2012_val_00000001"),
        ("[[1]]", "ILSVRC2012_val_00000000.JPEG", "ReaL names"),
        ("[[1]]", "cat.jpg", "ReaL names"),
        ("[[]]", "ILSVRC2012_val_00000001.JPEG", "no picture that"),
    ],
)
def test_what_does_not_fit_real_is_one_line(tmp_path: Path, text: str, name: str, message: str) -> None:
    save(tmp_path / "data" / name)
    (tmp_path / "real.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        imagenet.open_real(tmp_path / "data", tmp_path / "real.json", CLASSES)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        imagenet.open_real(tmp_path, tmp_path / "none.json", CLASSES)
    with pytest.raises(InputError, match="no such folder"):
        imagenet.open_indices(tmp_path / "nowhere", CLASSES)


def test_folders_named_by_index(tmp_path: Path) -> None:
    classes = tuple(f"n{index:02}" for index in range(12))
    for name in ("0", "2", "10", "11"):  # sorted as text: 0, 10, 11, 2
        save(tmp_path / name / "x.png")
    assert pairs(imagenet.open_indices(tmp_path, classes)) == {
        "0/x.png": 0,
        "2/x.png": 2,
        "10/x.png": 10,
        "11/x.png": 11,
    }
    names = imagenet.folder_names(tmp_path)
    assert imagenet.numbered(names, classes)
    assert not imagenet.numbered(names, classes[:11])  # 11 is no index
    assert not imagenet.numbered(names, tuple(map(str, range(12))))  # names of classes, as for digits
    assert not imagenet.numbered((), classes)
    with pytest.raises(InputError, match="folders named 0 to 10"):
        imagenet.open_indices(tmp_path, classes[:11])


def test_a_subset_counts_only_what_is_there(tmp_path: Path) -> None:
    for name in ("n04", "n02"):
        save(tmp_path / "val" / name / "x.png")
    some, kept = imagenet.open_subset(tmp_path, CLASSES)
    assert kept == (1, 3)
    assert some.classes == ("n02", "n04")
    assert pairs(some) == {"n02/x.png": 0, "n04/x.png": 1}
    save(tmp_path / "val" / "n05" / "x.png")
    with pytest.raises(InputError, match="'n05' is none of the 4 classes"):
        imagenet.open_subset(tmp_path, CLASSES)


def test_folders_by_their_order(tmp_path: Path) -> None:
    for name in CLASSES:
        save(tmp_path / name / "x.png")
    found = imagenet.open_ordered(tmp_path, ("tench", "goldfish", "shark", "ray"))
    assert pairs(found) == {f"{name}/x.png": index for index, name in enumerate(CLASSES)}
    assert found.classes == ("tench", "goldfish", "shark", "ray")
    with pytest.raises(InputError, match="4 class folders and the model has 3 classes"):
        imagenet.open_ordered(tmp_path, ("tench", "goldfish", "shark"))
