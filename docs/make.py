"""Make what the docs and the README show: tables from the models themselves, pictures by our own code.

python docs/make.py            writes the files
python docs/make.py --check    writes nothing, and fails if a table is not what it would write
"""

from __future__ import annotations

import sys
from pathlib import Path

import vitrail
from vitrail.insight.figures import FIGURES, Figure
from vitrail.recipes.show import draw_kinds

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FAMILIES = {
    "iwin": "[Iwin](https://arxiv.org/abs/2507.18405)",
    "swin": "[Swin](https://arxiv.org/abs/2103.14030)",
    "scalablevit": "[ScalableViT](https://arxiv.org/abs/2203.10790)",
}
MARK = "<!-- models: made by docs/make.py -->"


def model_table() -> str:
    """Every classifier with its cost, one row each."""
    lines = ["| model | paper | parameters | multiply-adds at 224² |", "|---|---|--:|--:|"]
    for name in vitrail.list_models():
        if not name.startswith("dense_"):
            row = vitrail.describe(name)
            cost = f"{row['parameters'] / 1e6:.1f} M | {row['multiply_adds'] / 1e9:.2f} G"
            lines.append(f"| `{name}` | {FAMILIES[name.split('_')[0]]} | {cost} |")
    return "\n".join(lines)


def figure_row(figure: Figure) -> str:
    """One row of a paper's table beside ours."""
    ours = figure.ours()
    millions, giga = (f"{value:g}" if value is not None else "–" for value in figure.printed)
    measured = "–" if figure.giga is None else f"{figure.giga:.3f}"
    return (
        f"| {figure.row} | `{figure.call}` | {ours['parameters']:,} | {figure.parameters:,} | {millions} "
        f"| {ours['multiply_adds'] / 1e9:.3f} | {measured} | {giga} |"
    )


def figures_page() -> str:
    """docs/figures.md: the papers' figures, the releases' and ours."""
    parts = [
        "# The papers' figures beside ours",
        "Made by `docs/make.py` from `vitrail.insight.figures`; a test holds every row. Parameters are counted to the "
        "last one. Multiply-adds are of one picture, in 10⁹, with both products of attention; *expected* is the "
        "released code measured the same way, or what the described structure comes to where none was released, "
        "*printed* what the paper's table shows (ScalableViT-B and -L leave the "
        'products of attention out; Iwin\'s "down: DWConv" counts a depthwise convolution as a dense one).',
    ]
    for table in dict.fromkeys(figure.table for figure in FIGURES):
        parts.append(f"## {table}")
        head = "| row | ours is | parameters | expected | printed, M | multiply-adds, G | expected | printed |"
        rows = [figure_row(figure) for figure in FIGURES if figure.table == table]
        parts.append("\n".join([head, "|---|---|--:|--:|--:|--:|--:|--:|", *rows]))
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """What each made file should hold."""
    readme = (ROOT / "README.md").read_text()
    before, _, after = readme.split(MARK)
    return {
        ROOT / "README.md": f"{before}{MARK}\n{model_table()}\n{MARK}{after}",
        DOCS / "figures.md": figures_page(),
    }


def pictures() -> None:
    """docs/pictures: windows of one 8 x 8 grid, 4 x 4 tokens each."""
    (DOCS / "pictures").mkdir(exist_ok=True)
    draw_kinds(DOCS / "pictures" / "windows.png")


def main() -> None:
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        if stale:
            sys.exit(
                f"not what docs/make.py makes: {', '.join(str(p.relative_to(ROOT)) for p in stale)}; run `make docs`"
            )
        return
    for path, text in made.items():
        path.write_text(text)
    pictures()


if __name__ == "__main__":
    main()
