"""Tables: which columns are meant, which part is which, and the stored bytes untouched by anyone's decoder."""

from __future__ import annotations

import io
import pickle
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from vitrail.data import tables, transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError

datasets = pytest.importorskip("datasets")
parquet = pytest.importorskip("pyarrow.parquet")
pyarrow = pytest.importorskip("pyarrow")

ENCODED = datasets.Image(decode=False)
NAMES = datasets.ClassLabel(names=["cat", "dog"])


@pytest.fixture(autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of the test's own, and no network; processes of this machine may talk to one another."""
    asked, connect = [], socket.socket.connect

    def watched(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX:
            asked.append(address)
            raise OSError("no network in this test")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(socket.socket, "connect", watched)
    yield
    assert not asked


def picture(shade: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, 90, 200)).save(content, "PNG")
    return content.getvalue()


def rows(count: int, first: int = 0, label: Any = NAMES) -> Any:
    """`count` pictures of shades from `first` on, of two classes in turn."""
    shades = range(first, first + count)
    data = {"image": [{"bytes": picture(shade), "path": None} for shade in shades], "label": [n % 2 for n in shades]}
    features = datasets.Features({"image": ENCODED, "label": label})
    return datasets.Dataset.from_dict(data, features=features)


def plain(file: Path, **columns: Any) -> Path:
    """A parquet file without a word of `datasets` in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns), file)
    return file


def hub(root: Path) -> Path:
    """Three parts in files named as the hub names them, the training part in two."""
    (root / "data").mkdir(parents=True)
    rows(3).to_parquet(root / "data" / "train-00000-of-00002.parquet")
    rows(3, 3).to_parquet(root / "data" / "train-00001-of-00002.parquet")
    rows(2, 100).to_parquet(root / "data" / "validation-00000-of-00001.parquet")
    rows(1, 200).to_parquet(root / "data" / "test-00000-of-00001.parquet")
    return root


def saved(root: Path) -> Path:
    datasets.DatasetDict(train=rows(6), test=rows(2, 100)).save_to_disk(root)
    return root


@pytest.mark.parametrize("make", [hub, saved])
def test_parts_names_and_bytes(tmp_path: Path, make: Any) -> None:
    root = make(tmp_path / "data set")
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    training, held_out = tables.open_split(root)
    assert training.classes == held_out.classes == ("cat", "dog")
    assert (training.targets, held_out.targets) == ([0, 1, 0, 1, 0, 1], [0, 1])
    assert [training.content(index) for index in range(6)] == [picture(shade) for shade in range(6)]
    assert held_out[1].image.getpixel((0, 0)) == (101, 90, 200)
    assert training.name(4) == f"{root}/train/4"
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before
    assert tables.open_held_out(root, ("dog", "cow", "cat")).targets == [2, 0]


def test_parts_by_folder(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 2)):
        (tmp_path / part).mkdir()
        rows(count).to_parquet(tmp_path / part / "0000.parquet")
    assert [len(part) for part in tables.open_split(tmp_path)] == [4, 2]


def test_one_part_is_parted_by_a_hash(tmp_path: Path) -> None:
    rows(20).save_to_disk(tmp_path / "saved")
    rows(20).to_parquet(tmp_path / "things.parquet")
    for root in (tmp_path / "saved", tmp_path / "things.parquet"):
        training, held_out = tables.open_split(root, held_out=0.3)
        assert [list(held_out.targets).count(target) for target in (0, 1)] == [3, 3]
        assert not set(training.keys) & set(held_out.keys)
        assert len(tables.open_held_out(root, ("cat", "dog"))) == 20


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    """The cache of `datasets` must not answer for a file that is another by now."""
    file = tmp_path / "train.parquet"
    for first in (0, 50):
        rows(4, first).to_parquet(file)
        training, _ = tables.open_split(file)
        assert training.content(0) in [picture(first + shade) for shade in range(4)]


@pytest.mark.parametrize("kind", ["struct", "binary"])
def test_plain_parquet(tmp_path: Path, kind: str) -> None:
    encoded = [picture(shade) for shade in range(4)]
    stored = encoded if kind == "binary" else [{"bytes": content, "path": "x.png"} for content in encoded]
    file = plain(tmp_path / "train-0.parquet", img=stored, fine=[7, 8, 9, 7], label=[0, 1, 0, 1])
    plain(tmp_path / "val-0.parquet", img=stored[:1], fine=[7], label=[0])
    training, held_out = tables.open_split(tmp_path)
    assert (training.classes, training.targets, held_out.targets) == (("0", "1"), [0, 1, 0, 1], [0])
    assert [training.content(index) for index in range(4)] == encoded
    assert file.is_file()


def test_a_row_may_name_a_file_inside_the_folder_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "pictures").mkdir(parents=True)
    for place in (root / "pictures" / "a.png", tmp_path / "b.png"):
        place.write_bytes(picture(5))
    paths = ["pictures/a.png", str(root / "pictures" / "a.png"), "../b.png", "pictures/none.png", None]
    stored = [{"bytes": None, "path": path} for path in paths]
    plain(root / "train.parquet", image=stored, label=[0] * 5)
    pictures = tables.open_held_out(root, ("0",))
    assert pictures.content(0) == pictures.content(1) == picture(5)
    for index, message in (
        (2, r"train/2: names the file ../b.png, which is not inside"),
        (3, r"none.png: cannot be read \(No such file"),
        (4, r"train/4: the row holds no picture"),
    ):
        with pytest.raises(InputError, match=message):
            pictures[index]


def test_a_table_goes_through_pickle_and_workers(tmp_path: Path) -> None:
    training, _ = tables.open_split(hub(tmp_path))
    training.content(0)
    assert pickle.loads(pickle.dumps(training)).content(5) == picture(5)
    change = transforms.for_training((8, 8), Preprocessing(), Augment())
    alone, helped = (Loader(Batches(training, change, 0), 2, True, workers=workers) for workers in (0, 2))
    for a, b in zip(alone.epoch(0), helped.epoch(0), strict=True):
        assert a.names == b.names
        assert torch.equal(a.images, b.images)


def test_the_same_bytes_as_datasets_itself_gives(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "classification" / "caltech101_25" / "val" / "ibis").glob("*.jpg"))[:5]
    table = datasets.Dataset.from_dict({"jpg": list(map(str, files)), "class": [0] * 5})
    table.cast_column("jpg", datasets.Image()).save_to_disk(tmp_path / "saved")
    pictures = tables.open_held_out(tmp_path / "saved", ("0",))
    assert [pictures.content(index) for index in range(5)] == [file.read_bytes() for file in files]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0, 1]}, r"which column holds the pictures\? None of label can"),
        ({"image": [b"x", b"y"], "text": ["a", "b"]}, r"classes, as whole numbers\? None of image, text can"),
        ({"a": [b"x"], "b": [b"x"], "label": [0]}, r"pictures\? It could be a, b; call the right one 'image'"),
        ({"image": [b"x"], "fine": [0], "coarse": [0]}, r"It could be fine, coarse; call the right one 'label'"),
        ({"image": [b"x", b"y"], "label": [0, -1]}, r"train: row 1 has no class \(label is -1\)"),
        ({"image": [b"x", b"y"], "label": [0, None]}, r"train: row 1 has no class \(label is None\)"),
        ({"image": [b"x"], "label": [10**12]}, r"class 1000000000000, wanted 0 to 999999"),
        ({"image": [b"x", b"y"], "label": [0, 2]}, r"no training picture of class '1'"),
    ],
)
def test_tables_that_do_not_say_enough_are_one_line(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    plain(tmp_path / "train.parquet", **columns)
    with pytest.raises(InputError, match=message) as caught:
        tables.open_split(tmp_path)
    assert "\n" not in str(caught.value)


def test_names_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    rows(4, label=datasets.ClassLabel(names=["cat", "Cat "])).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(InputError, match="called alike, 'cat' and 'Cat '"):
        tables.open_split(tmp_path)
    rows(4, label=datasets.ClassLabel(names=["cat", "dog", "fish"])).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(InputError, match="no training picture of class 'fish'"):
        tables.open_split(tmp_path)
    rows(4).to_parquet(tmp_path / "train.parquet")
    rows(1, label=datasets.ClassLabel(names=["dogg", "cat"])).to_parquet(tmp_path / "val.parquet")
    with pytest.raises(InputError, match="'dogg' is none of the 2 classes. Nearest: dog"):
        tables.open_split(tmp_path)


def test_damaged_and_missing_tables_are_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(datasets.logging.get_logger("datasets"), "propagate", True)
    with pytest.raises(InputError, match="no such folder"):
        tables.open_split(tmp_path / "none")
    with pytest.raises(InputError, match=r"no table in it; wanted train-\*.parquet"):
        tables.open_split(tmp_path)
    root = hub(tmp_path / "hub")
    file = root / "data" / "train-00000-of-00002.parquet"
    whole = file.read_bytes()
    for wrong in (b"", whole[:200], b"x" * 500):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match=r"train-00000-of-00002.parquet: not a readable table \(") as caught:
            tables.open_split(root)
        assert "\n" not in str(caught.value)
    assert not caplog.records and datasets.logging.get_verbosity() != datasets.logging.CRITICAL
    monkeypatch.undo()
    root = saved(tmp_path / "saved")
    next((root / "train").glob("*.arrow")).write_bytes(b"x")
    with pytest.raises(InputError, match=r"saved: not a readable table \("):
        tables.open_split(root)


def test_two_sets_in_one_folder_are_one_line(tmp_path: Path) -> None:
    for name in ("fine", "coarse"):
        plain(tmp_path / name / "train-0.parquet", image=[b"x"], label=[0])
    with pytest.raises(InputError, match=r"train lies in .*coarse and .*fine; name one of the two"):
        tables.open_split(tmp_path)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(tmp_path / "train.parquet", image=[b"x"], label=[0])
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'vitrail\[datasets\]'"):
        tables.open_split(tmp_path)
