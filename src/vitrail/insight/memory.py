"""Memory at the peak of one step, each contender in a process of its own.

CUDA   `torch.cuda.max_memory_allocated` of a warm step; for a compiled forward, which replays a CUDA graph, what is
       reserved, as the graph's memory is its own.
CPU    the bytes of the tensors that stay between steps (weights, pictures, the optimizer's moments), and how far the
       resident set rises above where it stood before a warm step: the kernel's own high-water mark, set back just
       before it. Blocks from 64 KiB on come from the system and go back to it in that process, so nothing freed
       earlier hides what the step takes. Code and compilers do not count, nor does what a library keeps for itself.

    python -m vitrail.insight.memory NAME WAY MODE DTYPE BATCH H W DEVICE THREADS       prints one number
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.insight.contenders import Contender, Setting, ready

RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def peak(contender: Contender, setting: Setting) -> int:
    """Bytes at the peak of one step. Raises: InputError where they cannot be measured; one line says why."""
    if contender.way == "openvino":
        raise InputError("OpenVINO takes its memory while it compiles, where it is not told from the compiler's.")
    if setting.device.type == "cpu" and not RESET.exists():
        raise InputError("the peak of a step on the CPU is measured on Linux only.")
    size = map(str, (setting.batch, *setting.size, setting.device, torch.get_num_threads()))
    words = [contender.name, contender.way, setting.mode, setting.dtype, *size]
    environment = {**os.environ, **MALLOC, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "vitrail.insight.memory", *words], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}."]
        raise InputError(said[-1])
    return int(done.stdout.split()[-1])


def measure(contender: Contender, setting: Setting) -> int:
    """`peak`, in this process."""
    made = ready(contender, setting)
    for _ in range(2):
        made.step()
    gc.collect()
    if setting.device.type == "cuda":
        return _on_cuda(made.step, reserved=contender.way == "compiled" and setting.mode == "infer")
    before = status("VmRSS")
    RESET.write_text("5")
    made.step()
    return _bytes(made.tensors()) + max(status("VmHWM") - before, 0)


def _on_cuda(step: Callable[[], object], reserved: bool) -> int:
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_reserved() if reserved else torch.cuda.max_memory_allocated()


def status(field: str) -> int:
    """A field of this process's memory, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def _bytes(tensors: list[Tensor]) -> int:
    """What tensors take; storage that they share counts once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def main() -> None:
    name, way, mode, dtype, batch, height, width, device, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    setting = Setting(mode, dtype, int(batch), (int(height), int(width)), torch.device(device))
    print(measure(Contender(name, way), setting))


if __name__ == "__main__":
    main()
