"""Every format gives what the model gives at ten sizes, is there whole or not at all, and says what it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from small import small
from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError
from vitrail.export import calibrate, formats, write
from vitrail.export.adapter import BATCHES, SIZES, Adapter, adapt, largest_difference

CASES = [
    ("onnx", "iwin_nano"),
    ("onnx", "scalablevit_nano"),
    ("onnx", "swin_nano"),
    ("openvino", "swin_nano"),
    ("torch", "swin_nano"),
]


@pytest.mark.parametrize(("to", "name"), CASES)
def test_one_file_for_every_size(to, name, tmp_path):
    for package in formats.FORMATS[to].needs:
        pytest.importorskip(package)
    model = small(name)
    path = tmp_path / f"model{formats.FORMATS[to].suffix}"
    found = write.export(adapt(model, classes=["a", "b", "c"]), to, path)
    document = json.loads(found.json.read_text())
    assert found.json == tmp_path / f"{path.name}.json" and document == found.document
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*document["files"], found.json.name])
    assert document["classes"] == ["a", "b", "c"] and document["outputs"] == ["logits"]
    assert [(row["height"], row["width"], row["batch"]) for row in document["parity"]] == [
        (*size, batch) for size in SIZES for batch in BATCHES
    ]
    assert document["largest_difference"] == max(row["difference"] for row in document["parity"]) <= 1e-4
    run = write.opened(path, to)
    for shape in ((2, 3, 65, 130), (5, 3, 28, 28)):  # neither compared nor traced
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            torch.testing.assert_close(run(x)[0], model(x), rtol=0, atol=1e-4)


def test_maps_are_several_outputs(tmp_path):
    pytest.importorskip("onnxruntime")
    adapter = adapt(small("dense_swin_nano"))
    found = write.export(adapter, "onnx", tmp_path / "maps.onnx")
    assert found.document["outputs"] == ["features_0", "features_1"]
    maps = write.opened(tmp_path / "maps.onnx", "onnx")(torch.zeros(1, 3, 50, 70))
    assert [tuple(each.shape) for each in maps] == [(1, 8, 13, 18), (1, 16, 7, 9)]


def pictures(folder, count=6):
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return calibrate.pictures(folder, (56, 56), Preprocessing(), 4)


def test_bfloat16_and_int8(tmp_path):
    pytest.importorskip("nncf")
    model, chosen = small("iwin_nano"), tmp_path / "pictures"
    chosen.mkdir()
    adapter = Adapter(model, sizes=((56, 56), (37, 41)))
    whole = write.export(adapter, "openvino", tmp_path / "f32.xml").document
    short = write.export(adapter, "openvino", tmp_path / "bf16.xml", precision="bf16").document
    eight = write.export(
        adapter, "openvino", tmp_path / "int8.xml", precision="int8", calibration=pictures(chosen), tolerance=0.5
    ).document
    size = {name: doc["files"][f"{name}.bin"]["bytes"] for name, doc in (("f32", whole), ("bf16", short))}
    assert size["bf16"] < 0.7 * size["f32"]
    kinds = {op.get_type_name() for op in _operations(tmp_path / "int8.xml")}
    assert "FakeQuantize" in kinds and "FakeQuantize" not in {
        o.get_type_name() for o in _operations(tmp_path / "f32.xml")
    }
    assert whole["settings"] == {"INFERENCE_PRECISION_HINT": "f32"} and whole["tolerance"]["of"] == "difference"
    assert short["settings"] == {"INFERENCE_PRECISION_HINT": "bf16"} and short["tolerance"]["of"] == "relative"
    assert whole["largest_difference"] <= 1e-4 < eight["largest_difference"]


def _operations(path):
    import openvino

    return openvino.Core().read_model(path).get_ops()


def test_nothing_is_left_of_a_file_that_differs(tmp_path):
    adapter = Adapter(small("swin_nano"), sizes=((37, 41),), batches=(2,), compare=lambda a, b: 0.5)
    with pytest.raises(InputError, match=r"torch f32 differs by 0\.5 at 2 x 37 x 41, more than 0\.0001; nothing"):
        write.export(adapter, "torch", tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())
    (tmp_path / "model.pt2").write_text("before")
    with pytest.raises(InputError, match="more than 0.25"):
        write.export(adapter, "torch", tmp_path / "model.pt2", tolerance=0.25)
    assert (tmp_path / "model.pt2").read_text() == "before" and len(list(tmp_path.iterdir())) == 1
    write.export(adapter, "torch", tmp_path / "model.pt2", tolerance=0.5)
    assert (tmp_path / "model.pt2").stat().st_size > 1000


def test_a_difference_is_one_wherever_it_is():
    a = [torch.zeros(2, 3), torch.tensor([1.0, 2.0])]
    assert largest_difference(a, [torch.zeros(2, 3), torch.tensor([1.0, 2.5])]) == 0.5
    assert largest_difference(a, [torch.zeros(2, 3), torch.tensor([1.0, float("nan")])]) == float("inf")
    assert largest_difference(a, [torch.zeros(3, 2), torch.tensor([1.0, 2.0])]) == float("inf")
    assert largest_difference(a, a[:1]) == float("inf")


def test_bad_input_is_one_line(tmp_path, monkeypatch):
    model = small("swin_nano")
    cases = [
        ({"to": "tflite", "output": "m.onnx"}, "--to tflite: the formats are torch, onnx, aoti, openvino"),
        ({"to": "torch", "output": "m.onnx"}, r"ends in \.pt2"),
        ({"to": "torch", "output": "no/m.pt2"}, "its folder does not exist"),
        ({"to": "torch", "output": "m.pt2", "precision": "int8"}, "--precision int8: torch is written in f32"),
        ({"to": "openvino", "output": "m.xml", "precision": "int8"}, "--calibrate FOLDER"),
    ]
    for options, said in cases:
        output = tmp_path / options.pop("output")
        with pytest.raises(InputError, match=said):
            write.export(model, output=output, **options)
    with pytest.raises(InputError, match=r"torch.bfloat16 on cpu; float32 on the CPU"):
        write.export(small("swin_nano").bfloat16(), "torch", tmp_path / "m.pt2")
    with pytest.raises(InputError, match="no pictures in it"):
        calibrate.pictures(tmp_path, (8, 8), Preprocessing())
    with pytest.raises(InputError, match="no such folder"):
        calibrate.pictures(tmp_path / "none", (8, 8), Preprocessing())
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs onnx, which is missing: pip install 'vitrail\[export\]'"):
        write.export(model, "onnx", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
