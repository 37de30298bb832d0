"""Make what the docs and the README show: tables from the models and recipes themselves, pictures by our own code.

python docs/make.py                 writes the files
python docs/make.py --check         writes nothing, and fails if a table is not what it would write
python docs/make.py --check NAME    of one file only, such as README.md or recipes.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import vitrail
from vitrail.data.moving import CLASSES, CYCLE, Moving
from vitrail.insight import reach_page, tables, tables_show
from vitrail.insight.costs import costs, count_all
from vitrail.insight.dense_figures import DENSE_FIGURES
from vitrail.insight.figures import FIGURES, Figure
from vitrail.models.catalogue import ROWS
from vitrail.recipes.find import RECIPES
from vitrail.recipes.show import draw_kinds

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FAMILIES = {
    "iwin": "[Iwin](https://arxiv.org/abs/2507.18405)",
    "swin": "[Swin](https://arxiv.org/abs/2103.14030)",
    "scalablevit": "[ScalableViT](https://arxiv.org/abs/2203.10790)",
    "video_iwin": "[Iwin](https://arxiv.org/abs/2507.18405), clips of 32 frames",
    "video_swin": "[Video Swin](https://arxiv.org/abs/2106.13230), clips of 32 frames",
}
MARK = "<!-- models: made by docs/make.py -->"


def model_table() -> str:
    """Every classifier with its cost, one row each."""
    lines = ["| model | paper | parameters | multiply-adds at 224² |", "|---|---|--:|--:|"]
    for name in ROWS:
        family = "_".join(name.split("_")[: 2 if name.startswith("video_") else 1])
        if family in FAMILIES:
            row = vitrail.describe(name)
            cost = f"{row['parameters'] / 1e6:.1f} M | {row['multiply_adds'] / 1e9:.2f} G"
            lines.append(f"| `{name}` | {FAMILIES[family]} | {cost} |")
    return "\n".join(lines)


def figure_row(figure: Figure) -> str:
    """What one network should cost beside what it costs."""
    ours = costs(figure.network)
    expected = "–" if figure.giga is None else f"{figure.giga:.3f}"
    return (
        f"| {figure.row} | `{figure.network.call}` | {ours.parameters:,} | {figure.parameters:,} "
        f"| {ours.whole / 1e9:.3f} | {expected} |"
    )


def figures_page() -> str:
    """docs/figures.md: what the releases count, and ours."""
    parts = [
        "# What the releases count, and ours",
        "Made by `docs/make.py` from `vitrail.insight.figures`; a test holds every row. What the papers print stands "
        "in [their tables](tables.md). Parameters are counted to the last one. Multiply-adds are of one picture, one "
        "clip of 32 frames or one latent, at 224² where no size is named, in 10⁹, with both products of attention; "
        "*expected* is the released code measured the same way, or what the described structure comes to where none "
        "was released.",
        "**Iwin on clips.** The paper prints 74 G for Iwin-T beside Swin-T's 88 G, and 140 G for Iwin-S beside 166 G, "
        "but leaves the products of attention out of its own and not out of Swin's. Counted alike Iwin-T costs 109 G, "
        "a quarter more than Swin-T, and Iwin-S 199 G, a fifth more than Swin-S: a window of Iwin holds "
        '16 × 7 × 7 = 784 tokens, one of Swin 8 × 7 × 7 = 392. "Video, options of Iwin-T" below shows what each way '
        "to smaller windows would cost: windows of 8 moments, as Swin's, leave it 4 % above Swin-T; windows of 4 of 16 "
        "moments, interleaved along time, bring it 6 % below, windows of 4 × 4 in space 1 %. None of them was trained "
        "on Kinetics; what they learn of [drawn motions](video.md#what-it-costs-and-what-time-needs) was measured.",
    ]
    for title in dict.fromkeys(figure.table for figure in FIGURES):
        parts.append(f"## {title}")
        head = "| row | ours is | parameters | expected | multiply-adds, G | expected |"
        parts.append(table(head, [figure_row(figure) for figure in FIGURES if figure.table == title]))
    return "\n\n".join([*parts, *dense_tables()]) + "\n"


def dense_row(figure: Figure) -> str:
    """One detector or segmenter in both ways of counting."""
    ours = costs(figure.network)
    counted = " | ".join(f"{value / 1e9:.2f}" for value in (ours.whole, ours.without, ours.padding, ours.released))
    return f"| `{figure.name}` | {ours.parameters:,} | {figure.parameters:,} | {counted} |"


def dense_tables() -> list[str]:
    """The part of docs/figures.md on detectors and segmenters."""
    parts = [
        "## Detectors and segmenters",
        "Of detectors at 800 × 1280 with 1000 regions and 100 masks, 80 classes; of segmenters at 512 × 2048 without "
        "the auxiliary head, 150 classes. Two ways of counting: *with* the products of attention, and *without* them, "
        "as counters of modules do. Printed figures mix the two: Swin's own detection and UperNet figures have them, "
        "those of Iwin and ScalableViT do not, nor do Swin's in ScalableViT's table 3 and its Semantic FPN column. "
        "The releases also project the zeros that fill up windows; ours does not where that is cheaper, and *padding* "
        "is what it saves. *Released* is the first and the third together, everything that the released network "
        "multiplies. Counted alike and whole, Mask R-CNN on Iwin-T costs more than on Swin-T by the difference of the "
        "first column, not by 1 G. *Expected* parameters are those of the released backbone and of the standard head, "
        "counted layer by layer.",
    ]
    for title in dict.fromkeys(figure.table for figure in DENSE_FIGURES):
        head = "| model | parameters | expected | with, G | without | padding | released |"
        rows = [dense_row(figure) for figure in DENSE_FIGURES if figure.table == title]
        parts.append(f"### {title}")
        parts.append("\n".join([head, "|---|" + "--:|" * 6, *rows]))
    return parts


def tables_page() -> str:
    """docs/tables.md: what `vitrail tables --markdown` says."""
    return tables_show.markdown(tables.make_rows())


def recipe_row(name: str) -> str:
    """One recipe's settings, and the figures that its docstring says were printed."""
    recipe, text = RECIPES[name](), RECIPES[name].__doc__ or ""
    size = " x ".join(map(str, dict.fromkeys(recipe.model.size)))
    way = f"{recipe.optimizer.lr:g} / {recipe.optimizer.weight_decay:g}"
    start = f"| `{name}` | `{recipe.model.name}` |"
    drop = recipe.model.overrides.get("drop_path", "–")
    if recipe.data.kind == "boxes":
        printed = " / ".join(re.findall(r"([\d.]+) (?:box|mask) AP", text)) or "–"
        return f"{start} {recipe.epochs} | {recipe.batch} | {recipe.optimizer.kind} {way} | {drop} | {printed} |"
    if recipe.data.kind == "pixels":
        printed = " / ".join(re.findall(r"([\d.]+) (?:mIoU|with several views)", text)) or "–"
        length = f"{recipe.epochs * recipe.steps // 1000}k steps" if recipe.steps else f"{recipe.epochs} epochs"
        return f"{start} {size} | {length} | {recipe.batch} | {recipe.optimizer.kind} {way} | {drop} | {printed} |"
    printed = next(iter(re.findall(r"([\d.]+) top-1", text)), "–")
    return f"{start} {size} | {recipe.epochs} | {recipe.batch} | {way} | {drop} | {printed} |"


def made_row(name: str) -> str:
    """One recipe of a generator."""
    recipe, text = RECIPES[name](), RECIPES[name].__doc__ or ""
    size = " x ".join(map(str, dict.fromkeys(recipe.model.size)))
    printed = next(iter(re.findall(r"([\d.]+) gFID", text)), "–")
    start = f"| `{name}` | `{recipe.model.name}` | {size} | {recipe.epochs} | {recipe.batch} |"
    return f"{start} {recipe.optimizer.lr:g} | {printed} |"


def table(titles: str, rows: list[str]) -> str:
    """Rows below their titles, words in the first two columns and numbers in the others."""
    return "\n".join([titles, "|---|---|" + "--:|" * (titles.count("|") - 3), *rows])


def recipes_page() -> str:
    """docs/recipes.md: what `vitrail train NAME` trains."""
    made = {name: make() for name, make in RECIPES.items()}
    making = [name for name, recipe in made.items() if recipe.preprocessing.kind == "generation"]
    kinds = {name: recipe.data.kind for name, recipe in made.items() if name not in making}
    pictures = [recipe_row(name) for name, kind in kinds.items() if kind in ("folder", "digits")]
    boxes = [recipe_row(name) for name, kind in kinds.items() if kind == "boxes"]
    pixels = [recipe_row(name) for name, kind in kinds.items() if kind == "pixels"]
    others = [recipe_row(name) for name, kind in kinds.items() if kind in ("clips", "moving")]
    texts = [recipe_row(name) for name, kind in kinds.items() if kind == "texts"]
    titles = "| recipe | model | size | epochs | batch | lr / weight decay | drop path |"
    parts = [
        "# Recipes",
        "Made by `docs/make.py` from `vitrail.recipes`. `vitrail train NAME --data FOLDER` follows one; each is a "
        "Python function whose docstring gives its source, and where paper and code differ.",
        "## Classes of pictures",
        "A name ending in `_in22k` trains on ImageNet-22k and in `_in22k_in1k` on ImageNet-1k from those weights; 384, "
        "512 and 1024 begin from weights at 224, given as `weights=PATH`. The last column is what the paper prints, or "
        "the release where the docstring says so; no recipe of ImageNet was trained by us yet.",
        table(f"{titles} printed top-1 |", pictures),
        "## Clips",
        "`finetune_clips` is for your own videos. The others train on Kinetics-400 (`k400`), Kinetics-600 (`k600`) and "
        "Something-Something v2 (`ssv2`), from `weights=PATH|NAME`: on Kinetics a classifier of pictures, of "
        "ImageNet-22k where the name has `in22k`, which is inflated; on Something-Something a model of Kinetics-400. "
        "The rate is the head's, that of the backbone a tenth of it: the releases' optimizer keys do not all act as "
        "they are meant, and the recipes follow [what ran](quirks.md). The last column is the top-1 that the paper "
        "prints, of 4 clips times 3 crops, of 10 times 5 at 384, and of 1 times 3 on Something-Something; none was "
        "trained by us yet.",
        table(f"{titles} printed top-1 |", others),
        "## Pictures made of classes",
        "`generate` is for your own pictures, `generate_digits` for scikit-learn's. The others train on latents of "
        "ImageNet, `--data LATENTS` as `vitrail latents` writes them; the size is that of the latent. The last column "
        "is the gFID of 50 000 samples that the paper or the release prints, with guidance; none was trained by us "
        "yet. [How to train and sample](generation.md).",
        table("| recipe | model | size | epochs | batch | lr | printed gFID |", [*map(made_row, making)]),
        "## Text",
        "For your own texts; [how](text.md).",
        table(f"{titles} printed |", texts),
        "## Boxes and masks",
        "`finetune_boxes` is for your own pictures. The others train on COCO 2017, tested with the shorter side at 800 "
        "and the longer at 1333 pixels at most; `1x` is 12 epochs, `3x` 36. Backbones begin from weights of ImageNet, "
        "`weights=PATH|NAME`: a run or a file of the classifier, or a row of the weights table; a file of the same "
        "detector goes on from all of it. The last column is the box and mask AP that the paper prints, or the "
        "release; no recipe of COCO was trained by us yet. Rows of other backbones (PVTv2, ConvNeXt, Twins, DeiT) and "
        "of HTC++, ATSS, RepPoints v2 and Sparse R-CNN are not here.",
        table("| recipe | model | epochs | batch | lr / weight decay | drop path | printed box / mask AP |", boxes),
        "## Classes of pixels",
        "`finetune_pixels` is for your own pictures. The others train on ADE20K, measured after every 16000 steps, "
        "with the shorter side at 512 (640 where the size is 640) and the longer at 4 times that at most. Backbones "
        "begin from weights of ImageNet, `weights=PATH|NAME`. The last column is the mIoU that the paper prints, of "
        "one view and, where there is a second figure, of several; that of ResNet-101 by SGD is of several. No recipe "
        "of ADE20K was trained by us yet. Rows of PVT, Twins, CrossFormer and ConvNeXt are not here; "
        "`model.name=upernet_timm/convnext_tiny` puts another backbone into a recipe.",
        table("| recipe | model | size | length | batch | lr / weight decay | drop path | printed mIoU |", pixels),
    ]
    return "\n\n".join(parts) + "\n"


def readme() -> str:
    """README.md with its table of models."""
    before, _, after = (ROOT / "README.md").read_text().split(MARK)
    return f"{before}{MARK}\n{model_table()}\n{MARK}{after}"


# what makes each file
PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "README.md": readme,
    DOCS / "figures.md": figures_page,
    DOCS / "tables.md": tables_page,
    DOCS / "reach.md": reach_page.page,
    DOCS / "recipes.md": recipes_page,
}


def pictures() -> None:
    """docs/pictures: windows of one 8 x 8 grid, 4 x 4 tokens each; a cycle of each drawn motion; Iwin-T's reach."""
    (DOCS / "pictures").mkdir(exist_ok=True)
    draw_kinds(DOCS / "pictures" / "windows.png")
    draw_motions(DOCS / "pictures" / "moving.gif")
    reach_page.picture(DOCS / "pictures")


def draw_motions(path: Path, side: int = 96, gap: int = 6) -> None:
    """A clip of each class beside the others, in their order."""
    clips = Moving(len(CLASSES), frames=CYCLE, size=side)
    films = [clips.video(clips.targets.index(target)).frames(range(CYCLE)) for target in range(len(CLASSES))]
    frames = []
    for moment in range(CYCLE):
        frame = Image.new("RGB", (len(films) * (side + gap) - gap, side), "white")
        for place, film in enumerate(films):
            frame.paste(Image.fromarray(film[moment]), (place * (side + gap), 0))
        frames.append(frame.quantize(64))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, loop=0)


def main() -> None:
    names = [name for name in sys.argv[1:] if name != "--check"]
    wanted = {path: make for path, make in PAGES.items() if not names or path.name in names}
    if DOCS / "figures.md" in wanted and DOCS / "tables.md" in wanted:
        printed = (row.network for row in tables.printed_rows())
        count_all([*printed, *(figure.network for figure in [*FIGURES, *DENSE_FIGURES])])
    made = {path: make() for path, make in wanted.items()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        if stale:
            sys.exit(
                f"not what docs/make.py makes: {', '.join(str(p.relative_to(ROOT)) for p in stale)}; run `make docs`"
            )
        return
    for path, text in made.items():
        path.write_text(text)
    if not names:
        pictures()


if __name__ == "__main__":
    main()
