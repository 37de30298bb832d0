"""Label maps written and read again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import labelled
from vitrail.data import label_files, label_layouts
from vitrail.data.label_results import class_areas, encode, write
from vitrail.errors import InputError


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    labels = torch.from_numpy(labelled.truth("a")).long()
    colours = ((1, 2, 3), (200, 0, 0), (0, 0, 250))
    write(tmp_path / "plain.png", labels)
    write(tmp_path / "palette.png", labels, "palette", colours)
    for name in ("plain.png", "palette.png"):
        assert label_files.read(tmp_path / name).tolist() == labels.tolist()
    assert label_files.palette(tmp_path / "palette.png")[:3] == colours
    shown = np.asarray(Image.open(tmp_path / "palette.png").convert("RGB"))
    assert (shown[labels.numpy() == 1] == colours[1]).all() and (shown[labels.numpy() == 255] == 0).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["palette.png", "plain.png"]


def test_ade20ks_server_counts_from_1(tmp_path: Path) -> None:
    """What is written for the server reads as ADE20K's own label maps do."""
    content = Image.open(io.BytesIO(encode(torch.tensor([[0, 149, 255]]), "ade20k")))
    assert content.mode == "L" and np.asarray(content).tolist() == [[1, 150, 0]]
    root = labelled.ade20k(tmp_path / "set")
    training, _ = label_layouts.open_split(root, reduce=True)
    before = training[0].labels.map
    write(training.label_path(0), before, "ade20k")
    assert training[0].labels.map.equal(before)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wanted \\(H, W\\)"):
        encode(torch.tensor([[300]]), "plain")
    with pytest.raises(ValueError, match="a palette of 1 colours for classes up to 1"):
        encode(torch.tensor([[0, 1]]), "palette", ((0, 0, 0),))
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "nowhere" / "x.png", torch.zeros(2, 2))


def test_areas_are_counted_the_largest_first() -> None:
    found = class_areas(torch.tensor([[0, 2, 2, 2], [255, 0, 9, -1]]), ("a", "b", "c"))
    assert found == {"c": {"pixels": 3, "share": 0.375}, "a": {"pixels": 2, "share": 0.25}}
    assert list(found) == ["c", "a"]
