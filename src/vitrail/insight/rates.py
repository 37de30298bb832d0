"""Pictures a second of the networks whose speed the papers print, measured here, in one run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from datetime import date
from typing import Any

import torch

from vitrail.errors import first_line
from vitrail.export import timing
from vitrail.insight.bench import FAILURES, wait_for
from vitrail.insight.costs import Network
from vitrail.insight.machine import machine
from vitrail.models.catalogue import create_model
from vitrail.train.record import track

ROUNDS = 3
LEAST = 0.3  # seconds that one timing lasts at least, as near as whole steps come
MANY = 64 * 224 * 224  # pixels at a time on a GPU: 64 pictures, or fewer larger ones; on a CPU one picture


def measure(
    networks: Iterable[Network], device: torch.device, rounds: int | None = None, least: float | None = None
) -> tuple[dict[Network, float | None], dict[str, Any]]:
    """Forward passes in float32, eager, of models with weights that nothing trained.

    One network is there at a time, since all of them together would not fit; each is timed several times in a row. So
    these are rates to set beside the papers', not beside each other: `vitrail bench` does that.

    Args:
        rounds: Timings of each, of which the median counts.     least: Seconds that one lasts at least. `ROUNDS`
            and `LEAST` where none are given.
    Returns:
        Pictures a second, None where the network did not run; and what they were measured on: "machine", "device",
        "dtype", "batch", "rounds", "torch", "date", and "notes", why any is None.
    """
    rounds, least = rounds or ROUNDS, LEAST if least is None else least
    wanted = list(dict.fromkeys(networks))
    rates: dict[Network, float | None] = {}
    notes = []
    for subject in track(wanted, len(wanted), "timing"):
        try:
            rates[subject] = _rate(subject, device, rounds, least)
        except FAILURES as error:
            rates[subject] = None
            notes.append(f"not measured: {subject.words}: {first_line(error)}")
    batch = "1" if device.type == "cpu" else "64, of larger pictures fewer"
    return rates, {
        "machine": machine(device),
        "device": device.type,
        "dtype": "float32",
        "batch": batch,
        "rounds": rounds,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "notes": notes,
    }


@torch.no_grad()
def _rate(subject: Network, device: torch.device, rounds: int, least: float) -> float:
    model = create_model(subject.name, **subject.arguments).to(device).eval()
    height, width = model.size
    batch = 1 if device.type == "cpu" else max(1, MANY // (height * width))
    x = torch.randn(batch, 3, height, width, device=device)

    def timer(step: Any, repeats: int) -> float:
        return timing.seconds(step, repeats, wait_for(device))

    timer(lambda: model(x), 1)
    repeats = timing.repeats_for(lambda: model(x), least, timer)
    return batch / statistics.median(timer(lambda: model(x), repeats) for _ in range(rounds))
