"""Window attention by triton against its plain twin: interpreted without a GPU, on the GPU where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vitrail
from kernels.interpreted import CASES, differences, inputs, results, traced
from vitrail.geometry.windows import Windows
from vitrail.mixers.window import WindowAttention

triton = pytest.importorskip("triton", reason="no triton here: it comes with PyTorch for CUDA and ROCm")

if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("TRITON_INTERPRET is set: these tests need triton's compiler as well", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from vitrail.kernels import triton_windows  # noqa: E402

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def interpreted() -> dict[str, dict]:
    """What `interpreted.py` says of each case, in a process of its own: the interpreter changes triton as a whole."""
    script = Path(__file__).with_name("interpreted.py")
    path = os.pathsep.join(map(str, (Path(vitrail.__file__).parents[1], script.parents[1])))
    process = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )
    assert process.returncode == 0, process.stderr
    said: dict[str, dict] = {}
    for line in process.stdout.splitlines():
        said |= json.loads(line)
    return said


@pytest.mark.parametrize("name", sorted(CASES))
def test_interpreted_it_is_the_plain_twin(interpreted, name):
    case = CASES[name]
    wanted = {"y", *case.learns} - ({"bias"} if case.bias is None else set()) - (set() if case.pad else {"pad"})
    assert set(interpreted[name]) == wanted
    assert max(interpreted[name].values()) < TOLERANCE[case.dtype], interpreted[name]


def test_one_graph_for_three_sizes(interpreted):
    assert interpreted["traced"] == dict.fromkeys(("y", "qkv", "bias", "pad"), 0.0)


def test_torch_finds_the_operator_in_order(interpreted):
    assert len(interpreted["checked"]) == 4
    assert set(interpreted["checked"].values()) == {"SUCCESS"}


@pytest.mark.parametrize(("padding", "shift"), [("seen", None), ("seen", (1, 2)), ("masked", (2, 0))])
def test_the_plain_twin_is_the_mixer_between_its_projections(padding, shift):
    torch.manual_seed(0)
    mixer = WindowAttention(12, 3, Windows((3, 4), shift=shift, padding=padding), bias=True).double()
    torch.nn.init.normal_(mixer.qkv.bias)
    x = torch.randn(2, 5, 7, 12, dtype=torch.float64)
    y = triton_windows.plain_windows_attention(
        mixer.qkv(x), mixer.windows, mixer.heads, mixer.scale, mixer.bias(), mixer.qkv.bias
    )
    torch.testing.assert_close(mixer.proj(y), mixer(x), rtol=1e-12, atol=1e-12)


REFUSED = {
    "float32, bfloat16 and float16": (torch.float64, 16, (3, 3)),
    "16, 32, 64 or 128": (torch.float32, 24, (3, 3)),
    "up to 256 tokens": (torch.float32, 16, (17, 16)),
    "up to 64 tokens": (torch.bfloat16, 128, (9, 9)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_refuses(reason, monkeypatch):
    monkeypatch.setattr(triton_windows, "INTERPRETED", True)
    dtype, width, size = REFUSED[reason]
    qkv = torch.zeros(1, 5, 7, 3 * 2 * width, dtype=dtype)
    assert reason in triton_windows.supported(qkv, Windows(size), 2)
    with pytest.raises(ValueError, match=reason):
        triton_windows.windows_attention(qkv, Windows(size), 2, 1.0)
    assert triton_windows.supported(torch.zeros(1, 5, 7, 3 * 2 * 32), Windows((7, 7)), 2) is None


def test_a_cpu_is_refused():
    with pytest.raises(ValueError, match=r"CUDA tensors; this one is on cpu.*plain_windows_attention"):
        triton_windows.windows_attention(torch.zeros(1, 6, 48), Windows((3,)), 1, 1.0)


KERNELS = ("_forward", "_backward_queries", "_backward_keys")


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("size", "dtype", "options", "target"),
    [((7, 7), torch.bfloat16, True, 90), ((4, 4), torch.float32, False, 80), ((10, 10), torch.float16, True, 80)],
)
def test_it_compiles_for_a_gpu_that_is_not_here(name, size, dtype, options, target, tmp_path, monkeypatch):
    """The interpreter takes Python that the compiler refuses. Smaller GPUs have 99 KB of shared memory."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    axes = [number for axis in Windows(size, shift=(1, 2)).axes((9, 13)) for number in axis]
    constants = triton_windows._constants(torch.empty(1, 3 * 2 * 32, dtype=dtype), 2, axes, False, False)
    kernel, short = getattr(triton_windows, name), {torch.float32: "fp32", torch.float16: "fp16"}.get(dtype, "bf16")
    types = dict.fromkeys(("qkv", "y", "dy", "dqkv"), f"*{short}") | {"scale": "fp32"}
    types |= dict.fromkeys(("heads", "count", "each"), "i32") | {"lse": "*fp32", "inner": "*fp32"}
    types |= {name: ("i32",) * len(size) for name in ("lengths", "windows")}
    types |= dict.fromkeys(("bias", "pad", "dbias", "dpad"), "*fp32") if options else {}
    signature = {argument: types.get(argument, "constexpr") for argument in kernel.arg_names}
    fixed = {(at,): constants.get(a) for at, a in enumerate(kernel.arg_names) if signature[a] == "constexpr"}
    launch = {option: constants[option] for option in ("num_warps", "num_stages", "enable_fp_fusion")}
    built = triton.compile(ASTSource(kernel, signature, fixed), target=GPUTarget("cuda", target, 32), options=launch)
    assert ("mma" in built.asm["ptx"]) == (dtype != torch.float32)
    assert built.metadata.shared < 99 * 1024


@needs_cuda
@pytest.mark.parametrize("name", sorted(CASES))
def test_on_the_gpu_it_is_the_plain_twin(name):
    found = differences(CASES[name], "cuda")
    assert max(found.values()) < 2 * TOLERANCE[CASES[name].dtype], found


@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_the_gpu_one_graph_for_three_sizes(dtype):
    assert max(traced("cuda", "inductor", dtype).values()) < TOLERANCE[dtype]


@needs_cuda
@pytest.mark.parametrize("name", ["tokens_49", "tokens_100"])
def test_on_the_gpu_the_same_bits_twice(name):
    case = CASES[name]
    given = inputs(case, "cuda")
    once, twice = (results(case, given, triton_windows.windows_attention) for _ in range(2))
    assert all(torch.equal(once[key], twice[key]) for key in once)
