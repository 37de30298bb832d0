"""Images per second of our models beside timm's and torchvision's Swin-T, eager, in one run.

    python benchmarks/throughput.py --batch 1 16 --dtype float32 bfloat16 --json throughput.json

Repeats are interleaved: in each round every model is timed once, in an order drawn anew, so that a machine that slows
down slows all of them.
Printed: the median over the rounds, its spread (the middle half of the rounds), and the ratio to timm's Swin-T, also as
the median of the rounds' own ratios. Weights are random; a picture is 224 x 224.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import vitrail

PEER = "timm swin_tiny_patch4_window7_224"


def models() -> dict[str, Callable[[], torch.nn.Module]]:
    """Every model by the name it is printed with."""
    import timm
    import torchvision

    ours = ("swin_tiny", "iwin_tiny", "scalablevit_small")
    return {
        **{f"vitrail {name}": (lambda name=name: vitrail.create_model(name)) for name in ours},
        PEER: lambda: timm.create_model("swin_tiny_patch4_window7_224"),
        "torchvision swin_t": lambda: torchvision.models.swin_t(),
    }


def machine(device: str) -> str:
    """What the figures were measured on, in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return f"{cpu}, {torch.get_num_threads()} threads"


@torch.inference_mode()
def seconds(model: torch.nn.Module, x: torch.Tensor, forwards: int) -> float:
    """Time of one forward pass, the mean over `forwards` of them."""
    synchronize = torch.cuda.synchronize if x.is_cuda else lambda: None
    synchronize()
    start = time.perf_counter()
    for _ in range(forwards):
        model(x)
    synchronize()
    return (time.perf_counter() - start) / forwards


def measure(batch: int, dtype: torch.dtype, device: str, rounds: int, least: float, progress: Progress) -> list[dict]:
    """One row for each model: the median rate over the rounds, its spread, and the ratio to the peer."""
    x = torch.randn(batch, 3, 224, 224, device=device, dtype=dtype)
    networks = {name: make().to(device, dtype).eval() for name, make in models().items()}
    forwards = {name: max(1, round(least / seconds(net, x, 2))) for name, net in networks.items()}  # also warms up
    times: dict[str, list[float]] = {name: [] for name in networks}
    task = progress.add_task(f"batch {batch}, {str(dtype).removeprefix('torch.')}", total=rounds * len(networks))
    order = random.Random(0)
    for _ in range(rounds):
        for name in order.sample(list(networks), len(networks)):
            times[name].append(seconds(networks[name], x, forwards[name]))
            progress.advance(task)
    rows = []
    for name, measured in times.items():
        rates = sorted(batch / t for t in measured)
        ratios = sorted(peer / t for t, peer in zip(measured, times[PEER], strict=True))
        quarter = len(rates) // 4
        rows.append(
            {
                "model": name,
                "batch": batch,
                "dtype": str(dtype).removeprefix("torch."),
                "images_per_second": statistics.median(rates),
                "spread": [rates[quarter], rates[-1 - quarter]],
                "ratio": statistics.median(ratios),
                "ratio_spread": [ratios[quarter], ratios[-1 - quarter]],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument(
        "--dtype", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16", "float16"]
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved repeats, 5 or more")
    parser.add_argument("--least", type=float, default=1.5, help="seconds that one timing lasts at least")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error("--rounds: medians want 5 repeats or more")
    console = Console()
    rows: list[dict[str, Any]] = []
    with Progress(console=console, transient=True) as progress:
        for dtype in arguments.dtype:
            for batch in arguments.batch:
                rows += measure(
                    batch, getattr(torch, dtype), arguments.device, arguments.rounds, arguments.least, progress
                )
    said = {
        "machine": machine(arguments.device),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "rows": rows,
    }
    table = Table(title=f"img/s at 224 x 224, eager — {said['machine']}, torch {said['torch']}, {said['date']}")
    for column in ("dtype", "batch", "model", "img/s", "spread", f"ratio to {PEER.split('_patch')[0]}", "spread"):
        table.add_column(column, justify="left" if column in ("dtype", "model") else "right", no_wrap=True)
    for row in rows:
        low, high = row["spread"]
        table.add_row(
            row["dtype"], str(row["batch"]), row["model"], f"{row['images_per_second']:.2f}", f"{low:.2f} – {high:.2f}",
            f"{row['ratio']:.2f}", "{:.2f} – {:.2f}".format(*row["ratio_spread"]),
        )  # fmt: skip
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
