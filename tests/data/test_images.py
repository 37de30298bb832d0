"""Every kind of picture file becomes upright 8-bit RGB, or one line that names it."""

from __future__ import annotations

import csv
import io
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


def test_awkward_files_have_the_outcome_their_table_names(shared_data: Path) -> None:
    folder = shared_data / "robustness"
    with open(folder / "expected_pillow13.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 40
    for row in rows:
        if row["outcome"] == "ok":
            assert images.read(folder / row["file"]).mode == "RGB", row
        else:
            with pytest.raises(InputError, match=re.escape(row["file"])) as caught:
                images.read(folder / row["file"])
            assert "\n" not in str(caught.value)


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


def test_a_truncated_file_is_refused() -> None:
    whole = encode(Image.effect_noise((64, 64), 50), "JPEG")
    with pytest.raises(InputError, match=r"cut\.jpg"):
        images.decode(whole[: len(whole) // 2], "cut.jpg")


def test_a_missing_file_or_a_folder_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            images.read(path)
