"""Frames in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.data import video_frames
from vitrail.data.video_folder import FrameFolder, Template, template_of
from vitrail.errors import InputError


def fill(folder: Path, name: str, first: int = 1, count: int = 5, size: tuple[int, int] = (6, 4)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.new("RGB", size, (number * 10, 0, 0)).save(folder / name.format(number))
    return folder


@pytest.mark.parametrize(
    ("name", "first"),
    [("a {}.png", 0), ("frame{:06}.png", 0), ("image_{:05}.png", 1), ("img_{:05}.png", 1), ("{:04}.png", 1)],
)
def test_frames_are_found_by_how_they_are_called(name: str, first: int, tmp_path: Path) -> None:
    folder = fill(tmp_path / "a{0}", name, first)
    for flow in ("flow_x_{:05}.png", "flow_y_{:05}.png"):
        fill(folder, flow)
    one = FrameFolder(folder, 5, template_of(folder))
    assert one.file(0).name == name.format(first)
    found = one.frames([4, 0, 4])
    assert found.shape == (3, 4, 6, 3)
    assert found[:, 0, 0, 0].tolist() == [10 * (first + t) for t in (4, 0, 4)]
    assert one.count() == one.about().count == 5
    assert one.about().middle[0, 0, 0] == 10 * (first + 2)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", "img_{:05}.png")
    template = template_of(folder)
    with pytest.raises(InputError, match=r"img_00006\.png: cannot be read"):
        FrameFolder(folder, 6, template).about()
    with pytest.raises(InputError, match=r"img_00006\.png: cannot be read"):
        FrameFolder(folder, 6, template).digest()
    with pytest.raises(InputError, match="wanted some of its frames 0 to 4"):
        FrameFolder(folder, 5, template).frames([5])
    with pytest.raises(InputError, match="no frames; wanted pictures such as img_00001.jpg"):
        template_of(fill(tmp_path / "b", "img_{:05}.png", first=7))
    with pytest.raises(InputError, match="b2: cannot be read"):
        template_of(tmp_path / "b2")
    fill(folder, "other_{:05}.png")
    with pytest.raises(InputError, match=r"frames of several kinds \(img_00001.png, other_00001.png\)"):
        template_of(folder)


def test_frames_have_one_size_and_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "a", "img_{:05}.png", count=2, size=(60, 40))
    fill(folder, "img_{:05}.png", first=3, count=1, size=(30, 20))
    one = FrameFolder(folder, 3, Template("img_", 5, ".png"))
    assert one.frames([0, 2], cover=(8, 8)).shape == (2, 8, 12, 3)
    assert one.frames([0, 2]).shape == (2, 40, 60, 3)
    monkeypatch.setattr(video_frames, "MOST_BYTES", 60 * 40 * 3 * 2)
    with pytest.raises(InputError, match="3 frames of 60 x 40 are more than the limit"):
        one.frames([0, 0, 1])


def test_equal_bytes_have_an_equal_sum(tmp_path: Path) -> None:
    a, b = (FrameFolder(fill(tmp_path / name, "img_{:05}.png"), 5, Template("img_", 5, ".png")) for name in "ab")
    assert a.digest() == b.digest()
    assert FrameFolder(a.path, 4, a.template).digest() != a.digest()
    (b.path / "img_00001.png").write_bytes((b.path / "img_00002.png").read_bytes())
    assert a.digest() != b.digest()
    assert np.array_equal(b.frames([0]), b.frames([1]))
