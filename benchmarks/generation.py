"""A small FlashDiT beside a LightningDiT of equal size, on digits, in pixels: the same steps, then what they make.

    python benchmarks/generation.py FOLDER [--epochs 150] [--count 2000] [--scale 1.5] [--data digits]
    python benchmarks/generation.py FOLDER --json generation.json --draw generation.png      of what is in FOLDER, too

LightningDiT's MLPs are a little wider, so that both have as many parameters. A classifier, trained on the same real
pictures and none of the made ones, sees the samples: the distances and shares of `vitrail eval RUN --features RUN`,
and how often it takes a sample for the class that was asked for; beside them the same of held-out real pictures, of
which its agreement is its own accuracy. Each without guidance and with a scale of `--scale`. "seconds a step" is the
mean over all epochs but the first, of training alone, one model after the other; "in turn" are training steps of both
alternately, at grids of 8, 16 and 32: medians, and how many times faster FlashDiT is, round by round.

FOLDER/NAME     the runs, with curves.png and samples.png         FOLDER/curves.png      both runs
FOLDER/NAME-classes.png, -sizes.png, -way.png                     grids: with guidance, of 1.5 and 2 times the size and
                                                                  oblong, and from one class to another
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from vitrail import keep_memory
from vitrail.data.generation_batches import FlowBatch
from vitrail.draw.curves import draw_curves
from vitrail.export.timing import seconds, spread
from vitrail.flow.objective import Objective
from vitrail.insight.bench import wait_for
from vitrail.insight.machine import machine, versions
from vitrail.models.catalogue import create_model, describe
from vitrail.models.generator import Generator
from vitrail.recipes import evaluation_generator, sample_pictures, sources, use
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.find import find, of_run
from vitrail.recipes.recipe import Recipe
from vitrail.recipes.run import Options, train
from vitrail.recipes.wanted import Wanted
from vitrail.tasks.generate import Generate
from vitrail.train.processes import find_device
from vitrail.train.record import read

NAMES = ("flashdit_nano_1", "lightningdit_nano_1")
JUDGE = "judge"
GRIDS = {8: 64, 16: 16, 32: 4}  # tokens a side, and pictures: as many tokens in each
ROUNDS = 21


def recipe(name: str, epochs: int, data: str, classes: int) -> Recipe:
    """The same for both, but for the width of LightningDiT's MLPs."""
    base = find("generate_digits")
    base = replace(base, epochs=epochs, data=sources.named(data))
    return replace(base, model=replace(base.model, name=name, overrides=alike(name, classes)))


def alike(name: str, classes: int) -> dict[str, float]:
    """What brings a model nearest to the parameters of the first of `NAMES`: a ratio of its MLPs' widths."""
    if name == NAMES[0]:
        return {}
    wanted = describe(NAMES[0], classes, 8)["parameters"]
    ratios = [4 + step / 20 for step in range(61)]
    sizes = {ratio: describe(name, classes, 8, mlp_ratio=ratio)["parameters"] for ratio in ratios}
    return {"mlp_ratio": min(ratios, key=lambda ratio: abs(sizes[ratio] - wanted))}


def measured(run: Path, judge: Path, count: int, scale: float, device: torch.device) -> dict[str, Any]:
    asked = Asked(features=judge, count=count, sampling=f"scale={scale}")
    setting = Setting(device, print)
    found = evaluation_generator.measured(use.load(run, device), run, None, of_run(run).data, asked, setting)  # type: ignore[arg-type]
    return {**found.document(), "features": judge.name}


def grids(folder: Path, name: str, scale: float, device: torch.device) -> None:
    """Grids of classes, of sizes it was not trained at, and from one class to another."""
    run = folder / name
    trained = use.load(run, device)
    side = trained.size[0]
    sizes = ((side, side), (side * 3 // 2, side * 3 // 2), (2 * side, 2 * side), (side, 2 * side))
    for what, wanted in (
        ("classes", Wanted(count=10, scale=scale)),
        ("sizes", Wanted(count=1, scale=scale, sizes=sizes)),
        ("way", Wanted(interpolate="0,1", count=10, scale=scale)),
    ):
        sample_pictures.made(trained, run, replace(wanted, grid=folder / f"{name}-{what}.png")).write()  # type: ignore[arg-type]


def row(folder: Path, name: str, judge: Path, count: int, scale: float, device: torch.device) -> dict[str, Any]:
    run = folder / name
    summary, lines = json.loads((run / "summary.json").read_text()), read(run)
    steps = max(row["step"] for row in map(json.loads, (run / "steps.jsonl").read_text().splitlines())) // len(lines)
    return {
        "model": name,
        "overrides": of_run(run).model.overrides,
        "parameters": summary["parameters"],
        "steps": steps * len(lines),
        "loss": lines[-1]["loss"],
        "explained": summary["explained"],
        "seconds a step": mean(line["seconds"] for line in lines[1:] or lines) / steps,
        "without guidance": measured(run, judge, count, 1.0, device),
        "with guidance": measured(run, judge, count, scale, device),
    }


def in_turn(classes: int, device: torch.device) -> list[dict[str, Any]]:
    """Training steps of both models alternately, at each of `GRIDS`."""
    rows = []
    for side, batch in GRIDS.items():
        runs = [stepper(name, classes, side, batch, device) for name in NAMES]
        for run in runs:
            run()
        times = [[seconds(run, 1, wait_for(device)) for run in runs] for _ in range(ROUNDS)]
        faster = [round(ratio, 3) for ratio in spread([other / own for own, other in times])]
        middles = {name: round(median(each), 5) for name, each in zip(NAMES, zip(*times, strict=True), strict=True)}
        rows.append({"grid": side, "batch": batch, "seconds": middles, "faster": faster})
    return rows


def stepper(name: str, classes: int, side: int, batch: int, device: torch.device) -> Callable[[], None]:
    """One training step of a new model, on noise."""
    model = create_model(name, num_classes=classes, size=(side, side), **alike(name, classes)).to(device).train()
    assert isinstance(model, Generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    task = Generate(model.null, Objective(), 3, (side, side))
    made = torch.Generator().manual_seed(0)
    pictures = torch.randn(batch, 3, side, side, generator=made).to(device)
    whole = FlowBatch(pictures, torch.randint(classes, (batch,), generator=made).to(device), (), ())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        task.loss(model, whole).total.backward()
        optimizer.step()

    return step


def draw(path: Path, folder: Path) -> None:
    """The curves of both, and below them their grids of classes side by side."""
    draw_curves(folder / "curves.png", {name: read(folder / name) for name in NAMES}, score="explained")
    above = Image.open(folder / "curves.png").convert("RGB")
    below = [Image.open(folder / f"{name}-classes.png").convert("RGB") for name in NAMES]
    gap = 20
    width = max(above.width, sum(each.width + gap for each in below))
    sheet = Image.new("RGB", (width, above.height + gap + max(each.height for each in below)), "white")
    sheet.paste(above, (0, 0))
    at = (width - sum(each.width for each in below) - gap) // 2
    for each in below:
        sheet.paste(each, (at, above.height + gap))
        at += each.width + gap
    sheet.save(path)
    draw_sizes(path.with_name(f"{path.stem}_sizes.png"), folder)


def draw_sizes(path: Path, folder: Path) -> None:
    """Both models' grids of sizes and ways, each below the model's name."""
    font, gap = ImageFont.load_default(size=18), 14
    parts = [
        (name, [Image.open(folder / f"{name}-{what}.png").convert("RGB") for what in ("sizes", "way")])
        for name in NAMES
    ]
    width = max(each.width for _, pictures in parts for each in pictures)
    height = sum(30 + sum(each.height + gap for each in pictures) for _, pictures in parts)
    sheet, top = Image.new("RGB", (width, height), "white"), 0
    for name, pictures in parts:
        ImageDraw.Draw(sheet).text((4, top + 4), name, "black", font)
        top += 30
        for each in pictures:
            sheet.paste(each, (0, top))
            top += each.height + gap
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=find("generate_digits").epochs)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--scale", type=float, default=1.5)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--draw", type=Path)
    given = parser.parse_args()
    keep_memory()
    device, options, folder = find_device(given.device), Options(given.device), given.folder
    data = sources.named(given.data)
    if not (folder / JUDGE / "model.safetensors").is_file():
        train(replace(find("demo"), data=data), folder / JUDGE, options, resume="auto")
    classes = len(use.load(folder / JUDGE).classes)
    for name in NAMES:
        if not (folder / name / "model.safetensors").is_file():
            train(recipe(name, given.epochs, given.data, classes), folder / name, options, resume="auto")
        grids(folder, name, given.scale, device)
    rows = [row(folder, name, folder / JUDGE, given.count, given.scale, device) for name in NAMES]
    turns = in_turn(classes, device)
    for each in (*rows, *turns):
        print(json.dumps(each))
    if given.json:
        given.json.write_text(
            json.dumps({"machine": machine(device), "versions": versions(), "rows": rows, "in turn": turns}, indent=1)
            + "\n"
        )
    if given.draw:
        draw(given.draw, folder)


if __name__ == "__main__":
    main()
