"""Ways to run a model for inference, behind one signature: `prepare(model, example, way)` gives a function of a tensor.

eager     as PyTorch calls it.
compiled  torch.compile in one graph; on a CPU with the weights frozen into it (packed once), on CUDA tuned and
          replayed as a CUDA graph.
openvino  OpenVINO on the CPU (extra `openvino`), in the numbers of the example.
"""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.export.rewrites import for_openvino

WAYS = ("eager", "compiled", "openvino")

Run = Callable[[Tensor], Tensor]


def missing(way: str, example: Tensor) -> str | None:
    """Why `way` cannot run `example` here, in one line; None when it can."""
    if way not in WAYS:
        return f"way={way!r} is none of {', '.join(WAYS)}"
    if way == "openvino":
        if importlib.util.find_spec("openvino") is None:
            return "openvino is not installed; pip install 'vitrail[openvino]'"
        if not example.is_cpu:
            return f"openvino runs on the CPU here, the example is on {example.device}"
        if example.dtype not in _PRECISION:
            return f"openvino runs float32 and bfloat16 here, the example is {example.dtype}"
    return None


def prepare(model: nn.Module, example: Tensor, way: str) -> Run:
    """`model` ready to infer on tensors like `example` by `way`; what compiles has compiled when this returns.

    Args:
        model: (B, C_in, H, W) -> one tensor, in evaluation mode and on the device and in the type of `example`.
        example: Its sizes are those the result is made for; a compiled one takes others, and compiles again.
    Returns:
        A function of a tensor that gives what the model gives, in the type of the example.
    Raises:
        InputError: `way` cannot run here; one line says why.
    """
    reason = missing(way, example)
    if reason:
        raise InputError(f"{reason}.")
    run = {"eager": _eager, "compiled": _compiled, "openvino": _openvino}[way](model, example)
    with torch.no_grad():
        run(example)
    return run


def parity(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """The largest difference between tensors in pairs, as a part of the largest value expected in any of them."""
    pairs = [(a.float(), b.float()) for a, b in zip(expected, found, strict=True)]
    largest = max(a.abs().max().item() for a, _ in pairs)
    return max((a - b).abs().max().item() for a, b in pairs) / (largest or 1.0)


def _eager(model: nn.Module, example: Tensor) -> Run:
    return torch.no_grad()(model)


def _compiled(model: nn.Module, example: Tensor) -> Run:
    if example.is_cuda:
        replayed = compiled_apart(model, dynamic=False, mode="max-autotune")
        return torch.no_grad()(lambda x: replayed(x).clone())  # a CUDA graph gives the same memory each time
    run = torch.no_grad()(compiled_apart(model, dynamic=False))

    def frozen(x: Tensor) -> Tensor:
        """As an option of torch.compile it would be unset while Dynamo reads the weights, and freeze none."""
        import torch._inductor.config as inductor

        with inductor.patch(freezing=True):
            return run(x)

    return frozen


def compiled_apart(model: nn.Module, **options: Any) -> Any:
    """torch.compile apart from other models of the class, which otherwise share one small number of compilations."""
    compile: Any = torch.compile  # its overloads do not know isolate_recompiles
    return compile(model, fullgraph=True, isolate_recompiles=True, **options)


_PRECISION = {torch.float32: "f32", torch.bfloat16: "bf16"}


def _openvino(model: nn.Module, example: Tensor) -> Run:
    import openvino

    dtype = example.dtype
    whole = model if dtype == torch.float32 else copy.deepcopy(model).float()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = for_openvino(torch.export.export(whole, (example.float(),)))
        converted = openvino.convert_model(program)
    settings = {"INFERENCE_PRECISION_HINT": _PRECISION[dtype], "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(converted, "CPU", {"PERFORMANCE_HINT": "LATENCY", **settings})

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(compiled(x.float().numpy())[0]).to(dtype)

    return run
