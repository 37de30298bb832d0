"""Trained at one size, used at others: a small Iwin without positions beside a small Swin with its relative bias.

    python benchmarks/cross_resolution.py FOLDER --data CIFAR10_ZIP [--seeds 3] [--epochs 5]
    python benchmarks/cross_resolution.py FOLDER --json FILE.json --draw FILE.png        of what is in FOLDER

Both learn CIFAR-10 at 64 pixels (its pictures of 32 enlarged, so that a patch is two of its pixels) for the same steps
on the same batches, with as many parameters: Swin's MLPs are a little wider. Held-out pictures are then enlarged
bicubically, from their 32 pixels, to 1, 1.5, 2 and 3 times 64, and seen in four ways:

grown    windows grow with the picture, as both papers do it from 224 to 384: 4, 6, 8, 12 tokens a side, so that each
         stage keeps its 4, 2 or 1 windows a side. Swin's bias tables are stretched bicubically; Iwin has none
kept     the trained network as it is: windows of 4 and Swin's table as they are, more windows instead; padding, which
         only the last stage has at 1.5, is masked
tuned    grown, then trained on for 2752 pictures at that size, 43 steps: at three times the size that is a quarter of
         all pixels of the training of 5 epochs, at others less. At 1 the same steps: what they alone are worth
spread   grown, and Iwin's kernels spread in proportion (dilation 2 and 3; 1.5 is none), to read the same part of the
         picture; Swin, without kernels, is as grown. Thought of after the other three were seen, to find what differs

Decided before the runs: at a size and in a way Iwin carries over better where the 95 % interval (Student's t, over
seeds) of its top-1 less Swin's, each less its own at the size of training, is wholly above 0, Swin where it is wholly
below, else it is not resolved. "grown" and "tuned" are the papers' ways; the accuracies themselves are told too.

FOLDER/seed_N/NAME, FOLDER/seed_N/NAME_at_SIDE       a run each, with row.json when it is done: then not made again
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from over_seeds import BATCH, answer, done, learnt, seeds, small, stated, verdict

from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.draw.style import COLOURS, INK, figure, quiet, save
from vitrail.insight.machine import machine, versions
from vitrail.mixers.conv import DepthwiseConv
from vitrail.models.assemble import Network
from vitrail.models.catalogue import describe
from vitrail.recipes.recipe import AdamW, Cosine, Model, Recipe
from vitrail.recipes.run import Options, prepare
from vitrail.recipes.sources import open_split
from vitrail.tasks.classify import Classify
from vitrail.train.checkpoint import Checkpoints
from vitrail.train.loop import Run, Setting, fit, measure
from vitrail.train.processes import ALONE
from vitrail.train.record import Record
from vitrail.train.record import read as read_run
from vitrail.weights import open_model
from vitrail.weights.change import changed

CPU, SIDE, WINDOW, STEPS, CLASSES = torch.device("cpu"), 64, 4, 43, 10
FACTORS = (1.0, 1.5, 2.0, 3.0)
WAYS = ("grown", "kept", "tuned", "spread")
# grids of 16, 8 and 4 tokens a side: 4, 2 and 1 windows, as the papers' last three stages have at 224 with windows of 7
FIELDS: dict[str, Any] = {"dim": 16, "depths": (2, 2, 4), "heads": (1, 2, 4), "padding": "masked"}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "iwin": ("iwin_nano", {**FIELDS, "kernels": (3, 3, 3)}),
    "swin": ("swin_nano", FIELDS),
}
LABELS = {"iwin": "Iwin, no positions", "swin": "Swin, relative bias"}
RULE = (
    "at a size and in a way Iwin carries over better if the 95 % t interval over seeds of (Iwin there - Iwin at 1) - "
    "(Swin there - Swin at 1), top-1, is above 0; Swin if it is below"
)

BETTER = ("Iwin carries over better", "Swin carries over better")


@cache
def model_of(which: str, side: int) -> Model:
    """The network for a size, its windows in proportion."""
    name, fields = MODELS[which]
    return Model(name, (side, side), {**fields, "window": WINDOW * side // SIDE, **alike(which)})


@cache
def alike(which: str) -> dict[str, float]:
    """What brings Swin nearest to Iwin's parameters: a ratio of its MLPs' widths."""
    if which == "iwin":
        return {}
    wanted, name = parameters("iwin"), MODELS[which][0]
    ratios = [4 + step / 16 for step in range(33)]  # of 16 channels
    fields = {**MODELS[which][1], "window": WINDOW}
    sizes = {r: describe(name, CLASSES, (SIDE, SIDE), mlp_ratio=r, **fields)["parameters"] for r in ratios}
    return {"mlp_ratio": min(ratios, key=lambda ratio: abs(sizes[ratio] - wanted))}


def parameters(which: str) -> int:
    name, fields = MODELS[which]
    return describe(name, CLASSES, (SIDE, SIDE), window=WINDOW, **fields)["parameters"]


def recipe(which: str, data: Path, seed: int, epochs: int) -> Recipe:
    """Training at 64 pixels."""
    return small(model_of(which, SIDE), data, seed, epochs)


def tuning(which: str, data: Path, seed: int, side: int, weights: Path) -> Recipe:
    """A little training at another size, from what was learnt at 64."""
    return replace(
        recipe(which, data, seed, 1),
        model=model_of(which, side),
        optimizer=AdamW(lr=3e-4, weight_decay=0.05),
        schedule=Cosine(warmup=5, warmup_in="step", start=1e-5, end=1e-6),
        steps=STEPS,
        seed=seed + 1000,
        weights=str(weights),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    answer(parser, learn, told, table, draw)


def learn(seed: int, given: argparse.Namespace) -> None:
    """The runs of a seed that are not there yet."""
    for which in MODELS:
        out = given.folder / f"seed_{seed}" / which
        chosen = recipe(which, given.data, seed, given.epochs)
        done(out, lambda out, chosen=chosen: trained(out, chosen))
        weights = out / "model.safetensors"
        if which == "iwin":
            done(out.with_name("iwin_spread"), lambda there, weights=weights: spread(there, weights, given.data))
        for side in sides():
            chosen = tuning(which, given.data, seed, side, weights)
            done(out.with_name(f"{which}_at_{side}"), lambda there, chosen=chosen: tuned(there, chosen))


def sides() -> list[int]:
    return [round(SIDE * factor) for factor in FACTORS]


def trained(out: Path, chosen: Recipe) -> dict[str, Any]:
    """Trains, and measures at every size, with windows kept and grown."""
    summary = learnt(out, chosen)
    model = open_model(out / "model.safetensors")[0]
    return {
        "parameters": summary["parameters"],
        "overrides": chosen.model.overrides,
        "top1": round(summary["top1"], 5),
        "kept": {side: right(model, side, chosen) for side in sides()},
        "grown": {side: right(grown(model, side), side, chosen) for side in sides()},
        "curve": [round(epoch["top1"], 4) for epoch in read_run(out)],
    }


def grown(model: Network, side: int) -> Network:
    """As `vitrail convert --size --window` makes it: windows in proportion, tables of bias stretched."""
    return changed(model, (side, side), WINDOW * side // SIDE, None, "", [])


def spread(out: Path, weights: Path, data: Path) -> dict[str, Any]:
    """Measures with kernels that grow like the windows, at the sizes that are whole multiples."""
    out.mkdir(parents=True, exist_ok=True)
    model, found = open_model(weights)[0], {}
    for factor, side in zip(FACTORS, sides(), strict=True):
        if factor % 1 == 0:
            larger = grown(model, side)
            for each in larger.modules():
                if isinstance(each, DepthwiseConv):
                    each.conv.dilation = (int(factor),) * 2
                    each.conv.padding = tuple(int(factor) * reach for reach in each.conv.padding)
            found[side] = right(larger, side, recipe("iwin", data, 0, 1))
    return {"spread": found}


def right(model: Network, side: int, chosen: Recipe) -> float:
    """Top-1 of the held-out pictures at a size."""
    held_out = open_split(chosen.data)[1]
    batches = Batches(held_out, transforms.for_use((side, side), chosen.preprocessing), 0)  # type: ignore[arg-type]
    task = Classify(len(held_out.classes))
    top1 = measure(model, task, Loader(batches, 50, False).epoch(0), Setting(CPU)).compute()["top1"]
    return round(top1, 5)


def tuned(out: Path, chosen: Recipe) -> dict[str, Any]:
    """Trains on, without the pictures of a run, and measures."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoints, said = Checkpoints(out / "checkpoints"), []
    checkpoints.clear()
    plan, _ = prepare(chosen, CPU, ALONE, Options("cpu", workers=0), say=said.append)
    metric = fit(Run(plan, Record(out), checkpoints)).compute()
    return {"top1": round(metric["top1"], 5), "begun": said[0].partition("; ")[2], "steps": plan.steps}


def told(folder: Path) -> dict[str, Any]:
    """What is in FOLDER: accuracies by seed, their means with intervals, differences within seeds, and verdicts."""
    found = seeds(folder)
    rows = [row for seed in found for which in MODELS if (row := read_row(folder, seed, which))]
    by = {(row["seed"], row["model"]): row for row in rows}
    pairs = [(by[seed, "iwin"], by[seed, "swin"]) for seed in found if {(seed, "iwin"), (seed, "swin")} <= by.keys()]
    accuracies, differences = [], []
    for way in WAYS:
        for factor, side in zip(FACTORS, sides(), strict=True):
            at = {"way": way, "factor": factor, "side": side}
            for which in MODELS:
                mine = [row for row in rows if row["model"] == which and side in row[way]]
                top1 = stated(row[way][side] for row in mine)
                changes = stated(row[way][side] - row["kept"][SIDE] for row in mine)
                accuracies.append({**at, "model": which, "top1": top1, "change": changes})
            both = [(first, second) for first, second in pairs if side in first[way] and side in second[way]]
            less = stated(first[way][side] - second[way][side] for first, second in both)
            change = stated(
                first[way][side] - first["kept"][SIDE] - second[way][side] + second["kept"][SIDE]
                for first, second in both
            )
            differences.append(
                {**at, "top1": less, "change": change, "verdict": verdict(change, *BETTER) if factor > 1 else ""}
            )
    return {
        "machine": machine(CPU),
        "versions": versions(),
        "trained at": SIDE,
        "windows": {side: WINDOW * side // SIDE for side in sides()},
        "tuning steps": STEPS,
        "batch": BATCH,
        "rule": RULE,
        "accuracies": accuracies,
        "iwin less swin": differences,
        "iwin's kernels spread less not": {
            side: stated(first["spread"][side] - first["grown"][side] for first, _ in pairs if side in first["spread"])
            for side in sides()[1:]
        },
        "rows": rows,
    }


def read_row(folder: Path, seed: int, which: str) -> dict[str, Any] | None:
    """A model's numbers of one seed by side, of what is done; None before its training is."""
    file = folder / f"seed_{seed}" / which / "row.json"
    if not file.is_file():
        return None
    row = json.loads(file.read_text())
    files = {side: file.parent.with_name(f"{which}_at_{side}") / "row.json" for side in sides()}
    more = {side: json.loads(each.read_text()) for side, each in files.items() if each.is_file()}
    by_side = {way: {int(side): value for side, value in row[way].items()} for way in ("kept", "grown")}
    seconds = {"trained": row["core_seconds"], **{side: each["core_seconds"] for side, each in more.items()}}
    by_side["tuned"] = {side: each["top1"] for side, each in more.items()}
    by_side["spread"] = by_side["grown"]
    if which == "iwin":
        wider = file.parent.with_name("iwin_spread") / "row.json"
        found = json.loads(wider.read_text())["spread"] if wider.is_file() else {}
        by_side["spread"] = {int(side): value for side, value in found.items()}
    return {"seed": seed, "model": which, **row, **by_side, "core_seconds": seconds}


def table(document: dict[str, Any]) -> str:
    """In markdown: a line for each way and size."""
    lines = ["| way | pixels | Iwin | Swin | Iwin − Swin | of the changes | |", "|---|--:|--:|--:|--:|--:|---|"]
    cells = {(row["way"], row["side"], row["model"]): row["top1"] for row in document["accuracies"]}
    for row in document["iwin less swin"]:
        way, side = row["way"], row["side"]
        if row["top1"] is None or (way in ("kept", "spread") and side == SIDE):  # is grown
            continue
        each = [cells[way, side, "iwin"], cells[way, side, "swin"], row["top1"], row["change"]]
        shown = [spelt(value, signed) for value, signed in zip(each, (False, False, True, True), strict=True)]
        lines.append(f"| {way} | {side} | {' | '.join(shown)} | {row['verdict']} |")
    return "\n".join(lines)


def spelt(worth: dict[str, Any] | None, signed: bool) -> str:
    if worth is None:
        return ""
    sign = "+" if signed else ""
    if worth["low"] is None:
        return f"{worth['mean']:{sign}.1f}".replace("-", "−")
    return f"{worth['mean']:{sign}.1f} ± {worth['high'] - worth['mean']:.1f}".replace("-", "−")


def draw(path: Path, document: dict[str, Any]) -> None:
    """Accuracy over the size, and how much better Iwin carries over than Swin."""
    drawing = figure(12.0, 4.6)
    first, second = drawing.subplots(1, 2, width_ratios=(1.25, 1))
    styles = {"grown": "-", "kept": ":", "tuned": "--", "spread": "-."}
    words = {
        "grown": "windows grown",
        "kept": "windows kept",
        "tuned": f"grown, {STEPS} steps of tuning",
        "spread": "grown, Iwin's kernels spread",
    }
    quiet(first, "top-1 of held-out pictures, %")
    for number, which in enumerate(MODELS):
        for way in WAYS[:3] if which == "swin" else WAYS:
            rows = [row for row in document["accuracies"] if (row["way"], row["model"]) == (way, which) and row["top1"]]
            bars(first, rows, "top1", COLOURS[number], styles[way], (2 * number - 1) * 0.5)
    first.axhline(100 / CLASSES, color=INK, linewidth=0.9)
    first.annotate(
        "chance", (max(sides()), 100 / CLASSES), (0, 3), textcoords="offset points", ha="right", fontsize=8.5
    )
    named = [first.plot([], [], color=COLOURS[number], label=LABELS[which])[0] for number, which in enumerate(MODELS)]
    first.add_artist(first.legend(handles=named, frameon=False, fontsize=8.5, loc="upper right"))
    drawn = [first.plot([], [], styles[way], color=INK, label=words[way])[0] for way in WAYS]
    first.legend(handles=drawn, frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 0.08))
    quiet(second, "change from 64 pixels, Iwin's less Swin's: mean, 95 % interval")
    for number, way in enumerate(WAYS):
        rows = [row for row in document["iwin less swin"] if row["way"] == way and row["change"]]
        if way != "tuned":
            rows = [row for row in rows if row["side"] != SIDE]
        bars(second, rows, "change", COLOURS[2 + number], styles[way], (number - 1) * 1.2)
        second.plot([], [], styles[way], color=COLOURS[2 + number], label=words[way])
    second.axhline(0, color=INK, linewidth=0.9)
    second.legend(frameon=False, fontsize=8.5, loc="lower left")
    for axes in (first, second):
        axes.set_xticks(sides(), [f"{side}\n{factor:g} ×" for side, factor in zip(sides(), FACTORS, strict=True)])
        axes.set_xlabel(f"pixels a side, trained at {SIDE}", fontsize=8.5)
    save(drawing, path)


def bars(axes: Any, rows: list[dict[str, Any]], key: str, colour: str, style: str, aside: float) -> None:
    """A line through the means with their intervals."""
    if not rows:
        return
    x = [row["side"] + aside for row in rows]
    low, high = ([row[key][end] for row in rows] for end in ("low", "high"))
    axes.plot(x, [row[key]["mean"] for row in rows], style, color=colour, linewidth=1.8, marker="o", markersize=4)
    if None not in low:
        axes.vlines(x, low, high, color=colour, linewidth=1.1, alpha=0.7)


if __name__ == "__main__":
    main()
