"""What it costs to load weights with another layout of heads than they were trained with, told from the layout itself.

    python benchmarks/head_mismatch.py FOLDER --data CIFAR10_ZIP [--seeds 3] [--before 10] [--after 8]
    python benchmarks/head_mismatch.py FOLDER --json head_mismatch.json --draw head_mismatch.png   of what is in FOLDER

The released ImageNet-1k weights of Iwin-S have heads (3, 4, 8, 16), its configs for detection, segmentation and video
(3, 6, 12, 24); every shape is the same, so the one loads as the other. Here a small Iwin with heads A = (3, 4, 8) or
B = (3, 6, 12), alike in all else and with the same first weights, learns five classes of CIFAR-10; then each of four
learns the other five from few pictures:

A as A           loaded as it was trained            A as B           loaded with other heads: the mismatch
B as B           trained and loaded as B: what the layout is worth by itself             B from scratch

Within a seed all four have the same few pictures, order, augmentation and first head; another seed has others, and
weights of its own. vitrail refuses to load A as B; what it says is kept. The way around it is a file of the tensors
alone, without what `vitrail.weights.save` writes beside them. "right after loading" is the share of the first five
classes' held-out pictures that the network of A names right as A and as B, nothing trained in between.

Decided before the runs: the mismatch costs where the 95 % interval (Student's t, over seeds) of top-1 of A as A less
that of A as B, after the last step, is wholly above 0; it helps where it is wholly below; else it is not resolved.

FOLDER/data/...              the parts of the pictures: maps beside links to the zips
FOLDER/seed_N/NAME           a run each, with row.json when it is done: then it is not made again
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from over_seeds import answer, done, learnt, seeds, small, stated, verdict
from safetensors.torch import save_file

from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.draw.style import COLOURS, INK, PALE, figure, quiet, save
from vitrail.errors import InputError
from vitrail.insight.machine import machine, versions
from vitrail.models.catalogue import create_model
from vitrail.recipes.recipe import AdamW, Cosine, Model, Recipe
from vitrail.recipes.sources import open_split
from vitrail.tasks.classify import Classify
from vitrail.train.loop import Setting, measure
from vitrail.train.record import read as read_run
from vitrail.weights import load_weights, read

CPU, SIZE, NAME = torch.device("cpu"), (48, 48), "iwin_nano"
HEADS = {"A": (3, 4, 8), "B": (3, 6, 12)}
# grids of 12, 6 and 3 tokens a side: 4, 2 and 1 windows, as the paper's last three stages have at 224 with windows of 7
FIELDS: dict[str, Any] = {"dim": 24, "depths": (1, 2, 4), "kernels": (3, 3, 3), "window": 3}
FIRST, OTHER = range(5), range(5, 10)  # classes
FEW = 200  # pictures of each of the other classes
STEPS = 40  # of fine-tuning between two measurements
WAYS: dict[str, tuple[str | None, str]] = {  # trained as, loaded as
    "A as A": ("A", "A"),
    "A as B": ("A", "B"),
    "B as B": ("B", "B"),
    "B from scratch": (None, "B"),
}
COST = "A as A - A as B"
DIFFERENCES = {
    COST: ("A as A", "A as B"),
    "B as B - A as A": ("B as B", "A as A"),
    "B as B - A as B": ("B as B", "A as B"),
    "A as B - B from scratch": ("A as B", "B from scratch"),
}
RULE = f"the mismatch costs if the 95 % t interval over seeds of top-1 of {COST}, after the last step, is above 0"


def recipe(data: Path, layout: str, seed: int, epochs: int) -> Recipe:
    """Learning the first classes."""
    return small(Model(NAME, SIZE, {**FIELDS, "heads": HEADS[layout]}), data, seed, epochs)


def tuning(data: Path, layout: str, seed: int, epochs: int, weights: Path | None) -> Recipe:
    """Learning the other ones: the same for all four ways, "epochs" of `STEPS` steps."""
    return replace(
        recipe(data, layout, seed, epochs),
        optimizer=AdamW(lr=5e-4, weight_decay=0.05),
        schedule=Cosine(warmup=STEPS, warmup_in="step", start=1e-5, end=1e-6),
        steps=STEPS,
        weights=str(weights) if weights else None,
    )


def part(source: Path, out: Path, classes: Sequence[int], most: int | None = None, seed: int = 0) -> Path:
    """Some classes of a folder of zips, of each training class `most` pictures drawn by `seed`; says where."""
    out.mkdir(parents=True, exist_ok=True)
    names = (source / "classes.txt").read_text(encoding="utf-8").split()
    (out / "classes.txt").write_text("".join(f"{names[number]}\n" for number in classes), encoding="utf-8")
    for which in ("train", "val"):
        link = out / f"{which}.zip"
        link.unlink(missing_ok=True)
        link.symlink_to((source / link.name).resolve())
        lines = (source / f"{which}_map.txt").read_text(encoding="utf-8").splitlines()
        pairs = [(path, int(number)) for path, _, number in (line.rpartition("\t") for line in lines)]
        kept = []
        for place, number in enumerate(classes):
            mine = [path for path, of in pairs if of == number]
            if which == "train" and most is not None:
                mine = sorted(random.Random(f"{seed} {number}").sample(mine, most))
            kept += [f"{path}\t{place}\n" for path in mine]
        (out / f"{which}_map.txt").write_text("".join(kept), encoding="utf-8")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=int, default=10, help="epochs on the first five classes")
    parser.add_argument("--after", type=int, default=8, help=f"times {STEPS} steps on the other five")
    answer(parser, learn, told, line, draw)


def line(document: dict[str, Any]) -> str:
    return json.dumps({key: document[key] for key in ("top1", "right after loading", "differences", "verdict")})


def learn(seed: int, given: argparse.Namespace) -> None:
    """All runs of a seed that are not there yet."""
    folder = given.folder / f"seed_{seed}"
    data = part(given.data, given.folder / "data" / "first", FIRST)
    few = part(given.data, given.folder / "data" / f"few_{seed}", OTHER, FEW, seed)
    for layout in HEADS:
        done(folder / f"before_{layout}", lambda out, at=layout: trained(out, recipe(data, at, seed, given.before)))
    for way, (before, layout) in WAYS.items():
        weights = folder / f"before_{before}" / "model.safetensors" if before else None
        if weights and before != layout:
            weights = alone(weights)
        chosen = tuning(few, layout, seed, given.after, weights)
        done(folder / place(way), lambda out, of=chosen: tuned(out, of))


def place(way: str) -> str:
    return way.replace(" ", "_")


def trained(out: Path, chosen: Recipe) -> dict[str, Any]:
    """Learns the first classes, and asks what the network says with the other layout's heads."""
    summary = learnt(out, chosen)
    heads = next(each for each in HEADS.values() if each != chosen.model.overrides["heads"])
    right, refused = mismatched(out / "model.safetensors", chosen, heads)
    return {
        "parameters": summary["parameters"],
        "top1": round(summary["top1"], 5),
        "top1 with other heads": right,
        "refused": refused,
        "curve": [round(epoch["top1"], 4) for epoch in read_run(out)],
    }


def tuned(out: Path, chosen: Recipe) -> dict[str, Any]:
    summary = learnt(out, chosen)
    return {"top1": round(summary["top1"], 5), "curve": [round(epoch["top1"], 4) for epoch in read_run(out)]}


def mismatched(file: Path, chosen: Recipe, heads: tuple[int, ...]) -> tuple[float, str]:
    """Top-1 of weights in a network with other heads; and what is said where the file says what it was trained as."""
    held_out = open_split(chosen.data)[1]
    count = len(held_out.classes)
    model = create_model(NAME, count, SIZE, **{**chosen.model.overrides, "heads": heads})
    refused = ""
    try:
        load_weights(model, file)
    except InputError as error:
        refused = str(error)
    load_weights(model, read(file)[0])  # tensors in our names, and nothing that says their heads
    batches = Batches(held_out, transforms.for_use(SIZE, chosen.preprocessing), 0)  # type: ignore[arg-type]
    metric = measure(model, Classify(count), Loader(batches, 125, False).epoch(0), Setting(CPU))
    return round(metric.compute()["top1"], 5), refused


def alone(file: Path) -> Path:
    """The tensors of a file without what it says of itself, as releases have them."""
    out = file.with_name("tensors_alone.safetensors")
    save_file(read(file)[0], out)
    return out


def told(folder: Path) -> dict[str, Any]:
    """What is in FOLDER: each seed's numbers, their means with intervals, differences within seeds, and the verdict."""
    rows = [{"seed": seed, **runs(folder / f"seed_{seed}")} for seed in seeds(folder)]
    top1 = {way: stated(row[way]["top1"] for row in rows if way in row) for way in WAYS}
    after = {
        "as A": stated(row["before_A"]["top1"] for row in rows if "before_A" in row),
        "as B": stated(row["before_A"]["top1 with other heads"] for row in rows if "before_A" in row),
    }
    differences = {
        label: stated(row[first]["top1"] - row[second]["top1"] for row in rows if first in row and second in row)
        for label, (first, second) in DIFFERENCES.items()
    }
    return {
        "machine": machine(CPU),
        "versions": versions(),
        "heads": HEADS,
        "fields": FIELDS,
        "size": SIZE,
        "few": FEW,
        "steps": STEPS,
        "top1": top1,
        "right after loading": after,
        "differences": differences,
        "rule": RULE,
        "verdict": verdict(differences[COST], "the mismatch costs", "the mismatch helps"),
        "rows": rows,
    }


def runs(folder: Path) -> dict[str, Any]:
    """The rows of a seed's runs that are done, by name."""
    names = {**{f"before_{layout}": f"before_{layout}" for layout in HEADS}, **{way: place(way) for way in WAYS}}
    files = {name: folder / where / "row.json" for name, where in names.items()}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}


def draw(path: Path, document: dict[str, Any]) -> None:
    """Right after loading; fine-tuning, each seed and the mean; the differences within seeds."""
    drawing, rows = figure(13.0, 4.1), document["rows"]
    first, second, third = drawing.subplots(1, 3, width_ratios=(0.7, 1.5, 1.2))
    quiet(first, "right after loading: top-1, %")
    for row in (row["before_A"] for row in rows if "before_A" in row):
        first.plot([0, 1], [100 * row["top1"], 100 * row["top1 with other heads"]], "o-", color=COLOURS[0], alpha=0.7)
    first.axhline(100 / len(FIRST), color=INK, linewidth=0.8, linestyle=":")
    first.annotate("chance", (-0.35, 100 / len(FIRST)), fontsize=8.5, color=INK, va="bottom")
    first.set_xticks([0, 1], ["A as A", "A as B"], fontsize=10)
    first.set_xlim(-0.4, 1.4)
    first.set_ylim(0, 100)
    quiet(second, "fine-tuned on the other five classes: top-1, %")
    for number, way in enumerate(WAYS):
        curves = [[100 * value for value in row[way]["curve"]] for row in rows if way in row]
        if not curves:
            continue
        steps = [STEPS * (at + 1) for at in range(len(curves[0]))]
        for curve in curves:
            second.plot(steps[: len(curve)], curve, color=COLOURS[number], linewidth=0.7, alpha=0.45)
        whole = [curve for curve in curves if len(curve) == len(steps)]
        middle = [sum(values) / len(whole) for values in zip(*whole, strict=True)]
        second.plot(steps, middle, color=COLOURS[number], linewidth=2.0, label=f"{way}   {middle[-1]:.1f}")
    second.set_xlabel("steps", fontsize=8.5)
    second.legend(frameon=False, fontsize=9, loc="lower right")
    quiet(third, "top-1, differences within seeds: mean, 95 % interval")
    shown = [COST, "B as B - A as A", "B as B - A as B"]  # what scratch lacks is on another scale
    for height, label in enumerate(reversed(shown)):
        worth = document["differences"][label]
        if worth is None:
            continue
        colour = COLOURS[4] if label == COST else INK
        if worth["low"] is not None:
            third.plot([worth["low"], worth["high"]], [height, height], color=colour, linewidth=2.2)
        third.plot([worth["mean"]], [height], "o", color=colour)
        above, below = DIFFERENCES[label]
        each = [100 * (row[above]["top1"] - row[below]["top1"]) for row in rows if above in row and below in row]
        third.plot(each, [height - 0.18] * len(each), "|", color=colour, markersize=7, alpha=0.7)
    third.axvline(0, color=PALE, linewidth=1.6, zorder=0)
    third.set_yticks(range(len(shown)), [label.replace(" - ", "\n− ") for label in reversed(shown)])
    third.set_ylim(-0.5, len(shown) - 0.5)
    save(drawing, path)


if __name__ == "__main__":
    main()
