"""The formats an export can have: how each is written from a recorded program, and how it is opened again.

torch     a `torch.export` package (.pt2), for PyTorch without vitrail.
onnx      ONNX of one opset (.onnx), for ONNX Runtime and others.
aoti      AOTInductor (.pt2): compiled for processors like this one, for PyTorch without vitrail, also from C++.
openvino  OpenVINO (.xml with .bin), in float32, bfloat16 or int8.

What is compared with the model is the file, opened as its users open it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import operator
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.export.adapter import Adapter, as_list
from vitrail.export.program import FREE, any_size

OPSET = 20
INPUT = "images"

Program = torch.export.ExportedProgram
Run = Callable[[Tensor], list[Tensor]]


class Format(NamedTuple):
    """suffix: Of the file's name.   needs: Packages beside torch.   precisions: The first is the default."""

    suffix: str
    needs: tuple[str, ...]
    precisions: tuple[str, ...] = ("f32",)


FORMATS = {
    "torch": Format(".pt2", ()),
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime")),
    "aoti": Format(".pt2", ()),
    "openvino": Format(".xml", ("openvino", "onnx", "onnxscript"), ("f32", "bf16", "int8")),
}


def require(to: str, precision: str | None) -> str:
    """The precision, where a format exists, has it, and can be written here.

    Raises: InputError in one line.
    """
    if to not in FORMATS:
        raise InputError(f"--to {to}: the formats are {', '.join(FORMATS)}.")
    wanted = FORMATS[to].precisions
    if precision is not None and precision not in wanted:
        raise InputError(f"--precision {precision}: {to} is written in {' or '.join(wanted)}.")
    precision = precision or wanted[0]
    needs = (*FORMATS[to].needs, "nncf") if precision == "int8" else FORMATS[to].needs
    for package in needs:
        if importlib.util.find_spec(package) is None:
            raise InputError(f"Export to {to} needs {package}, which is missing: pip install 'vitrail[export]'")
    return precision


def write_torch(program: Program, path: Path) -> None:
    torch.export.save(program, path)


def write_aoti(program: Program, path: Path) -> None:
    from torch._inductor import aoti_compile_and_package

    with torch.no_grad(), any_size(), _quiet():
        aoti_compile_and_package(program, package_path=str(path))


def write_onnx(program: Program, adapter: Adapter, path: Path) -> None:
    with torch.no_grad(), any_size(), _quiet():
        found = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=outputs(program, adapter),
            dynamic_shapes=(FREE,),
            custom_translation_table={operator.floordiv: _floor_divide},
            verbose=False,
        )
    assert found is not None
    found.save(path, external_data=False)


def outputs(program: Program, adapter: Adapter) -> list[str]:
    """The names of what comes out."""
    count = len(program.graph_signature.user_outputs)
    return [adapter.output] if count == 1 else [f"{adapter.output}_{number}" for number in range(count)]


def _floor_divide(x: Any, y: Any) -> Any:
    """x // y of whole numbers as Python has it. ONNX's Div rounds towards zero, so -(-s // m) would come out wrong."""
    from onnxscript import opset20 as op

    return op.Div(op.Sub(x, op.Mod(x, y)), y)


def open_torch(path: Path) -> Run:
    module = torch.export.load(path).module()
    return torch.no_grad()(lambda x: as_list(module(x)))


def open_aoti(path: Path) -> Run:
    from torch._inductor import aoti_load_package

    package = aoti_load_package(str(path))
    return torch.no_grad()(lambda x: as_list(package(x)))


def open_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in session.run(None, {INPUT: x.numpy()})]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print what they are doing; here the caller says it."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
