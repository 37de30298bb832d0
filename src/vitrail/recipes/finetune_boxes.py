"""Your own pictures with boxes, and masks where there are any."""

from __future__ import annotations

from vitrail.data.settings import DetectionAugment, DetectionPreprocessing, Sides
from vitrail.recipes.recipe import AdamW, Boxes, Cosine, Groups, Model, Recipe

EXEMPT = ("absolute_pos_embed", "table", "norm")  # of the papers' configurations; biases of maps decay


def finetune_boxes() -> Recipe:
    """Your own pictures with boxes, 50 epochs; classes and masks are those of the pictures.

    model.name=mask_rcnn_iwin_nano and the like learn masks, too. weights=PATH|NAME begins from a detector, or from a
    classifier's weights for the backbone; without, everything begins at random.
    Cost: not measured.     Command: vitrail train finetune_boxes --data FOLDER weights=PATH
    """
    return Recipe(
        model=Model("retinanet_iwin_nano", size=(320, 320), overrides={"channels": 128, "tower": 2}),
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
