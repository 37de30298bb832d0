"""Class folders: which file belongs to which class, and which side of the split."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny
from vitrail.data import folders
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
