"""A data set looked at: each thing that may be wrong with it is found, named and weighed; nothing else is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.data import check, images
from vitrail.data.check import HELD_OUT, TRAINING, Finding, Report
from vitrail.data.collection import Collection
from vitrail.errors import InputError

CLASSES = ("cat", "dog")


def photo(seed: int, width: int = 60, height: int = 48) -> Image.Image:
    """Soft blobs of colour, others for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


class Stored(Collection):
    """Pictures in memory: (name, class, bytes), and how often each was decoded."""

    def __init__(self, rows: Sequence[tuple[str, int, bytes]], classes: tuple[str, ...] = CLASSES) -> None:
        super().__init__("set", [name for name, _, _ in rows], [target for _, target, _ in rows], classes)
        self.rows = rows

    def content(self, index: int) -> bytes:
        return self.rows[index][2]


def many(first: int, count: int = 12) -> list[tuple[str, int, bytes]]:
    """`count` sound pictures of each class."""
    return [(f"{seed}.png", seed % 2, encode(photo(seed))) for seed in range(first, first + 2 * count)]


def of(
    training: Sequence[tuple[str, int, bytes]] = (), held_out: Sequence[tuple[str, int, bytes]] = (), **options: int
) -> Report:
    """The report on sound pictures and these."""
    parts = Stored([*many(0), *training]), Stored([*many(100), *held_out])
    return check.report(check.looks(*parts), CLASSES, **options)


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


def names(finding: Finding) -> list[tuple[str, ...]]:
    return [tuple(name.removeprefix("set/") for name in case.names) for case in finding.cases]


def test_a_sound_set_has_no_findings_and_is_described() -> None:
    report = of()
    assert report.findings == () and report.sound
    assert report.counts == {TRAINING: (12, 12), HELD_OUT: (12, 12)}
    assert report.modes == {"RGB": 48}
    assert set(report.sizes[TRAINING]) == {(60, 48)}


def test_pictures_that_cannot_be_read_are_errors_and_their_likes_are_not_compared() -> None:
    damaged = encode(photo(5))[:200]
    report = of([("empty.png", 0, b""), ("cut.png", 1, damaged)], [("also.png", 0, b""), ("again.png", 1, damaged)])
    finding = only(report)
    assert (finding.level, report.sound) == ("error", False)
    assert names(finding) == [("empty.png",), ("cut.png",), ("also.png",), ("again.png",)]
    assert finding.cases[0].line == "set/empty.png: an empty file."
    assert finding.cases[1].line.startswith("set/cut.png: not a readable picture (")


def test_a_file_that_cannot_be_opened_is_named_too() -> None:
    class Gone(Stored):
        def content(self, index: int) -> bytes:
            return images.read_bytes("nowhere.png")

    assert check.look(Gone([("gone", 1, b"")]), 0, TRAINING).error == (
        "nowhere.png: cannot be read (No such file or directory)."
    )


def test_the_same_picture_in_both_parts_is_an_error_and_not_also_a_likeness() -> None:
    report = of(held_out=[("copy.png", 1, encode(photo(3)))])
    finding = only(report)
    assert finding.what == "the same picture in both parts" and not report.sound
    assert names(finding) == [("3.png", "copy.png")]


def test_the_same_picture_twice_in_a_part_is_a_warning() -> None:
    report = of([("copy.png", 1, encode(photo(3)))])
    finding = only(report)
    assert (finding.level, report.sound) == ("warning", True)
    assert names(finding) == [("3.png", "copy.png")]


def test_the_same_picture_in_two_classes_is_an_error() -> None:
    report = of([("other.png", 0, encode(photo(3)))])
    finding = only(report)
    assert (finding.level, finding.what) == ("error", "the same picture in two classes")
    assert finding.cases[0].line == "set/3.png (dog) = set/other.png (cat)"


def test_a_smaller_and_lossy_copy_in_the_other_part_is_perhaps_the_same() -> None:
    small = photo(4).resize((40, 32), Image.Resampling.LANCZOS)
    report = of(held_out=[("small.jpg", 0, encode(small, "JPEG", quality=90))])
    finding = only(report)
    assert finding.level == "warning" and finding.what.startswith("perhaps nearly the same")
    assert names(finding) == [("small.jpg", "4.png")]


def test_plain_surfaces_are_not_alike() -> None:
    plain = [encode(Image.new("RGB", (40, 40), colour)) for colour in ("red", "blue")]
    assert of([("red", 0, plain[0])], [("blue", 1, plain[1])]).findings == ()
    assert check.likeness(Image.new("RGB", (40, 40), "red")) is None


def test_likeness_outlives_size_and_compression_and_tells_pictures_apart() -> None:
    values = [check.likeness(photo(seed, 90, 70)) for seed in range(50)]
    assert len(set(values)) == 50
    gradient = Image.fromarray(np.tile(np.arange(0, 250, 2, dtype=np.uint8), (80, 1)))
    mixed = Image.fromarray(np.concatenate([np.asarray(gradient), np.asarray(gradient)[:, ::-1]]))
    assert check.likeness(mixed.convert("RGB")) == (1 << 64) - (1 << 32)
    assert check.likeness(mixed.convert("RGB").resize((300, 200))) == (1 << 64) - (1 << 32)


def test_small_and_long_pictures_are_warnings() -> None:
    odd = [("tiny.png", 0, encode(photo(50, 40, 20))), ("long.png", 1, encode(photo(51, 200, 40)))]
    small, long = of(odd).findings
    assert small.cases[0].line == "set/tiny.png: 40 x 20" and len(small.cases) == 1
    assert long.cases[0].line == "set/long.png: 200 x 40" and len(long.cases) == 1
    assert only(of(odd, smallest=20)).cases == long.cases


def test_few_and_uneven_classes_are_warnings() -> None:
    rows = [(f"{seed}", 0, encode(photo(seed))) for seed in range(200, 240)] + [("lone", 1, encode(photo(300)))]
    report = check.report(check.looks(Stored(rows), Stored(many(100))), CLASSES)
    few, uneven = report.findings
    assert [case.line for case in few.cases] == ["dog: 1"]
    assert uneven.cases[0].line == "cat: 40, dog: 1, 40 times fewer"
    assert report.sound


def test_a_class_without_a_picture_is_a_warning_in_either_part() -> None:
    cats = [row for row in many(0) if row[1] == 0]
    report = check.report(check.looks(Stored(cats), Stored([])), CLASSES)
    assert [(finding.what, names(finding)) for finding in report.findings] == [
        ("parts without a picture", [()]),
        ("classes without a picture, training", [("dog",)]),
    ]
    assert [case.line for case in report.findings[0].cases] == ["held out"] and not report.sound
    dogs = [row for row in many(100) if row[1] == 1]
    finding = only(check.report(check.looks(Stored(many(0)), Stored(dogs)), CLASSES))
    assert (finding.what, names(finding)) == ("classes without a picture, held out", [("cat",)])


def test_one_class_is_an_error() -> None:
    rows = [(name, 0, content) for name, _, content in many(0)]
    parts = Stored(rows, ("cat",)), Stored([("other.png", 0, encode(photo(100)))], ("cat",))
    finding = only(check.report(check.looks(*parts), ("cat",)))
    assert (finding.level, finding.what, names(finding)) == ("error", "only one class", [("cat",)])


def test_how_pictures_are_stored_is_a_note() -> None:
    rows = [
        ("grey.png", 0, encode(photo(60).convert("L"))),
        ("print.jpg", 0, encode(photo(61).convert("CMYK"), "JPEG")),
        ("clear.png", 0, encode(photo(62).convert("RGBA"))),
        ("index.png", 1, encode(photo(63).convert("P"), transparency=0)),
    ]
    report = of(rows)
    finding = only(report)
    assert finding.level == "note" and report.sound
    assert report.modes == {"RGB": 48, "L": 1, "CMYK": 1, "RGBA": 1, "P with a transparent colour": 1}
    assert names(finding) == [("grey.png",), ("print.jpg",), ("clear.png",), ("index.png",)]


def test_each_picture_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = images.decode
    monkeypatch.setattr(images, "decode", lambda content, name: decoded.append(name) or decode(content, name))
    list(check.looks(Stored(many(0, 2)), Stored(many(100, 1))))
    assert decoded == [f"set/{seed}.png" for seed in (0, 1, 2, 3, 100, 101)]


def test_pictures_without_an_encoding_are_looked_at_too() -> None:
    class Pixels(Stored):
        def picture(self, index: int) -> Image.Image:
            return Image.frombytes("L", (4, 3), self.content(index)).convert("RGB")

        def __getitem__(self, index: int):
            from vitrail.data.sample import Sample

            return Sample(self.picture(index), self.targets[index], self.name(index))

    one = check.look(Pixels([("raw", 1, bytes(range(12)))]), 0, HELD_OUT)
    assert (one.size, one.mode, one.error, one.part) == ((4, 3), None, None, HELD_OUT)


def test_sizes_in_short() -> None:
    assert check.summary([]) == {}
    assert check.summary([(3, 4), (5, 9), (4, 1)]) == {
        "width": {"min": 3, "median": 4, "max": 5},
        "height": {"min": 1, "median": 4, "max": 9},
    }


def test_real_folders_are_looked_at_whole(shared_data: Path) -> None:
    from vitrail.data import folders

    whole = folders.read_classes(shared_data / "classification" / "caltech101_25" / "val")
    some = [index for index in range(len(whole)) if index % 12 == 0]
    seen = [check.look(whole, index, HELD_OUT) for index in some]
    assert all(one.error is None for one in seen)
    assert {one.mode for one in seen} == {"L", "RGB"}


def test_an_error_of_the_whole_is_not_swallowed() -> None:
    class Broken(Stored):
        def name(self, index: int) -> str:
            raise InputError("the set is gone.")

    with pytest.raises(InputError, match="the set is gone"):
        list(check.looks(Broken(many(0, 1)), Stored([])))
