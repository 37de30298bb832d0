"""`vitrail convert`: what it says, and that nothing is written where it says no."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import originals
import vitrail as library
from slow_ldm import ldm
from vitrail.weights import open_model, save
from vitrail.weights.files import DOCUMENT, HEADER
from vitrail.weights.formats import LAYOUTS


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.save({"model": originals.timm_swin().state_dict()}, tmp_path / "in.pth")
    return tmp_path / "in.pth"


def test_in_and_back(vitrail, source: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back.safetensors"
    code, text, error = vitrail("convert", source, ours, "--classes", names, "--licence", "MIT")
    assert (code, error) == (0, "")
    assert "Swin (swin_tiny) in the layout timm, under model, 108 tensors" in text
    assert "windows follow rule timm" in text and f"written: {ours}" in text
    code, text, _ = vitrail("convert", ours, back, "--to", "timm", "--json")
    report = json.loads(text)
    assert (code, report["written"], report["layout"], report["size"]) == (0, 108, "vitrail", [224, 224])
    before = torch.load(source)["model"]
    assert all(torch.equal(value, before[key]) for key, value in load_file(back).items())
    assert open_model(ours)[1]["classes"] == list("abcde")


def test_fields_rows_and_synsets(vitrail, tmp_path: Path) -> None:
    model = originals.fill(library.create_model("iwin_nano", 4, dim=8, depths=(1, 1, 1, 1)))
    torch.save(LAYOUTS["release"].write(model), tmp_path / "in.pth")
    code, _, error = vitrail("convert", tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert code == 2 and "No shape shows the heads" in error and "heads=N,N,N,N" in error
    (tmp_path / "have.txt").write_text("n01 tench\nn02\nn03\nn04\n")
    (tmp_path / "want.txt").write_text("n03 shark\nn01\n")
    more = ("--from-synsets", tmp_path / "have.txt", "--to-synsets", tmp_path / "want.txt")
    code, text, error = vitrail("convert", tmp_path / "in.pth", tmp_path / "out.safetensors", "heads=1,2,4,8", *more)
    assert (code, error) == (0, "")
    assert "changed: classes 4 -> 2, rows picked by want.txt" in text
    again, _ = open_model(tmp_path / "out.safetensors")
    assert torch.equal(again.head.weight, model.head.weight[[2, 0]])
    for content, said in (("n05\n", "n05 first"), ("", "no lines")):
        (tmp_path / "want.txt").write_text(content)
        code, _, error = vitrail("convert", tmp_path / "in.pth", tmp_path / "x.safetensors", "heads=1,2,4,8", *more)
        assert code == 2 and said in error
    (tmp_path / "rows.txt").write_text("0\nx\n")
    code, _, error = vitrail(
        "convert", tmp_path / "in.pth", tmp_path / "x.safetensors", "--rows", tmp_path / "rows.txt"
    )
    assert code == 2 and "line 2: 'x', wanted the number of a row" in error


def hostile(folder: Path, source: Path) -> dict[str, tuple[tuple[object, ...], str]]:
    """For each kind of bad file the arguments and a part of the line."""
    whole = folder / "whole.safetensors"
    save(whole, library.create_model("iwin_nano", 3, 64))
    content = whole.read_bytes()

    def put(name: str, value: bytes) -> Path:
        (folder / name).write_bytes(value)
        return folder / name

    torch.save({"model": {"w": torch.ones(1)}, "x": Evil(folder / "ran")}, folder / "evil.pth")
    header = json.dumps({"__metadata__": {"vitrail": "x" * (DOCUMENT + 1)}}).encode()
    return {
        "hostile": ((folder / "evil.pth",), f"asks for {os.system.__module__}.system"),
        "truncated": ((put("cut.safetensors", content[: len(content) // 2]),), "is not a whole safetensors file"),
        "truncated pickle": ((put("cut.pth", source.read_bytes()[:5000]),), "is not a whole PyTorch file"),
        "empty": ((put("empty.safetensors", b""),), "is not a whole safetensors file"),
        "empty pickle": ((put("empty.pth", b""),), "is an empty file"),
        "header": (
            (put("header.safetensors", (HEADER + 1).to_bytes(8, "little") + bytes(HEADER + 1)),),
            "its header has",
        ),
        "lying header": ((put("lie.safetensors", (1 << 62).to_bytes(8, "little") + b"{}"),), "and a header of"),
        "document": ((put("doc.safetensors", len(header).to_bytes(8, "little") + header),), "its document has"),
        "wrong family": ((source, "--as", "iwin_tiny"), "is Swin in timm's names; iwin_tiny is Iwin"),
        "heads": ((source, "heads=2,2,2,4"), "another width, depth, head count or structure"),
        "heads of ours": ((whole, "--as", "iwin_tiny"), "was trained with dim=16; iwin_tiny has dim=96"),
        "nobody's": ((put_tensors(folder / "resnet.pth"),), "shows a layout that is known (first: 'conv1.weight')"),
    }


def put_tensors(path: Path) -> Path:
    torch.save({"conv1.weight": torch.zeros(3, 3, 3, 3)}, path)
    return path


def test_what_cannot_be_converted_is_one_line_and_nothing_is_written(vitrail, source: Path, tmp_path: Path) -> None:
    cases = hostile(tmp_path, source)
    before = sorted(tmp_path.iterdir())
    for name, (arguments, said) in cases.items():
        code, text, error = vitrail("convert", arguments[0], tmp_path / "out.safetensors", *arguments[1:])
        assert (code, text) == (2, ""), name
        assert said in error and error.startswith("error: ") and error.count("\n") == 1, (name, error)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_not_written_over_itself(vitrail, source: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours.safetensors"
    vitrail("convert", source, ours)
    before = ours.read_bytes()
    code, _, error = vitrail("convert", ours, ours, "--size", 256)
    assert code == 2 and "is the file that is read" in error
    assert ours.read_bytes() == before


def test_a_folder_is_made_of_an_autoencoder_alone(vitrail, source: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": {**ldm().state_dict(), "loss.logvar": torch.zeros(())}}, tmp_path / "vavae.ckpt")
    code, text, error = vitrail("convert", tmp_path / "vavae.ckpt", tmp_path / "out")
    assert (code, error) == (0, "")
    assert "an autoencoder of 4 channels and stride 4" in text and "1 tensors left out, loss.logvar first" in text
    code, text, error = vitrail("convert", source, tmp_path / "other")
    assert (code, text) == (2, "") and "no autoencoder in LDM's names" in error and error.count("\n") == 1
    assert not (tmp_path / "other").exists()
