"""Models beside each other in one run: pictures per second, the ratio to a named peer, memory, growth with the size.

In each setting (mode, numbers, batch, size) every contender is made ready, then each round times each of them once, in
an order drawn anew. A timing is never a test.
"""

from __future__ import annotations

import gc
import importlib.util
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from vitrail.draw.bench import draw_growth, draw_rates
from vitrail.errors import InputError, first_line, nearest
from vitrail.export import timing
from vitrail.insight import contenders, growth, memory
from vitrail.insight.contenders import Contender, Ready, Setting
from vitrail.insight.machine import machine, versions
from vitrail.train.record import track, write_text

USUAL = ("swin_tiny", "iwin_tiny", "scalablevit_small", "torchvision/swin_t")
PEERS = ("timm/swin_tiny_patch4_window7_224", "torchvision/swin_t")  # the first that is there
SIZES = (224, 448, 672, 896, 1344, 1792, 2048)  # of growth
ROUNDS = 5  # at least
FAILURES = (RuntimeError, ValueError, AssertionError)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured.

    peer: Whose speed is 1; it takes part also where it is not among the contenders.
    sizes: (H, W) in pixels; every model is built for each.
    least: Seconds that one timing lasts at least, as near as whole steps come.
    memory: Whether each contender's peak is measured too, in a process of its own.
    growth: Whether a power of the pixels is fitted through the sizes.
    command: What was typed, for the record.

    Raises: InputError for values that cannot be measured with.
    """

    contenders: tuple[Contender, ...]
    peer: Contender
    device: torch.device
    batches: tuple[int, ...] = (1, 16)
    sizes: tuple[tuple[int, int], ...] = ((224, 224),)
    dtypes: tuple[str, ...] = ("float32", "bfloat16")
    modes: tuple[str, ...] = ("infer",)
    rounds: int = 7
    least: float = 0.8
    memory: bool = False
    growth: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        for what, values, known in (("mode", self.modes, contenders.MODES), ("dtype", self.dtypes, contenders.DTYPES)):
            for value in values:
                if value not in known:
                    raise InputError(f"{what} {value!r} is none of {', '.join(known)}.{nearest(value, known)}")
        if "train" in self.modes and "float16" in self.dtypes:
            raise InputError("float16 does not train without a scaler of the loss; --dtype bfloat16 or float32 does.")
        if any(batch < 1 for batch in self.batches):
            raise InputError(f"batch {min(self.batches)}: wanted 1 or more pictures.")
        if self.rounds < ROUNDS:
            raise InputError(f"rounds {self.rounds}: a median with a spread wants {ROUNDS} or more.")
        if self.growth and len({height * width for height, width in self.sizes}) < growth.FEWEST:
            raise InputError(f"growth is fitted through {growth.FEWEST} sizes or more, {len(self.sizes)} came.")

    def everyone(self) -> list[Contender]:
        """The contenders, the peer last unless it is one of them, nobody twice."""
        return list(dict.fromkeys([*self.contenders, self.peer]))

    def settings(self) -> list[Setting]:
        """Every combination; the sizes change fastest."""
        every = itertools.product(self.modes, self.dtypes, self.batches, self.sizes)
        return [Setting(mode, dtype, batch, size, self.device) for mode, dtype, batch, size in every]


def usual_peer() -> str:
    """timm's Swin-T where timm is installed, else torchvision's."""
    return PEERS[0] if importlib.util.find_spec("timm") else PEERS[1]


def bench(
    plan: Plan, out: str | Path | None = None, say: Callable[[str], object] = lambda line: None
) -> dict[str, Any]:
    """Measures all there is in the plan.

    Args:
        out: A folder for bench.json, kept up after each setting, rates.png, and with growth growth.png.
        say: Gets one line for each contender that is left out somewhere, as soon as that is known.
    Returns:
        Plain values for JSON: "command", "date", "machine", "device", "versions", "peer", "rounds", "least_seconds";
        "rows", one for each contender and setting; "growth", see `growth.growth`; "notes", the lines that were said.
        A row has "model", "way", "mode", "dtype", "batch", "size" (H, W), what `timing.summary` gives, "repeats" (steps
        of one timing), "compile_seconds", "parity" (see `Ready`) and "memory", bytes at the peak; None for what was not
        measured.
    Raises:
        InputError: for an unknown name, a size that a model refuses, a way that was asked for and cannot run here, and
            where nothing at all could be measured.
    """
    folder = None if out is None else _folder(Path(out))
    everyone, settings = plan.everyone(), plan.settings()
    names, asked = dict.fromkeys(each.name for each in everyone), [*itertools.product(everyone, settings)]
    document: dict[str, Any] = {
        "command": plan.command,
        "date": date.today().isoformat(),
        "machine": machine(plan.device),
        "device": plan.device.type,
        "versions": versions(),
        "peer": plan.peer.label,
        "rounds": plan.rounds,
        "least_seconds": plan.least,
        "rows": [],
        "growth": [],
        "notes": [],
    }

    def note(line: str) -> None:
        if line not in document["notes"]:
            document["notes"].append(line)
            say(line)

    absent = set()
    for contender, setting in asked:
        why = contenders.missing(contender, setting)
        if why and not contender.optional:
            raise InputError(f"{contender.label}: {why}.")
        if why:
            absent.add((contender, setting))
            note(f"left out: {contender.label}: {why}.")
    questions = [*itertools.product(names, plan.sizes)]
    for name, size in track(questions, len(questions), "asking each model for its sizes"):
        contenders.check(name, size)

    for number, setting in enumerate(settings, start=1):
        title = f"{number} of {len(settings)}: {setting.title}"
        here = [each for each in everyone if (each, setting) not in absent]
        document["rows"] += measure(plan, setting, here, title, note)
        if plan.growth:
            document["growth"] = growth.growth(document["rows"])
        if folder:
            write_text(folder / "bench.json", json.dumps(document, indent=1) + "\n")
    if not document["rows"]:
        raise InputError(f"Nothing could be measured. {document['notes'][-1]}")
    if folder:
        draw_rates(folder / "rates.png", document)
        if document["growth"]:
            draw_growth(folder / "growth.png", document)
    return document


def measure(
    plan: Plan, setting: Setting, everyone: list[Contender], title: str, note: Callable[[str], object]
) -> list[dict[str, Any]]:
    """The rows of one setting; a contender that fails in it is noted and left out of it."""
    made = dict(_made_ready(everyone, setting, title, note))
    here = list(made)

    def timer(step: Callable[[], object], repeats: int) -> float:
        return timing.seconds(step, repeats, wait_for(setting.device))

    pace = track(here, len(here), f"{title}, warming up")
    repeats = {each: timing.repeats_for(made[each].step, plan.least, timer) for each in pace}
    times: dict[Contender, list[float]] = {each: [] for each in here}
    order = timing.interleave(len(here), plan.rounds)
    for index in track(order, len(here) * plan.rounds, f"{title}, timing"):
        times[here[index]].append(timer(made[here[index]].step, repeats[here[index]]))
    said = timing.summary(times, setting.batch, plan.peer)
    rows = [
        {
            "model": each.name,
            "way": each.way,
            "mode": setting.mode,
            "dtype": setting.dtype,
            "batch": setting.batch,
            "size": list(setting.size),
            **said[each],
            "repeats": repeats[each],
            "compile_seconds": made[each].compile_seconds,
            "parity": made[each].parity,
            "memory": None,
        }
        for each in here
    ]
    made.clear()
    _forget()
    if plan.memory:
        for row, each in track(zip(rows, here, strict=True), len(here), f"{title}, memory"):
            try:
                row["memory"] = memory.peak(each, setting)
            except InputError as error:
                note(f"no memory of {each.label}: {error}")
    return rows


def wait_for(device: torch.device) -> Callable[[], object]:
    """A function that returns when the device has done what it was given."""
    return (lambda: None) if device.type == "cpu" else torch.accelerator.synchronize


def _made_ready(
    everyone: list[Contender], setting: Setting, title: str, note: Callable[[str], object]
) -> Iterator[tuple[Contender, Ready]]:
    for each in track(everyone, len(everyone), f"{title}, getting ready"):
        try:
            yield each, contenders.ready(each, setting)
        except FAILURES as error:
            note(f"left out: {each.label} ({setting.title}): {first_line(error)}")


def _forget() -> None:
    """Lets go of what was compiled, so that the next setting's shapes are compiled as they are."""
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, wanted a folder.")
    path.mkdir(parents=True, exist_ok=True)
    return path
