"""What figures were measured on, in words that can be published: no host, no path."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from vitrail import heap
from vitrail.packages import installed

PACKAGES = ("vitrail", "torch", "timm", "torchvision", "openvino")


def machine(device: torch.device) -> str:
    """The GPU; or the processor, its widest vectors that PyTorch uses, and the threads that compute."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    if device.type != "cpu":
        return f"{name}, {device.type}"
    threads = torch.get_num_threads()
    heap_kept = ", freed memory kept" * heap.kept()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}, {threads} thread{'s' * (threads != 1)}{heap_kept}"


def versions() -> dict[str, str]:
    """Of each package that takes part in a measurement and is installed."""
    return {**installed(PACKAGES), "torch": torch.__version__}
