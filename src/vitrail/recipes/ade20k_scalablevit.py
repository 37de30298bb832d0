"""ScalableViT (arXiv 2203.10790) on ADE20K, tables 4, 5 and 7, with its appendix C; `ade20k` has the rest.

Code and weights of its segmenters were never released. The paper does not give the drop path here: it is ImageNet's;
nor the range of sizes in training, which is that of the codes it follows, nor anything exempt from weight decay.
The rows of tables 5 and 7 begin from ImageNet's weights of the same variant. Table 5b prints no mIoU for LEM alone or
with PEG; table 7 does for the latter.
"""

from __future__ import annotations

from dataclasses import replace

from vitrail.recipes.ade20k import semantic_fpn, upernet
from vitrail.recipes.recipe import Groups, Recipe

SMALL = "semantic_fpn_scalablevit_small"


def semantic_fpn_scalablevit_small_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S on ADE20K.  Paper: 44.9 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_scalablevit_small", drop_path=0.2)


def semantic_fpn_scalablevit_base_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-B on ADE20K.  Paper: 48.4 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_base_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_scalablevit_base", drop_path=0.5)


def semantic_fpn_scalablevit_large_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-L on ADE20K.  Paper: 49.4 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_large_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_scalablevit_large", drop_path=0.5)


def upernet_scalablevit_small_ade20k() -> Recipe:
    """UperNet on ScalableViT-S on ADE20K.  Paper: 48.5 mIoU, 49.4 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_scalablevit_small_ade20k --data /path weights=PATH
    """
    return replace(upernet("upernet_scalablevit_small", drop_path=0.2), groups=Groups(exempt=()))


def upernet_scalablevit_base_ade20k() -> Recipe:
    """UperNet on ScalableViT-B on ADE20K.  Paper: 49.5 mIoU, 50.4 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_scalablevit_base_ade20k --data /path weights=PATH
    """
    return replace(upernet("upernet_scalablevit_base", drop_path=0.5), groups=Groups(exempt=()))


def upernet_scalablevit_large_ade20k() -> Recipe:
    """UperNet on ScalableViT-L on ADE20K.  Paper: 49.8 mIoU, 50.7 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_scalablevit_large_ade20k --data /path weights=PATH
    """
    return replace(upernet("upernet_scalablevit_large", drop_path=0.5), groups=Groups(exempt=()))


def semantic_fpn_scalablevit_small_wsa_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with windows alone on ADE20K.  Paper: 38.9 mIoU.  Ours: not trained yet.

    Table 5a's WSA.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_wsa_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, pattern=("window",), local="none")


def semantic_fpn_scalablevit_small_iwsa_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with IWSA alone on ADE20K.  Paper: 43.5 mIoU.  Ours: not trained yet.

    Table 5a's IWSA.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_iwsa_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, pattern=("window",))


def semantic_fpn_scalablevit_small_ssa_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with SSA alone on ADE20K.  Paper: 44.4 mIoU.  Ours: not trained yet.

    Table 5a's SSA.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_ssa_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, pattern=("ssa",))


def semantic_fpn_scalablevit_small_ssa_1_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with SSA alone, r_c = 1 on ADE20K.  Paper: 43.7 mIoU.  Ours: not trained yet.

    Table 5a's SSA without scaled channels.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_ssa_1_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, pattern=("ssa",), ratios=(1.0, 1.0, 1.0, 1.0))


def semantic_fpn_scalablevit_small_plain_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S without PEG and LIM on ADE20K.  Paper: 41.7 mIoU.  Ours: not trained yet.

    Table 5b's first row.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_plain_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, peg=False, local="none")


def semantic_fpn_scalablevit_small_peg_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with PEG, without LIM on ADE20K.  Paper: 43.2 mIoU.  Ours: not trained yet.

    Table 5b's second row.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_peg_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, local="none")


def semantic_fpn_scalablevit_small_lim_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with LIM, without PEG on ADE20K.  Paper: 43.7 mIoU.  Ours: not trained yet.

    Table 5b's fourth row.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_lim_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, peg=False)


def semantic_fpn_scalablevit_small_lem_ade20k() -> Recipe:
    """Semantic FPN on ScalableViT-S with LEM in place of LIM on ADE20K.  Paper: 41.1 mIoU.  Ours: not trained yet.

    Table 7's first row.
    Cost: not measured.     Command: vitrail train semantic_fpn_scalablevit_small_lem_ade20k --data /path weights=PATH
    """
    return semantic_fpn(SMALL, drop_path=0.2, local="lem")


RECIPES = (
    semantic_fpn_scalablevit_small_ade20k,
    semantic_fpn_scalablevit_base_ade20k,
    semantic_fpn_scalablevit_large_ade20k,
    upernet_scalablevit_small_ade20k,
    upernet_scalablevit_base_ade20k,
    upernet_scalablevit_large_ade20k,
    semantic_fpn_scalablevit_small_wsa_ade20k,
    semantic_fpn_scalablevit_small_iwsa_ade20k,
    semantic_fpn_scalablevit_small_ssa_ade20k,
    semantic_fpn_scalablevit_small_ssa_1_ade20k,
    semantic_fpn_scalablevit_small_plain_ade20k,
    semantic_fpn_scalablevit_small_peg_ade20k,
    semantic_fpn_scalablevit_small_lim_ade20k,
    semantic_fpn_scalablevit_small_lem_ade20k,
)
