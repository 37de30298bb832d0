"""Your own pictures with boxes, and masks where there are any."""

from __future__ import annotations

from vitrail.data.settings import DetectionAugment, DetectionPreprocessing, Sides
from vitrail.recipes.recipe import AdamW, Boxes, Cosine, Groups, Model, Recipe

# what is trained where there are no weights; its kind is also what a classifier's weights get
SMALL = Model("retinanet_iwin_nano", size=(320, 320), overrides={"channels": 128, "tower": 2})


def finetune_boxes() -> Recipe:
    """Your own pictures with boxes, 50 epochs; classes and masks are those of the pictures.

    weights=PATH|NAME says what it begins from: a detector, whose model and preprocessing it takes, with the sizes of
    training pictures in proportion; or a classifier, on which a RetinaNet is put. Without weights a small RetinaNet
    begins at random. model.name=mask_rcnn_iwin_nano and the like learn masks, too, and begin from weights of the same
    detector or of its backbone; model.overrides.channels=64 model.overrides.width=256 model.overrides.regions=128 make
    their heads light enough for a CPU.
    A detector that knows much already wants less: optimizer.lr=1e-4, and groups.frozen=2 keeps the stem and the first
    stage.
    Cost: not measured.     Command: vitrail train finetune_boxes --data FOLDER weights=PATH
    """
    return Recipe(
        model=Model("auto", size=SMALL.size),
        data=Boxes(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.05),
        groups=Groups(exempt=("vector", "named")),
        schedule=Cosine(warmup=1, start=1e-5, end=1e-6),
        epochs=50,
        batch=8,
        preprocessing=DetectionPreprocessing(resize=Sides(320, 320, 32, 640)),
        augment=DetectionAugment(resize=Sides(256, 384, 32, 640)),
        clip=10.0,
    )
