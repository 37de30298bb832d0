"""Every layout of label maps gives the same samples; what cannot be used is named before training."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import labelled
from vitrail.data import label_ade20k, label_cityscapes, label_coco_stuff, label_files, label_layouts
from vitrail.data.label_check import inspect, looks, report
from vitrail.data.label_map import Labels, areas
from vitrail.errors import InputError

LAYOUTS = {
    "ade20k": (labelled.ade20k, "ade20k", 150),
    "cityscapes ids": (lambda root: labelled.cityscapes(root, False), "cityscapes", 19),
    "cityscapes training ids": (lambda root: labelled.cityscapes(root, True), "cityscapes", 19),
    "coco_stuff raw": (lambda root: labelled.coco_stuff(root, False), "coco_stuff", 171),
    "coco_stuff training ids": (lambda root: labelled.coco_stuff(root, True), "coco_stuff", 171),
    "inside": (labelled.folders, "folders", 3),
    "outside": (lambda root: labelled.folders(root, "outside"), "folders", 3),
    "segnet": (lambda root: labelled.folders(root, "segnet"), "folders", 3),
}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_gives_the_same_samples(name: str, tmp_path: Path) -> None:
    build, layout, count = LAYOUTS[name]
    root = build(tmp_path / "set")
    assert label_layouts.find(root) == layout
    training, held_out = label_layouts.open_split(root, reduce=layout == "ade20k")
    assert (len(training), len(held_out), len(training.classes)) == (3, 2, count)
    assert training.classes == held_out.classes and not training.orphans
    classes = labelled.COCO_CLASSES if layout == "coco_stuff" else (0, 1, 2)
    for pictures, names in zip((training, held_out), labelled.PARTS.values(), strict=True):
        for index, key in enumerate(names):
            sample = pictures[index]
            wanted = labelled.truth(key, classes)
            assert sample.labels.map.numpy().tolist() == wanted.tolist() and sample.labels.classes == count
            assert sample.image.size == (labelled.WIDTH, labelled.HEIGHT) and sample.image.mode == "RGB"
            assert sample.labels.areas()[list(classes)].tolist() == [int((wanted == k).sum()) for k in classes]
    inspect(training, held_out)
    again = label_layouts.open_held_out(root, layout, training.classes, reduce=layout == "ade20k")
    assert len(again) == 2 and again[1].labels.map.equal(held_out[1].labels.map)


def test_unparted_pictures_are_parted_the_same_way_everywhere(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set", "flat")
    training, held_out = label_layouts.open_split(root, held_out=0.4, seed=3)
    assert (len(training), len(held_out)) == (3, 2)
    names = {Path(part.name(index)).stem for part in (training, held_out) for index in range(len(part))}
    assert names == set("abcde")
    (tmp_path / "set").rename(tmp_path / "moved")
    moved = label_layouts.open_split(tmp_path / "moved", held_out=0.4, seed=3)[1]
    assert [Path(moved.name(i)).name for i in range(2)] == [Path(held_out.name(i)).name for i in range(2)]
    assert moved[0].labels.map.numpy().tolist() == labelled.truth(Path(moved.name(0)).stem).tolist()
    other = label_layouts.open_split(tmp_path / "moved", held_out=0.4, seed=4)[1]
    assert [other.name(i) for i in range(2)] != [moved.name(i) for i in range(2)]


def test_zero_is_no_class_or_one_of_its_own(tmp_path: Path) -> None:
    """The shift of ADE20K, with and without, for its own pictures and for folders like it."""
    own = label_layouts.open_split(labelled.ade20k(tmp_path / "own"))[0]
    assert len(own.classes) == 151 and own.classes[:2] == ("other", "wall")
    wanted = labelled.truth("a").astype(int)
    shifted = np.where(wanted == 255, 0, wanted + 1)
    assert own[0].labels.map.numpy().tolist() == shifted.tolist()
    root = labelled.folders(tmp_path / "like", mapped={0: 1, 1: 2, 2: 3, 255: 0})
    with_it, without = (label_layouts.open_split(root, reduce=reduce)[0] for reduce in (True, False))
    assert with_it.classes == ("0", "1", "2") and with_it[0].labels.map.numpy().tolist() == wanted.tolist()
    assert without.classes == ("0", "1", "2", "3") and without[0].labels.map.numpy().tolist() == shifted.tolist()
    with pytest.raises(InputError, match="leave reduce out"):
        label_layouts.open_split(labelled.cityscapes(tmp_path / "city", True), reduce=True)


def test_names_come_from_the_data_where_it_has_them(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    (root / "classes.txt").write_text("sky\nroad\ncar\nbus\n")
    training, held_out = label_layouts.open_split(root)
    assert training.classes == held_out.classes == ("sky", "road", "car", "bus")
    swapped = label_layouts.open_held_out(root, "auto", ("bus", "car", "road", "sky", "tree"))
    places = {0: 3, 1: 2, 2: 1, 255: 255}
    wanted = [[places[k] for k in row] for row in labelled.truth("d").tolist()]
    assert swapped[0].labels.map.numpy().tolist() == wanted
    with pytest.raises(InputError, match="'sky' is none of the 2 classes"):
        label_layouts.open_held_out(root, "auto", ("road", "car"))


def test_ade20k_names_its_classes_in_its_own_file(tmp_path: Path) -> None:
    root = labelled.ade20k(tmp_path / "set")
    rows = [f"{k + 1}\t0.1\t10\t2\t0\t{name}, thing{k}" for k, name in enumerate(label_ade20k.NAMES)]
    rows[1] = "2\t0.1\t10\t2\t0\twall, second"
    (root / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *rows]) + "\n")
    found = label_layouts.open_split(root, reduce=True)[0].classes
    assert found[:3] == ("wall, thing0", "wall, second", "sky") and len(found) == 150
    (root / "objectInfo150.txt").write_text("Idx\tName\n1\twall\n")
    with pytest.raises(InputError, match="1 classes; wanted 150"):
        label_layouts.open_split(root)


def test_what_is_known_of_the_data_sets() -> None:
    assert len(set(label_ade20k.NAMES)) == 150 and label_ade20k.NAMES[149] == "flag"
    assert label_ade20k.NAMES.index("door") == 14 and label_ade20k.NAMES.index("person") == 12
    assert len(set(label_coco_stuff.NAMES)) == 171 and label_coco_stuff.NAMES[80] == "banner"
    known = label_coco_stuff.scheme(Path("x"), {}, False).table
    assert [int(known[value]) for value in (0, 10, 12, 24, 26, 69, 83, 89, 91, 181, 255)] == [
        0, 10, 11, 23, 24, 61, 73, 79, 80, 170, 255,
    ]  # fmt: skip
    # COCO's ids of no class, which count from 1: street sign, hat, shoe, eye glasses, plate, mirror, window, desk,
    # door, blender, hair brush
    without = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    assert {value + 1 for value in range(182) if known[value] == -1} == without and (known[182:255] == -1).all()
    assert len(label_cityscapes.CLASSES) == 19 and label_cityscapes.CLASSES[18][:2] == (33, "bicycle")


def test_camvid(shared_data: Path) -> None:
    root = shared_data / "semseg" / "camvid"
    training, held_out = label_layouts.open_split(root)
    assert (len(training), len(held_out)) == (367, 101)
    assert training.classes[0] == "sky" and training.classes[10] == "bicyclist" and len(training.palette) == 11
    sample = held_out[0]
    own = np.asarray(Image.open(root / "annotations" / "validation" / f"{Path(sample.name).stem}.png"))
    assert sample.labels.map.numpy().tolist() == own.tolist() and sample.labels.size == (360, 480)
    inspect(held_out)


def test_segnets_eleventh_value_of_camvid_is_no_class(tmp_path: Path) -> None:
    for part in ("train", "val"):
        labelled.picture(tmp_path / part / "0016E5_07959.png", ord(part[0]))
        labelled.written(labelled.truth("a"), tmp_path / f"{part}annot" / "0016E5_07959.png", {2: 10, 255: 11})
    found = label_layouts.open_split(tmp_path)[0]
    wanted = np.where(labelled.truth("a") == 2, 10, labelled.truth("a"))
    assert found.classes[10] == "bicyclist" and found[0].labels.map.numpy().tolist() == wanted.tolist()


@pytest.mark.parametrize("orientation", [6, 5, 7, 8, 3])
def test_labels_turn_with_their_picture(orientation: int, tmp_path: Path) -> None:
    """Of stored pixels or of shown ones, the size decides; of a half turn they are as shown."""
    root = labelled.folders(tmp_path / "set")
    file = root / "images" / "train" / "a.png"
    stored = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8))
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(file, exif=exif)
    training, _ = label_layouts.open_split(root)
    sample = training[0]
    # the label map's own pixels as a picture, turned as Pillow turns it
    grey = Image.fromarray(labelled.truth("a"))
    method = {
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)  # fmt: skip
    wanted = np.asarray(grey if method is None else grey.transpose(method))
    assert sample.labels.map.numpy().tolist() == wanted.tolist()
    assert sample.labels.size == (sample.image.height, sample.image.width)
    labelled.written(wanted, root / "annotations" / "train" / "a.png")  # drawn on the picture as it is shown
    assert training[0].labels.map.numpy().tolist() == wanted.tolist()
    inspect(training)


def spoilt(root: Path) -> dict[str, str]:
    """The five mistakes, one a picture: the name of the file, and what is to be said of it."""
    labels = root / "annotations" / "train"
    values = labelled.truth("a")
    values[0, 0] = 9
    labelled.written(values, labels / "a.png")
    Image.new("L", (8, 8)).save(labels / "b.png")
    Image.new("RGB", (16, 12)).save(labels / "c.png")
    return {"a.png": "value 9; wanted 0 to 2", "b.png": "8 x 8 pixels, where the picture has 16 x 12", "c.png": "RGB"}


def test_bad_labels_are_named_before_training(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    (root / "classes.txt").write_text("x\ny\nz\n")
    inspect(*label_layouts.open_split(root))
    said = spoilt(root)
    (root / "annotations" / "val" / "d.png").unlink()
    (root / "annotations" / "val" / "e.png").write_bytes(b"no picture")
    training, held_out = label_layouts.open_split(root)
    with pytest.raises(InputError) as caught:
        inspect(training, held_out)
    line = str(caught.value)
    assert "\n" not in line and all(name in line and what in line for name, what in said.items())
    assert "d.png: has no label map" in line and "e.png: not a readable label map" in line
    for index, (name, what) in enumerate(said.items()):
        with pytest.raises(InputError) as caught:
            training[index]
        assert name in str(caught.value) and what in str(caught.value)
    parts_found = label_layouts.read_parts(root)
    found = report(parts_found, looks(parts_found), 8)
    cases = {finding.what: finding.cases[0].line for finding in found.findings if finding.level == "error"}
    assert not found.sound and len(cases) == 5
    assert "RGB" in cases["label maps in colour"] and "has no label map" in cases["pictures without a label map"]
    assert "value 9" in cases["label maps with values that are no class"]


def test_a_report_counts_pixels_and_pictures(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    (root / "classes.txt").write_text("x\ny\nz\nnowhere\n")
    labelled.written(labelled.truth("a"), root / "annotations" / "train" / "alone.png")
    labelled.written(np.full((12, 16), 255, np.uint8), root / "annotations" / "train" / "c.png")
    labelled.picture(root / "images" / "val" / "d.png", ord("a"))  # the same as one of training
    found = report(parts_found := label_layouts.read_parts(root), looks(parts_found), 8)
    maps = [labelled.truth(name) for name in "ab"]
    assert found.areas["train"] == (*(sum(int((one == k).sum()) for one in maps) for k in range(3)), 0)
    assert found.counts == {"train": (2, 2, 2, 0), "val": (2, 2, 2, 0)}
    assert found.ignored["train"] == 12 * 16 + sum(int((one == 255).sum()) for one in maps)
    said = {finding.what: finding for finding in found.findings}
    assert said["classes without a pixel, train"].cases[0].line == "nowhere"
    assert "alone.png" in said["label maps without a picture"].cases[0].line
    assert "c.png" in said["pictures of which no pixel has a class"].cases[0].line
    assert said["the same picture in both parts"].level == "error" and not found.sound


def test_classes_are_counted_in_every_label_map(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    labelled.written(labelled.truth("e"), root / "annotations" / "val" / "e.png", {2: 6})
    seen = []

    def track(items, count, title):
        seen.append(count)
        return items

    training, _ = label_layouts.open_split(root, track=track)
    assert training.classes == tuple("0123456") and seen == [5]
    held_out = label_layouts.open_held_out(root, "auto", ("a", "b", "c", "d", "e", "f", "g"))
    assert held_out.classes[6] == "g" and int((held_out[1].labels.map == 6).sum()) > 0


def test_data_that_is_none_says_so(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "mask", mapped={0: 0, 1: 255, 2: 255})
    with pytest.raises(InputError, match="1 classes; wanted 2 to 255. A mask of 0 and 255 has one"):
        label_layouts.open_split(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no label maps that vitrail knows"):
        label_layouts.open_split(tmp_path / "empty")
    with pytest.raises(InputError, match="layout='foldrs' is none of"):
        label_layouts.open_split(root, "foldrs")
    for file in (root / "images" / "train").iterdir():
        file.unlink()
    for file in (root / "images" / "val").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="no picture with a label map"):
        label_layouts.open_split(root)


def png(values: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2, 4 or 16 bits, written by hand: Pillow writes only some of them."""
    height, width = values.shape
    rows = [b"".join((b"\0", _packed(row, bits))) for row in values.tolist()]

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _packed(row: list[int], bits: int) -> bytes:
    digits = "".join(f"{value:0{bits}b}" for value in row)
    return int(digits.ljust(-(-len(digits) // 8) * 8, "0"), 2).to_bytes(-(-len(digits) // 8), "big")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_greys_of_any_depth_are_numbers(bits: int, tmp_path: Path) -> None:
    values = np.random.default_rng(bits).integers(0, min(2**bits, 256), (5, 7))
    (tmp_path / "x.png").write_bytes(png(values, bits))
    assert label_files.read(tmp_path / "x.png").tolist() == values.tolist()


@pytest.mark.parametrize("count", [2, 3, 12, 200])
def test_palettes_are_kept_and_their_places_are_the_numbers(count: int, tmp_path: Path) -> None:
    values = np.random.default_rng(count).integers(0, count, (6, 9)).astype(np.uint8)
    colours = [(k, 255 - k, 7 * k % 256) for k in range(count)]
    image = Image.frombytes("P", (9, 6), values.tobytes())
    image.putpalette([channel for colour in colours for channel in colour])
    image.save(tmp_path / "x.png", bits=1 if count == 2 else 2 if count == 3 else 4 if count == 12 else 8)
    assert label_files.read(tmp_path / "x.png").tolist() == values.tolist()
    assert label_files.palette(tmp_path / "x.png")[:count] == tuple(colours)
    Image.fromarray(values).save(tmp_path / "grey.png")
    assert label_files.palette(tmp_path / "grey.png") is None


def test_files_that_are_no_label_maps(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (40, 40), dtype=np.uint8)).save(stream, "PNG")
    files = {
        "cut.png": (stream.getvalue()[:200], "unreadable"),
        "wide.png": (png(np.full((3, 3), 300), 16), "value"),
        "empty.png": (b"", "unreadable"),
    }
    for kind, mode in (("rgb.png", "RGB"), ("rgba.png", "RGBA"), ("la.png", "LA"), ("grey.jpg", "L")):
        Image.new(mode, (4, 4)).save(tmp_path / kind)
        files[kind] = ((tmp_path / kind).read_bytes(), "unreadable" if kind == "grey.jpg" else "colour")
    for name, (content, kind) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(label_files.LabelError) as caught:
            label_files.read(tmp_path / name)
        assert caught.value.kind == kind and name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(label_files.LabelError, match="no such file"):
        label_files.read(tmp_path / "nowhere.png")


def test_labels_are_what_they_say() -> None:
    assert Labels(torch.tensor([[0, 2, 255]], dtype=torch.uint8), 3).areas().tolist() == [1, 0, 1]
    assert areas(torch.tensor([[-1, 0, 7, 1]]), 2).tolist() == [1, 1]
    for wrong, what in (
        (torch.zeros(1, 2, 2, dtype=torch.uint8), "wants \\(H, W\\)"),
        (torch.zeros(2, 2, dtype=torch.int64), "in torch.uint8"),
        (torch.full((2, 2), 3, dtype=torch.uint8), "wants 0 to 2, or 255"),
    ):
        with pytest.raises(ValueError, match=what):
            Labels(wrong, 3)
