"""torchvision's RetinaNet with a ResNet-18 in vitrail's own loop, on the same pictures; and the curves of several runs.

    vitrail train finetune_boxes --data DATA --out ours          # the runs to compare it with
    python benchmarks/detection.py peer DATA theirs [FIELD=VALUE]... --epochs 10
    python benchmarks/detection.py draw benchmarks/detection ours theirs

Everything but the model is the recipe's: pictures, augmentation, optimizer, schedule, metric. Drawn is AP50 over the
minutes of training; beside it are written the numbers of every epoch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn

from vitrail import count, keep_memory
from vitrail.data.detections import Detections, Instances
from vitrail.data.settings import DetectionPreprocessing, Sides
from vitrail.draw.curves import draw_curves
from vitrail.insight.machine import machine, versions
from vitrail.models.detectors import Detector
from vitrail.recipes.find import find
from vitrail.recipes.overrides import apply
from vitrail.recipes.run import Options, prepare, rate_of
from vitrail.recipes.sources import named
from vitrail.recipes.start import resolve
from vitrail.train import optimizer as optimizers
from vitrail.train.checkpoint import Checkpoints
from vitrail.train.loop import Run, fit
from vitrail.train.processes import ALONE
from vitrail.train.record import Record, read

CPU = torch.device("cpu")


class Torchvision(Detector):
    """RetinaNet from random weights, all layers learning, batch norms counting; sizes and colours are left alone.

    Args:
        sides: That pictures have in use: its own resize then finds nothing to do.
    """

    def __init__(self, classes: int, sides: Sides) -> None:
        nn.Module.__init__(self)
        from torchvision.models.detection import RetinaNet
        from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
        from torchvision.ops.feature_pyramid_network import LastLevelP6P7

        trunk = resnet_fpn_backbone(
            backbone_name="resnet18",
            weights=None,
            norm_layer=nn.BatchNorm2d,
            trainable_layers=5,
            returned_layers=[2, 3, 4],
            extra_blocks=LastLevelP6P7(256, 256),
        )
        as_it_is = {"min_size": sides.most, "max_size": sides.longest, "_skip_resize": True}  # the last: in training
        alone = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
        self.inner = RetinaNet(trunk, classes, detections_per_img=100, **alone, **as_it_is)

    def no_weight_decay(self) -> set[str]:
        return set()

    def loss(self, images: Tensor, sizes: Sequence[tuple[int, int]], targets: Sequence[Instances]) -> dict[str, Tensor]:
        return self.inner(_cut(images, sizes), [{"boxes": t.boxes, "labels": t.classes} for t in targets])

    @torch.no_grad()
    def predict(
        self,
        images: Tensor,
        sizes: Sequence[tuple[int, int]],
        originals: Sequence[tuple[int, int]] | None = None,
    ) -> list[Detections]:
        frames = sizes if originals is None else originals
        given = []
        for found, size, frame in zip(self.inner(_cut(images, sizes)), sizes, frames, strict=True):
            stretch = torch.tensor([frame[1] / size[1], frame[0] / size[0]] * 2)
            given.append(Detections.of(found["boxes"] * stretch, found["scores"], found["labels"], frame))
        return given


def _cut(images: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    return [image[:, :height, :width] for image, (height, width) in zip(images, sizes, strict=True)]


def peer(data: str, out: Path, epochs: int, overrides: Sequence[str]) -> None:
    """Trains it into a folder of its own."""
    keep_memory()  # as the command does by itself
    torch.set_num_threads(1)
    recipe = resolve(apply(find("finetune_boxes"), overrides))
    recipe = replace(recipe, data=named(data, recipe.data), epochs=epochs)
    plan, held_out = prepare(recipe, CPU, ALONE, Options("cpu", workers=0))
    torch.manual_seed(recipe.seed)
    assert isinstance(recipe.preprocessing, DetectionPreprocessing)
    model = Torchvision(len(held_out.classes), recipe.preprocessing.resize)
    chosen = recipe.optimizer
    found = optimizers.groups(model, chosen.weight_decay, recipe.groups.exempt)
    learner = optimizers.adamw(found, chosen.lr, chosen.betas, chosen.eps)  # type: ignore[union-attr]
    plan = replace(plan, model=model, optimizer=learner, rate=rate_of(recipe, plan.steps))
    out.mkdir(parents=True, exist_ok=True)
    record = Record(out)
    record.say(f"torchvision's RetinaNet, ResNet-18, {count.parameters(model):,} parameters")
    metric = fit(Run(plan, record, Checkpoints(out / "checkpoints")))
    record.close({"model": "torchvision retinanet_resnet18", "parameters": count.parameters(model), **metric.compute()})


def draw(path: Path, runs: Sequence[Path], score: str, title: str) -> None:
    """Writes PATH.png and PATH.json."""
    rows, document = {}, {"title": title, "machine": machine(CPU), "versions": versions(), "runs": []}
    for run in runs:
        said = json.loads((run / "summary.json").read_text())
        epochs = read(run)
        rows[said["model"]] = epochs
        minutes = [round(value / 60, 2) for value in accumulate(row["seconds"] for row in epochs)]
        curve = [{"minutes": at, score: round(row[score], 4)} for at, row in zip(minutes, epochs, strict=True)]
        recipe = run / "recipe.json"
        document["runs"].append(
            {
                "model": said["model"],
                "parameters": said["parameters"],
                **{name: said[name] for name in said if name.endswith(("AP", "AP50", "AP75", "mIoU", "mAcc", "aAcc"))},
                "epochs": len(epochs),
                "curve": curve,
                "recipe": json.loads(recipe.read_text()) if recipe.is_file() else None,
            }
        )
        if document["runs"][-1]["recipe"]:
            document["runs"][-1]["recipe"]["data"]["path"] = None
    draw_curves(path.with_suffix(".png"), rows, minutes=True, score=score)
    path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True, dest="kind")
    one = kinds.add_parser("peer")
    one.add_argument("data")
    one.add_argument("out", type=Path)
    one.add_argument("--epochs", type=int, default=20)
    one.add_argument("overrides", nargs="*")
    two = kinds.add_parser("draw")
    two.add_argument("path", type=Path)
    two.add_argument("runs", nargs="+", type=Path)
    two.add_argument("--score", default="AP50")
    two.add_argument("--title", default="")
    given = parser.parse_args()
    if given.kind == "peer":
        peer(given.data, given.out, given.epochs, given.overrides)
    else:
        draw(given.path, given.runs, given.score, given.title)


if __name__ == "__main__":
    main()
