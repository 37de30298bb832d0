"""The page on reach, docs/reach.md, and its picture, for docs/make.py."""

from __future__ import annotations

from pathlib import Path

from vitrail.insight.reach import Condition, Sides, StageReach, follow
from vitrail.insight.reach_maps import draw
from vitrail.insight.reach_published import KERNELS, SQUARES, Minimum, Standing, minimums, standings

PICTURED = ("iwin_tiny", (224, 224))


def page() -> str:
    """What Iwin's theorem says, what is true, and where published configurations stand."""
    return (
        "\n\n".join(
            [
                "# Which token can influence which",
                "Made by `docs/make.py` from `vitrail.insight.reach`; a test holds every number. Each block states its "
                "links, which position reads which, and links compose exactly: at 256 × 256 positions too, since a "
                "window and a convolution are products of one relation along each axis. "
                "[Autograd agrees](mixers.md): what is linked has a gradient, what is not has none.",
                "```\nvitrail reach iwin_tiny --size 224x224\nvitrail reach iwin_tiny window=14 kernels=7,5,3,3 "
                "--size 448x448 --draw reach.png\nvitrail reach flashdit_xl_1 --size 32x32 --json\nvitrail reach "
                "video_iwin_tiny --size 32x224x224\nvitrail reach iwin_lm_tiny stride=32 --size 1024\n"
                "vitrail reach --published\n```",
                "## The theorem as printed",
                "An interleaved window holds every G-th position along an axis, G = side / M for windows of M × M; "
                "beside it stands a K × K convolution. Iwin's theorem 3 (arXiv 2507.18405) says that one block "
                "connects every pair of positions if K·M ≥ max(H, W). Its proof goes from a position to another of its "
                "own window by attention, and from there to any other by the convolution, at most K away (lemma 2).",
                "## What is true",
                "- A K-wide convolution reaches r = (K − 1) / 2 a side, not K.\n"
                "- In the block that the paper trains, attention and convolution read the same input and their results "
                'are added ("parallel", figure 3\'s S1). They do not compose: one block links a position to its '
                "residue class and to its K × K neighbours, nothing else. It is global only if G = 1 or r ≥ side − 1.\n"
                "- **Two parallel blocks are global exactly when r ≥ G − 1, that is K ≥ 2·max(H, W)/M − 1**, for "
                "M ≥ 2. First attention, then convolution: from the first row the nearest position of its class to the "
                "last row is G − 1 away.\n"
                '- **One serial block ("S3", attention reads what the convolution gave) is global under the same '
                "condition.** For it, with this condition, the theorem holds.\n"
                "- Away from the border the nearest position of a class is ⌊G/2⌋ away at most, and K ≥ G (odd) or "
                "G + 1 (even) is enough for positions that far from every edge: close to the printed condition. At the "
                "border only one side has any, and the distance grows to G − 1.\n"
                "- n parallel blocks are global if n ≥ ⌈⌊G/2⌋ / r⌉ + 2: attend, convolve towards the class, attend.\n"
                "- Where windows do not divide the grid, the condition is enough, and less may do.",
                "## Smallest numbers of blocks",
                "Of Iwin's own block on a square; parallel, in brackets serial. *Printed* is the paper's condition "
                "for one block.",
                minimum_table(),
                "## Iwin-T at 224, stage by stage",
                "![What three positions read after each block](pictures/reach_iwin_tiny.png)",
                "What a position (red) in the centre, at an edge and in a corner reads, coloured by the block after "
                "which it does, in both structures, and the share of all pairs. "
                "`vitrail reach iwin_tiny --size 224x224 --draw reach_iwin_tiny.png` draws it.",
                "## Where published configurations stand",
                "*Global after* counts blocks of the stage's own kind, beyond those it has where that takes more; "
                "*serial* the same were Iwin's block serial. *Share* is that of all pairs which the stage's own blocks "
                "link. *K for two* is the kernel with which two parallel blocks would be global. Variants that are not "
                "listed differ in the blocks of stage 3 alone.",
                published_table(),
                "All of this is within a stage: a later one sees, with coarser positions, what earlier ones mixed. At "
                "224 stages 1 and 2 of Iwin, two blocks each, are not global, and stage 3, which K·M ≥ max(H, W) "
                "promises in one block, takes two. At 1024 stage 1 links 3.5 % of its pairs. The dense backbone has no "
                "convolution in its last stage whatever the picture: above 224 pixels a position there never leaves "
                "its residue class. Swin moves half a window a block; the last stage of Video Swin has its two blocks "
                "for two windows in time, and needs three. ScalableViT's second block reads everything, by reduction.",
            ]
        )
        + "\n"
    )


def minimum_table() -> str:
    """The squares in rows, kernels in columns."""
    found = {(each.side, each.window, each.kernel): each for each in minimums()}
    head = "| side / M | G | " + " | ".join(f"K = {k}" for k in KERNELS) + " | printed, for K = 3 |"
    lines = [head, "|---|--:|" + "--:|" * len(KERNELS) + "---|"]
    for strides, squares in SQUARES.items():
        for side, window in squares:
            row = [found[side, window, kernel] for kernel in KERNELS]
            cells = " | ".join(_minimum(each) for each in row)
            lines.append(f"| {side} / {window} | {strides} | {cells} | {_yes(row[0].paper)} |")
    return "\n".join(lines)


def published_table() -> str:
    """A line for each stage of each configuration."""
    titles = ["configuration", "stage", "grid", "windows", "K", "blocks", "global after", "serial", "share"]
    lines = ["| " + " | ".join([*titles, "K·M ≥ side", "K for two"]) + " |"]
    lines.append("|---|--:|---|---|---|--:|--:|--:|--:|---|--:|")
    lines += ["| " + " | ".join(_standing(row)) + " |" for row in standings()]
    return "\n".join(lines)


def picture(folder: Path) -> None:
    """reach_iwin_tiny.png."""
    name, size = PICTURED
    draw(name, follow(name, size), folder / f"reach_{name}.png")


def _standing(row: Standing) -> list[str]:
    stage, serial = row.own, "" if row.serial is None else str(row.serial)
    first = f"{row.title}: `{row.model}`, {_sides(row.size)}" if stage.stage == 1 else ""
    return [first, *_stage(stage), _count(stage.blocks_until_global, stage.depth), serial, *_said(stage)]


def _stage(stage: StageReach) -> list[str]:
    windows = " ".join(map(_sides, stage.windows)) + (", shifted" if stage.shifts else "")
    return [str(stage.stage), _sides(stage.grid), windows, " ".join(map(_sides, stage.kernels)), str(stage.depth)]


def _said(stage: StageReach) -> list[str]:
    return [_percent(stage.share_within_stage), *_conditions(stage.condition)]


def _conditions(condition: Condition | None) -> list[str]:
    return [_yes(condition.paper), str(condition.kernel_wanted)] if condition else ["", ""]


def _count(blocks: int | None, depth: int) -> str:
    """In bold where the stage has fewer."""
    if blocks is None:
        return "**never**"
    return f"**{blocks}**" if blocks > depth else str(blocks)


def _minimum(each: Minimum) -> str:
    return f"{each.parallel} ({each.serial})"


def _percent(share: float) -> str:
    """Never 100 where a pair is missing."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.9):.1f} %"


def _sides(sides: Sides) -> str:
    return " × ".join(map(str, sides))


def _yes(whether: bool) -> str:
    return "yes" if whether else "no"
