"""Your own pictures with label maps."""

from __future__ import annotations

from vitrail.data.pixel_settings import Fit, PixelAugment, PixelPreprocessing
from vitrail.recipes.recipe import AdamW, Groups, Model, Pixels, Polynomial, Recipe

# what is trained where there are no weights; its kind is also what other networks' weights get
SMALL = Model("upernet_iwin_nano", size=(256, 256), overrides={"channels": 128})


def finetune_pixels() -> Recipe:
    """Your own pictures with a class for each pixel, 50 epochs; classes and colours are those of the pictures.

    weights=PATH|NAME says what it begins from: a segmenter, whose model and preprocessing it takes, with crops in
    proportion; or a classifier, on which an UperNet is put. Without weights a small UperNet begins at random;
    model.name=semantic_fpn_iwin_nano is a faster one. A segmenter that knows much wants less: optimizer.lr=1e-4.
    Pictures are resized to a shorter side of 320 pixels, and cropped to 256 in training: preprocessing.resize.shortest
    and augment.crop say otherwise, preprocessing.resize=none leaves their size.
    Cost: not measured.     Command: vitrail train finetune_pixels --data FOLDER
    """
    return Recipe(
        model=Model("auto", size=SMALL.size),
        data=Pixels(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.05),
        groups=Groups(exempt=("vector", "named")),
        schedule=Polynomial(warmup=1, start=1e-5),
        epochs=50,
        batch=8,
        preprocessing=PixelPreprocessing(resize=Fit(1280, 320)),
        augment=PixelAugment(crop=(256, 256)),
        clip=10.0,
    )
