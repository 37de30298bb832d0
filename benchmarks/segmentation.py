"""segmentation_models.pytorch's UperNet on a timm encoder in vitrail's own loop, on the same pictures.

    vitrail train finetune_pixels --data DATA --out ours         # the runs to compare it with
    python benchmarks/segmentation.py DATA theirs [FIELD=VALUE]... --encoder tu-mobilenetv3_small_100 --epochs 24
    python benchmarks/detection.py draw benchmarks/segmentation ours theirs --score mIoU

Everything but the model is the recipe's: pictures, augmentation, optimizer, schedule, metric.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vitrail import count, keep_memory
from vitrail.models.segmenters import IGNORED, Segmenter, pixel_loss
from vitrail.recipes.find import find
from vitrail.recipes.overrides import apply
from vitrail.recipes.run import Options, prepare, rate_of
from vitrail.recipes.sources import named
from vitrail.recipes.start import resolve
from vitrail.train import optimizer as optimizers
from vitrail.train.checkpoint import Checkpoints
from vitrail.train.loop import Run, fit
from vitrail.train.processes import ALONE
from vitrail.train.record import Record

CPU = torch.device("cpu")


class Theirs(Segmenter):
    """UPerNet from random weights: (B, 3, H, W) -> logits (B, K, H, W), sides multiples of 32 inside."""

    def __init__(self, encoder: str, classes: int, channels: int) -> None:
        nn.Module.__init__(self)
        import segmentation_models_pytorch as smp

        self.inner = smp.UPerNet(encoder, encoder_weights=None, classes=classes, decoder_channels=channels)

    def no_weight_decay(self) -> set[str]:
        return set()

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        whole = nn.functional.pad(images, (0, -width % 32, 0, -height % 32))
        return self.inner(whole)[..., :height, :width]

    def loss(self, images: Tensor, labels: Tensor, ignored: int = IGNORED) -> dict[str, Tensor]:
        return {"pixels": pixel_loss(self(images), labels, ignored)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--encoder", default="tu-mobilenetv3_small_100")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=24)
    given = parser.parse_args()
    keep_memory()  # as the command does by itself
    torch.set_num_threads(1)
    recipe = resolve(apply(find("finetune_pixels"), given.overrides))
    recipe = replace(recipe, data=named(given.data, recipe.data), epochs=given.epochs)
    plan, held_out = prepare(recipe, CPU, ALONE, Options("cpu", workers=0))
    torch.manual_seed(recipe.seed)
    model = Theirs(given.encoder, len(held_out.classes), given.channels)
    chosen: Sequence[str] = recipe.groups.exempt
    rates = recipe.optimizer
    found = optimizers.groups(model, rates.weight_decay, chosen)
    learner = optimizers.adamw(found, rates.lr, rates.betas, rates.eps)  # type: ignore[union-attr]
    plan = replace(plan, model=model, optimizer=learner, rate=rate_of(recipe, plan.steps))
    given.out.mkdir(parents=True, exist_ok=True)
    record = Record(given.out)
    parameters = count.parameters(model)
    record.say(f"segmentation_models.pytorch's UPerNet on {given.encoder}, {parameters:,} parameters")
    metric = fit(Run(plan, record, Checkpoints(given.out / "checkpoints")))
    record.close({"model": f"smp upernet {given.encoder}", "parameters": parameters, **metric.compute()})


if __name__ == "__main__":
    main()
