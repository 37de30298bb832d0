"""Class folders: which file belongs to which class, and which side of the split."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny
from vitrail.data import folders, layouts
from vitrail.errors import InputError


def test_train_and_val_are_taken_as_they_are(tmp_path: Path) -> None:
    training, held_out = folders.open_split(tiny.folders(tmp_path))
    assert training.classes == held_out.classes == ("blue", "green", "red")
    assert (len(training), len(held_out)) == (12, 6)
    sample = held_out[5]
    assert sample.target == 2
    assert sample.name == str(tmp_path / "val" / "red" / "1.png")
    assert sample.image.size == (16, 20)


def test_one_folder_is_split_class_by_class_and_always_alike(tmp_path: Path) -> None:
    root = tiny.folders(tmp_path, training=10) / "train"
    parts = folders.open_split(root, held_out=0.3)
    assert not set(parts[0].keys) & set(parts[1].keys)
    assert [list(parts[1].targets).count(k) for k in range(3)] == [3, 3, 3]
    assert folders.open_split(root, held_out=0.3)[1].keys == parts[1].keys
    assert folders.open_split(root, held_out=0.3, seed=1)[1].keys != parts[1].keys


def test_the_split_does_not_depend_on_where_the_folder_stands(tmp_path: Path) -> None:
    here, there = (tiny.folders(tmp_path / name, training=10) / "train" for name in ("a", "b"))
    assert folders.open_split(here)[1].keys == folders.open_split(there)[1].keys


def test_a_class_of_one_picture_is_trained_on(tmp_path: Path) -> None:
    training, held_out = folders.open_split(tiny.folders(tmp_path, training=1) / "train")
    assert (len(training), len(held_out)) == (3, 0)


def test_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    root = tiny.folders(tmp_path)
    for name in ("train/red/notes.txt", "train/red/.hidden.png"):
        (root / name).write_text("x")
    (root / "train" / ".cache").mkdir()
    (root / "train" / "red" / "deeper").mkdir()
    (root / "train" / "red" / "0.png").rename(root / "train" / "red" / "deeper" / "0.PNG")
    assert len(folders.open_split(root)[0]) == 12


def test_links_that_lead_back_lead_nowhere(tmp_path: Path) -> None:
    """A folder comes once however many paths lead to it; a link to one from elsewhere is followed."""
    root = tiny.folders(tmp_path / "data") / "train"
    (root / "red" / "up").symlink_to("..")
    (root / "red" / "far").symlink_to(tmp_path)
    (root / "red" / "here").symlink_to(".")
    (root / "green" / "twin").symlink_to("../blue")
    (root / "green" / "zwin").symlink_to(root / "blue")
    (root / "blue" / "inner").mkdir()
    (root / "blue" / "inner" / "up").symlink_to("..")
    (tmp_path / "link").symlink_to(root)
    for place in (root, tmp_path / "link"):
        found = folders.read_classes(place)
        assert [found.targets.count(target) for target in range(3)] == [4, 8, 4]
        assert "green/twin/0.png" in found.keys
    assert layouts.find(root) == "classes"
    (tmp_path / "empty" / "a").mkdir(parents=True)
    for name in "bcdefghijklmnopq":
        (tmp_path / "empty" / "a" / name).symlink_to("..")
    with pytest.raises(InputError, match="no data that vitrail knows"):
        layouts.find(tmp_path / "empty")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """A picture is parted, read and named; a class or a root is one line, since both are written down."""
    root = tiny.folders(tmp_path / "data", training=10) / "train"
    try:
        (root / "red" / "0.png").rename(root / "red" / "0\udcff.png")
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    parts = folders.open_split(root)
    samples = [part[index] for part in parts for index in range(len(part))]
    assert str(root / "red" / "0\\udcff.png") in {sample.name for sample in samples}
    (root / "red").rename(root / "r\udcff")
    with pytest.raises(InputError, match=r"the class 'r\\udcff' has a name that is not UTF-8") as caught:
        folders.open_split(root)
    str(caught.value).encode()
    (root / "r\udcff").rename(root / "red")
    (root / ".." / "train").rename(tmp_path / "t\udcff")
    with pytest.raises(InputError, match=r"t\\udcff: a name that is not UTF-8"):
        layouts.open_split(tmp_path / "t\udcff")


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        folders.open_split(tmp_path / "none")
    with pytest.raises(InputError, match="no class folders"):
        folders.open_split(tmp_path)
    root = tiny.folders(tmp_path)
    (root / "val" / "greeen").mkdir()
    with pytest.raises(InputError, match=r"'greeen' is none of the 3 classes. Nearest: green"):
        folders.open_split(root)
    (root / "val" / "greeen").rename(root / "train" / "grey")
    with pytest.raises(InputError, match="grey: a class without a picture"):
        folders.open_split(root)


def test_a_models_classes_fix_the_indices(tmp_path: Path) -> None:
    root = tiny.folders(tmp_path)
    held_out = folders.open_held_out(root, ("red", "purple", "blue", "green"))
    assert sorted(set(held_out.targets)) == [0, 2, 3]
    assert len(folders.open_held_out(root / "train", ("blue", "green", "red"))) == 12
