"""What tells Video Iwin the time: accuracy on drawn motions with each way, as they are and with frames shuffled; cost.

    python benchmarks/moving.py FOLDER [--epochs 20] [--only embed] [--clips 1500]
    python benchmarks/moving.py FOLDER --json moving.json --draw moving.png        of what is in FOLDER, too

Each network learns which of six motions a clip shows; the classes are three pairs, each the other's reversal, with the
same frames. It is asked about 2400 clips of another seed. "right" is the share of those that it names right. "inside
pairs" is the share of a pair's clips for which, of its two classes, the right one is the likelier: one half is what a
model without time gets, and what any model must get where the frames come in an order drawn at random. Multiply-adds
are those of the Tiny network of that way on 32 frames of 224 x 224, attention counted; Video Swin-T stands beside them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vitrail import keep_memory
from vitrail.data.clip_batches import ClipBatches
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, Sampling
from vitrail.data.loader import Loader
from vitrail.data.moving import CLASSES
from vitrail.data.moving import Moving as Drawn
from vitrail.data.randomness import seeded
from vitrail.draw.curves import draw_curves
from vitrail.insight.machine import machine, versions
from vitrail.models.catalogue import describe
from vitrail.recipes.find import find
from vitrail.recipes.recipe import AdamW, Cosine, Model, Moving, Recipe
from vitrail.recipes.run import Options, train
from vitrail.train.record import read
from vitrail.weights import open_model

CPU, SEED, FRAMES, SIZE, ASKED = torch.device("cpu"), 0, 8, 32, 2400
PAIRS = [f"{CLASSES[at]}/{CLASSES[at + 1]}" for at in range(0, 6, 2)]
SMALL = {"dim": 32, "depths": (2, 2, 2), "heads": (1, 2, 4), "frames": FRAMES, "dropout": 0.1}
WAYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # model, its fields when small, and when Tiny
    "embed": ("iwin", {"window": 4}, {}),
    "interleave": (
        "iwin",
        {"window": 4, "time": "interleave", "time_window": 2},
        {"time": "interleave", "time_window": 8},
    ),
    "interleave short": (
        "iwin",
        {"window": 4, "time": "interleave", "time_window": 1},
        {"time": "interleave", "time_window": 4},
    ),
    "kernel": ("iwin", {"window": 4, "time": "kernel"}, {"time": "kernel"}),
    "narrow": ("iwin", {"window": 2}, {"window": 4}),
    "swin": ("swin", {"window": (2, 4, 4)}, {}),
}


def recipe(way: str, epochs: int, clips: int) -> Recipe:
    """The same for all ways: no mirror images, which are another class."""
    family, small, _ = WAYS[way]
    kernels = {"kernels": (3, 3, 3)} if family == "iwin" else {}
    return replace(
        find("finetune_clips"),
        model=Model(f"video_{family}_nano", (SIZE, SIZE), {**SMALL, **kernels, **small}),
        data=Moving(clips, frames=FRAMES * 2, size=SIZE, seed=SEED),
        optimizer=AdamW(lr=2e-3, weight_decay=0.05),
        schedule=Cosine(warmup=1, start=1e-5, end=1e-6),
        epochs=epochs,
        batch=16,
        preprocessing=ClipPreprocessing(sampling=Sampling(FRAMES, 2), share=1.0),
        augment=ClipAugment(crop=None, flip=0.0),
        smoothing=0.0,
        clip=1.0,
    )


@torch.no_grad()
def asked(run: Path, chosen: Recipe, shuffled: bool) -> dict[str, Any]:
    """ "right", and "inside pairs" of each pair; the frames of each clip in a random order of its own if `shuffled`."""
    model, _ = open_model(run / "model.safetensors")
    unseen = Drawn(ASKED, chosen.data.frames, SIZE, seed=SEED + 1000)  # type: ignore[union-attr]
    batches = ClipBatches(unseen, chosen.model.size, chosen.preprocessing, None, 0)  # type: ignore[arg-type]
    right, inside = 0, Counter[str]()
    for number, batch in enumerate(Loader(batches, 48, False).epoch(0)):
        images = batch.images
        if shuffled:
            with seeded(SEED, number):
                images = torch.stack([clip[:, torch.randperm(clip.shape[1])] for clip in images])
        scores = model(images)
        other = batch.target + 1 - 2 * (batch.target % 2)  # the class of the reversal
        rows = torch.arange(len(scores))
        right += int((scores.argmax(1) == batch.target).sum())
        for target, better in zip(batch.target, scores[rows, batch.target] > scores[rows, other], strict=True):
            inside[PAIRS[int(target) // 2]] += int(better)
    shares = {pair: round(3 * inside[pair] / ASKED, 4) for pair in PAIRS}
    return {"right": round(right / ASKED, 4), "inside pairs": shares}


def cost(way: str) -> float:
    """G multiply-adds of the Tiny network."""
    family, _, tiny = WAYS[way]
    return describe(f"video_{family}_tiny", 400, (224, 224), **tiny)["multiply_adds"] / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--clips", type=int, default=1500)
    parser.add_argument("--only", choices=WAYS, action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--draw", type=Path)
    given = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    for way in given.only or ([] if given.json or given.draw else WAYS):
        learn(way, given.folder, recipe(way, given.epochs, given.clips))
    rows = [json.loads(each.read_text()) for way in WAYS if (each := place(given.folder, way) / "row.json").is_file()]
    if given.json:
        document = {"machine": machine(CPU), "versions": versions(), "rows": rows}
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    if given.draw:
        draw_curves(given.draw, {row["way"]: read(place(given.folder, row["way"])) for row in rows})


def place(folder: Path, way: str) -> Path:
    return folder / way.replace(" ", "_")


def learn(way: str, folder: Path, chosen: Recipe) -> None:
    """Trains, asks, and writes row.json into the run."""
    out = place(folder, way)
    summary = train(chosen, out, Options("cpu", workers=0), again=True)
    assert summary
    row = {
        "way": way,
        "parameters": summary["parameters"],
        "as they are": asked(out, chosen, False),
        "shuffled": asked(out, chosen, True),
        "tiny_gmacs": round(cost(way), 2),
        "minutes": round(summary["training_seconds"] / 60, 2),
        "curve": [round(epoch["top1"], 4) for epoch in read(out)],
    }
    (out / "row.json").write_text(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
