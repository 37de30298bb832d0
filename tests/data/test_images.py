"""Every kind of picture file becomes upright 8-bit RGB, or one line that names it."""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.data import images
from vitrail.errors import InputError


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def awkward(shared_data: Path) -> list[tuple[Path, str, str]]:
    """(file, outcome, detail) of the table beside the awkward files."""
    folder = shared_data / "robustness"
    with open(folder / "expected_pillow13.csv", encoding="utf-8", newline="") as file:
        rows = [(folder / row["file"], row["outcome"], row["detail"]) for row in csv.DictReader(file)]
    assert len(rows) == 51
    assert {path.name for path, _, _ in rows} == {path.name for path in folder.iterdir()} - {"expected_pillow13.csv"}
    return rows


def test_awkward_files_have_the_outcome_their_table_names(shared_data: Path) -> None:
    """`DETAIL | ERROR: message` or `ERROR: message`, the message cut off; the one of an unknown file names no path."""
    outcomes = []
    for path, outcome, detail in awkward(shared_data):
        outcomes.append(outcome)
        if outcome == "ok":
            assert images.read(path).mode == "RGB", path
            continue
        with pytest.raises(InputError, match=re.escape(f"{path}: not a readable picture (")) as caught:
            images.read(path)
        said = str(caught.value)
        kind, message = detail.split(" | ")[-1].split(": ", 1)
        assert "\n" not in said
        assert type(caught.value.__cause__).__name__ == kind, path
        assert message in said or kind == "UnidentifiedImageError", said
    assert [outcomes.count(outcome) for outcome in ("ok", "open-error", "load-error")] == [43, 7, 1]


TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}


def test_awkward_files_come_upright_in_their_size_with_their_first_frame(shared_data: Path) -> None:
    """`FORMAT MODE WxH frames=N [tRNS] [exif_orientation=N]`, as Pillow opens them: ours follows from that alone."""
    turned = 0
    for path, outcome, detail in awkward(shared_data):
        if outcome != "ok":
            continue
        found = re.fullmatch(r"(\w+) (\S+) (\d+)x(\d+) frames=(\d+)( tRNS)?(?: exif_orientation=(\d))?", detail)
        assert found, detail
        kind, mode, width, height, frames, clear, orientation = found.groups()
        turn = TURNS.get(int(orientation or 1))
        turned += turn is not None
        with Image.open(path) as opened:
            assert (opened.format, opened.mode, opened.size) == (kind, mode, (int(width), int(height)))
            assert getattr(opened, "n_frames", 1) == int(frames), path
            opened.seek(0)
            first = opened.transpose(turn) if turn is not None else opened.copy()
        image = images.read(path)
        aside = turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)
        assert image.size == ((int(height), int(width)) if aside else (int(width), int(height))), path
        if clear or mode == "RGBA":
            first = first.convert("RGBA")
            first = Image.composite(first, Image.new("RGBA", first.size, "white"), first.getchannel("A"))
            worst = np.abs(np.asarray(first.convert("RGB"), int) - np.asarray(image, int)).max()
            assert worst <= 1, path  # two ways of rounding a half-transparent pixel
        elif not mode.startswith(("I", "LAB")):  # those have tests of their own
            assert np.array_equal(np.asarray(first.convert("RGB")), np.asarray(image)), path
    assert turned == 8


def test_orientation_is_applied() -> None:
    image = Image.new("RGB", (6, 4), "black")
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the picture a quarter turn clockwise
    upright = images.decode(encode(image, "PNG", exif=exif), "turned")
    assert upright.size == (4, 6)
    assert upright.getpixel((3, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_lie_over_white(mode: str) -> None:
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode)
    assert images.decode(encode(clear, "PNG"), "clear").getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_with_a_transparent_entry_lies_over_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    decoded = images.decode(encode(image, "PNG", transparency=0), "palette")
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (255, 0, 0)]


def test_sixteen_bits_become_eight() -> None:
    grey = Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16))
    assert np.asarray(images.decode(encode(grey, "PNG"), "grey"))[0, :, 0].tolist() == [0, 100, 255]


def test_lab_becomes_rgb(shared_data: Path) -> None:
    """The file is plain white; its neutral axis must stay without colour."""
    pixels = np.asarray(images.read(shared_data / "robustness" / "lab.tif"), int)
    assert np.ptp(pixels, axis=-1).max() <= 2


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixel = images.decode(encode(red, "TIFF"), "print").getpixel((4, 4))
    assert pixel == (255, 0, 0)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    film = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.decode(film, "film").getpixel((0, 0)) == (255, 0, 0)


def test_other_formats_are_refused() -> None:
    with pytest.raises(InputError, match="icon: not a readable picture"):
        images.decode(encode(Image.new("RGB", (16, 16)), "ICO"), "icon")


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="big: 20 x 10 pixels"):
        images.decode(encode(Image.new("RGB", (20, 10)), "PNG"), "big", most_pixels=199)
    assert images.decode(encode(Image.new("RGB", (20, 10)), "PNG"), "big", most_pixels=200).size == (20, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe.png: cannot be read \(it is no regular file\)"):
        images.read(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        images.read(tmp_path)


def test_a_name_that_is_not_utf8_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a\udcff.png"
    content = encode(Image.new("RGB", (3, 2)), "PNG")
    try:
        path.write_bytes(content)
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    assert images.read(path).size == (3, 2)
    path.write_bytes(content[:40])
    with pytest.raises(InputError, match=r"a\\udcff.png: not a readable picture"):
        images.read(path)


def test_a_truncated_file_is_refused() -> None:
    whole = encode(Image.effect_noise((64, 64), 50), "JPEG")
    with pytest.raises(InputError, match=r"cut\.jpg"):
        images.decode(whole[: len(whole) // 2], "cut.jpg")


def test_a_missing_file_or_a_folder_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            images.read(path)
