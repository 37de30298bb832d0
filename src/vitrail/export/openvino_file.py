"""OpenVINO's files: float32, bfloat16 or int8, from ONNX; and how they are run in the precision they are meant for.

By way of ONNX, since OpenVINO's own reader of PyTorch programs divides sizes as C does and -(-s // m) comes out wrong.

The precision of computing is OpenVINO's to choose when a file is compiled: on a processor with bfloat16 that is its
default even for a float32 file. So the file's JSON says the setting it was compared with.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitrail.export.formats import Run

# the setting for each precision; int8 computes what it does not hold in int8 in float32
HINTS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}
# left in float32 by int8: depthwise convolutions, which OpenVINO 2026.4 in int8 computes at one size only
KEPT = ["GroupConvolution"]
STORED_SHORT = 256  # constants of at least so many numbers are stored in bfloat16


def write_openvino(onnx: Path, path: Path, precision: str, calibration: Iterable[Tensor] = ()) -> None:
    """The model of an ONNX file as `path`, .xml, with .bin beside it.

    Args:
        calibration: For int8, (B, C_in, H, W) tensors of pictures such as the model will see.
    """
    import openvino

    model = openvino.convert_model(onnx)
    if precision == "int8":
        model = _quantised(model, list(calibration))
    if precision == "bf16":
        _shorten(model)
    openvino.save_model(model, path, compress_to_fp16=False)


def open_openvino(path: Path, precision: str) -> Run:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY", **settings})
    return lambda x: [torch.from_numpy(y.copy()) for y in compiled(x.numpy()).values()]


def _quantised(model: Any, calibration: list[Tensor]) -> Any:
    """Weights and activations in int8 by NNCF, for transformers; norms and softmax stay as they are."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    dataset = nncf.Dataset([picture.numpy() for picture in calibration])
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(
            model,
            dataset,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(types=KEPT, validate=False),
        )


def _shorten(model: Any) -> None:
    """Large constants in bfloat16, turned back where they are read: half the file, and what bfloat16 computes with."""
    import numpy as np
    import openvino

    for constant in [op for op in model.get_ordered_ops() if op.get_type_name() == "Constant"]:
        values = constant.data
        if values.dtype != np.float32 or values.size < STORED_SHORT:
            continue
        short = torch.from_numpy(values.copy()).bfloat16().view(torch.uint16).numpy()
        tensor = openvino.Tensor(short, openvino.Shape(list(values.shape)), openvino.Type.bf16)
        stored = openvino.op.Constant(tensor, shared_memory=False)
        longer = openvino.opset13.convert(stored, "f32")
        for reader in constant.output(0).get_target_inputs():
            reader.replace_source_output(longer.output(0))
