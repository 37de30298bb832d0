"""`export`: a model as a file of another format, compared with the model at several sizes before it is there at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError, first_line
from vitrail.export import formats, openvino_file, ways
from vitrail.export.adapter import Adapter, adapt
from vitrail.export.calibrate import Pictures
from vitrail.export.program import FREE, record
from vitrail.packages import installed

# how far a file may be from its model: in float32 absolutely, else as a part of the largest value that comes out
TOLERANCE = {"f32": 1e-4, "bf16": 5e-2, "int8": 0.25}
PACKAGES = ("vitrail", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf")


@dataclass(frozen=True)
class Difference:
    """The file against the model at one size.

    difference: What the adapter compares: the largest absolute difference.
    relative: The largest difference as a part of the largest value expected.
    """

    batch: int
    height: int
    width: int
    difference: float
    relative: float


@dataclass(frozen=True)
class Exported:
    """What was written: the file, the JSON beside it, and what the JSON says."""

    path: Path
    json: Path
    document: dict[str, Any]


def export(
    model: nn.Module | Adapter,
    to: str,
    output: str | Path,
    *,
    precision: str | None = None,
    calibration: Pictures | None = None,
    tolerance: float | None = None,
    say: Callable[[str], None] = lambda stage: None,
) -> Exported:
    """Writes a model as a file with free batch, height and width, and FILE.json beside it; all of it or nothing.

    Args:
        model: Of `create_model` or `vitrail.load(...).model`, in float32 on the CPU; or an `Adapter`.
        to: torch, onnx, aoti or openvino, as `formats` has them.
        output: The file. One that is there already is replaced once the new one has passed.
        precision: For openvino f32 (the default), bf16 or int8; the others are f32.
        calibration: Pictures for int8, which is also compared on them; the others are compared on noise.
        tolerance: The largest difference at any size: absolute for f32, else a part of the largest value. By default
            `TOLERANCE`.
        say: Is told what is being done.
    Raises:
        InputError: an unknown format or precision, a missing package or folder, a model that does not export, or a
            file that differs by more than `tolerance`, with the size at which it does.
    """
    precision = formats.require(to, precision)
    path = _output(output, to)
    if (precision == "int8") != (calibration is not None):
        raise InputError("int8 is calibrated on pictures, and only int8: --precision int8 --calibrate FOLDER.")
    adapter = model if isinstance(model, Adapter) else adapt(model)
    _check(adapter)
    allowed = TOLERANCE[precision] if tolerance is None else tolerance
    with _whole(path) as temporary:
        say("recording the graph")
        program = record(adapter)
        run = _write(program, adapter, to, precision, temporary, calibration, say)
        rows = []
        for row in _differences(adapter, run, calibration, say):
            rows.append(row)
            found = row.difference if precision == "f32" else row.relative
            if not found <= allowed:
                of = "" if precision == "f32" else " of the largest value"
                raise InputError(
                    f"{to} {precision} differs by {found:.2g}{of} at {row.batch} x {row.height} x {row.width}, more "
                    f"than {allowed:g}; nothing is written. A larger tolerance lets it pass."
                )
        document = _document(adapter, to, precision, temporary, rows, allowed)
        document["outputs"] = formats.outputs(program, adapter)
        beside = temporary.with_name(f"{temporary.name}.json")
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return Exported(path, path.with_name(beside.name), document)


def opened(path: Path, to: str, precision: str = "f32") -> formats.Run:
    """A written file as a function of (B, C_in, H, W) that gives a list of tensors, on the CPU."""
    if to == "openvino":
        return openvino_file.open_openvino(path, precision)
    return {"torch": formats.open_torch, "onnx": formats.open_onnx, "aoti": formats.open_aoti}[to](path)


def _write(
    program: formats.Program,
    adapter: Adapter,
    to: str,
    precision: str,
    path: Path,
    calibration: Pictures | None,
    say: Callable[[str], None],
) -> formats.Run:
    """The file at `path`, opened again."""
    say({"aoti": "compiling", "openvino": "converting by way of ONNX"}.get(to, "converting"))
    try:
        if to == "torch":
            formats.write_torch(program, path)
        elif to == "aoti":
            formats.write_aoti(program, path)
        elif to == "onnx":
            formats.write_onnx(program, adapter, path)
        else:
            between = path.with_name("between.onnx")
            formats.write_onnx(program, adapter, between)
            if calibration:
                say(f"calibrating on {len(calibration.files)} pictures")
            openvino_file.write_openvino(between, path, precision, calibration or ())
            between.unlink()
        say("opening the file")
        return opened(path, to, precision)
    except (InputError, OSError):
        raise
    except Exception as error:  # compilers and converters fail in many ways
        raise InputError(f"{to} cannot take this model: {first_line(error)[:300]}") from error


def _differences(
    adapter: Adapter, run: formats.Run, calibration: Pictures | None, say: Callable[[str], None]
) -> Iterator[Difference]:
    generator = torch.Generator().manual_seed(0)
    for height, width in adapter.sizes:
        for batch in adapter.batches:
            say(f"comparing at {batch} x {height} x {width}")
            if calibration:
                x = calibration.batch(batch, (height, width))
            else:
                x = torch.randn(batch, adapter.channels, height, width, generator=generator)
            expected = adapter.expected(x)
            try:
                found = run(x)
            except Exception as error:
                raise InputError(
                    f"The file refuses {batch} x {height} x {width}, which the model takes: {first_line(error)[:300]}"
                ) from error
            yield Difference(batch, height, width, adapter.compare(expected, found), _relative(expected, found))


def _relative(expected: list[Tensor], found: list[Tensor]) -> float:
    if [t.shape for t in expected] != [t.shape for t in found]:
        return float("inf")
    share = ways.parity(expected, found)
    return float("inf") if share != share else share


def _document(
    adapter: Adapter, to: str, precision: str, path: Path, rows: list[Difference], allowed: float
) -> dict[str, Any]:
    files = sorted(file for file in path.parent.iterdir() if file.is_file())
    what: dict[str, Any] = {"format": to, "precision": precision}
    if to in ("onnx", "openvino"):
        what["opset"] = formats.OPSET
    if to == "openvino":
        what["settings"] = {"INFERENCE_PRECISION_HINT": openvino_file.HINTS[precision]}
    if to == "aoti":
        what["compiled_for"] = f"CPU with {torch.backends.cpu.get_cpu_capability()}"
    axes = [FREE.get(axis, adapter.channels) for axis in range(4)]
    return {
        **what,
        "files": {file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)} for file in files},
        **adapter.document,
        "input": {"name": formats.INPUT, "axes": axes, "type": "float32"},
        "tolerance": {"of": "difference" if precision == "f32" else "relative", "at_most": allowed},
        "largest_difference": max((row.difference for row in rows), default=0.0),
        "parity": [vars(row) for row in rows],
        "versions": installed(PACKAGES),
    }


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _check(adapter: Adapter) -> None:
    for parameter in adapter.module.parameters():
        if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            raise InputError(f"The model is {parameter.dtype} on {parameter.device}; float32 on the CPU is exported.")


def _output(output: str | Path, to: str) -> Path:
    path, suffix = Path(output), formats.FORMATS[to].suffix
    if path.suffix != suffix:
        raise InputError(f"{path}: a file for {to} ends in {suffix}.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder does not exist.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, wanted a file.")
    return path


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Where to write `path` and what belongs beside it; all of it takes its place when the block ends, `path` last."""
    folder = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder / path.name
        for file in sorted(folder.iterdir(), key=partial(_is_last, path.name)):
            os.replace(file, path.with_name(file.name))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_last(name: str, file: Path) -> bool:
    return file.name == name
