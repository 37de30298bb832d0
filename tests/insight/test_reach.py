"""How far blocks reach: the exact table, the corrected theorem by brute force, autograd, what cannot be followed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oracle import reads
from test_catalogue import filled
from vitrail.errors import InputError
from vitrail.insight.reach import Reach, StageReach, follow, measure
from vitrail.insight.reach_maps import first_reached
from vitrail.insight.reach_page import page
from vitrail.insight.reach_published import KERNELS, PUBLISHED, SQUARES, blocks_until_global
from vitrail.models.catalogue import ROWS, create_model

ONE: dict[str, Any] = {"depths": (1,), "heads": (2,), "dim": 8, "mlp_ratio": 2.0}
IWIN: dict[str, Any] = {**ONE, "kernels": (3,)}

# the smallest number of blocks by windows along a side: parallel (serial), for K = 3, 5, 7
EXACT = {
    8: ((6, 4), (4, 3), (4, 2)),
    4: ((4, 2), (3, 2), (2, 1)),
    2: ((2, 1), (2, 1), (2, 1)),
    16: ((10, 8), (6, 5), (5, 3)),
}


def only(found: Reach, structure: int = 0) -> StageReach:
    (stage,) = found.structures[structure].stages
    return stage


@pytest.mark.parametrize("strides", sorted(EXACT))
def test_the_table_of_smallest_numbers(strides: int) -> None:
    for side, window in SQUARES[strides]:
        assert side == strides * window
        found = [[blocks_until_global(side, window, k, s) for s in ("parallel", "serial")] for k in KERNELS]
        assert found == [list(pair) for pair in EXACT[strides]], (side, window)


def chains(side: int, window: int, kernel: int) -> tuple[list[float], list[float]]:
    """Shares after 1, 2, ... parallel and serial blocks until all is linked, from pairs of positions alone."""
    strides = side // window
    place = np.stack(np.meshgrid(range(side), range(side), indexing="ij"), -1).reshape(-1, 2)
    offset = place[:, None] - place[None]
    attend = (offset % strides == 0).all(-1).astype(np.float32)
    near = (abs(offset) <= kernel // 2).all(-1).astype(np.float32)
    shares = []
    for block in (np.maximum(attend, near), attend @ near):
        linked, found = block, []
        while not found or found[-1] < 1:
            found.append(float((linked > 0).mean()))
            linked = (block @ (linked > 0)).astype(np.float32)
        shares.append(found)
    return shares[0], shares[1]


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("strides", [2, 3, 4, 5])
def test_shares_and_the_corrected_theorem_against_brute_force(window: int, strides: int) -> None:
    side = window * strides
    for kernel in (3, 5, 7, 9):
        more = {**ONE, "depths": (16,), "window": window, "kernels": (kernel,)}
        found = measure("iwin_nano", (4 * side, 4 * side), **more)
        own, serial = (only(found, structure) for structure in (0, 1))
        assert [found.structures[n].structure for n in (0, 1)] == ["parallel", "serial"]
        for stage, shares in zip((own, serial), chains(side, window, kernel), strict=True):
            assert stage.share_after == pytest.approx(shares, abs=1e-12)
            assert stage.blocks_until_global == len(shares)
        assert own.condition and own.condition.strides == (strides, strides)
        two_parallel, one_serial = (own.share_after * 2)[1] == 1, serial.share_after[0] == 1
        assert own.condition.corrected == two_parallel == one_serial == (kernel >= own.condition.kernel_wanted)
        assert own.condition.paper == (kernel * window >= side)
        reach = kernel // 2
        assert own.blocks_until_global and own.blocks_until_global <= -(-(strides // 2) // reach) + 2
        assert (own.blocks_until_global == 1) == (reach >= side - 1)


def test_the_paper_s_condition_fails_in_stages_it_holds_for() -> None:
    """14 x 14 with windows of 7 and K = 3: K·M = 21 >= 14, and one block links a part of the pairs."""
    stage = measure("iwin_tiny", (224, 224)).structures[0].stages[2]
    assert stage.condition and stage.condition.paper and stage.condition.corrected
    assert stage.share_after[0] < 0.3 and stage.blocks_until_global == 2


@pytest.mark.parametrize("strides", [3, 4, 5])
def test_inner_positions_need_half_the_kernel(strides: int) -> None:
    """Away from the border the nearest position of a class is G // 2 away at most, at the border up to G - 1."""
    side, half = 4 * strides, strides // 2
    for reach, inside in ((half, True), (half - 1, False)):
        if reach == 0:
            continue
        more = {**ONE, "window": 4, "kernels": (2 * reach + 1,)}
        (walk,) = follow("iwin_nano", (4 * side, 4 * side), more)[0].walks
        for target in itertools.product(range(side), repeat=2):
            read = ((first := first_reached(walk, target)) > 0) & (first <= 2)
            if all(half <= place < side - half for place in target):
                assert read.all() == inside, target
            if target in ((0, 0), (side - 1, 0)):
                assert not read.all()


CHAINS: dict[str, tuple[str, tuple[int, ...] | None, dict[str, Any]]] = {
    "block": ("iwin_nano", (20, 28), {**IWIN, "window": 3, "attention": "block", "conv_stages": ()}),
    "interleaved": ("iwin_nano", (20, 28), {**IWIN, "window": 3, "conv_stages": ()}),
    "convolution": ("iwin_nano", (20, 28), {**IWIN, "attention": "none"}),
    "parallel": ("iwin_nano", (20, 28), {**IWIN, "window": 2}),
    "serial": ("iwin_nano", (20, 28), {**IWIN, "window": 2, "structure": "serial"}),
    "separate": ("iwin_nano", (20, 28), {**IWIN, "window": 2, "structure": "separate"}),
    "shifted": ("swin_nano", (20, 28), {**ONE, "window": 3}),
    "ssa": ("scalablevit_nano", (20, 28), {**ONE, "window": 3, "ratios": (1.5,), "reductions": (2,)}),
    "shifted_lim": (
        "scalablevit_nano",
        (20, 28),
        {**ONE, "window": 2, "ratios": (1.5,), "reductions": (2,), "pattern": ("window",), "windows": "shifted"},
    ),
    "flashdit": ("flashdit_nano_1", (5, 7), {"dim": 8, "heads": 2, "depth": 1, "window": 2}),
    "clips": ("video_iwin_nano", (5, 12, 16), {**IWIN, "window": 2, "conv_stages": (0,)}),
    "line": ("iwin_lm_nano", (17,), {"dim": 8, "heads": 2, "depth": 1, "stride": 5, "kernel": 2}),
}


@pytest.mark.parametrize("name", sorted(CHAINS))
def test_composed_blocks_against_autograd(name: str) -> None:
    """Of a stage of one block that is followed on, held against a network that has the blocks."""
    row, size, more = CHAINS[name]
    trail = follow(row, size, more)[0]
    (walk,) = trail.walks
    deeper = {"depth": 3} if "depth" in more else {"depths": (3,)}
    lines = {"length": 17} if name == "line" else {}
    pixels = {} if name == "line" else {"size": size[-2:]}  # type: ignore[index]
    options = {**more, **deeper, **lines, **({"frames": 5} if name == "clips" else {})}
    network = filled(create_model(row, 5, **pixels, **options)).double().eval()  # type: ignore[arg-type]
    blocks = network.blocks()  # type: ignore[operator]
    condition = (torch.randn(1, 8, dtype=torch.float64),) if name == "flashdit" else ()
    for count in (1, 2, 3):

        def chain(x: torch.Tensor, count: int = count) -> torch.Tensor:
            for block in blocks[:count]:
                x = block(x, *condition)
            return x

        links = walk.after[min(count, len(walk.after)) - 1]
        assert torch.equal(links.dense(), reads(chain, walk.grid, 8)), count


def test_stages_that_never_are_global_say_why() -> None:
    last = measure("dense_iwin_nano", (320, 480)).structures[0].stages[3]
    assert (last.grid, last.windows, last.kernels) == ((10, 15), ((7, 7),), ())
    assert last.blocks_until_global is None and not last.global_within_stage
    assert last.never and "stride of 2x3" in last.never
    assert len(last.share_after) == 1 and last.share_within_stage == last.share_after[0] < 0.2
    block = only(measure("iwin_nano", (32, 32), **CHAINS["block"][2]))
    assert block.never == "block windows alone never leave their window"
    still = only(measure("swin_nano", (36, 36), **{**ONE, "window": (3,), "clamp": "never"}))
    assert still.blocks_until_global and still.depth == 1  # followed on, it shifts


def test_other_papers_blocks() -> None:
    blocks = {
        "flashdit_xl_1": 4,  # windows of 4 x 4 as in the paper
        "flashdit_xl_1_released": 2,  # of 8 x 8
        "lightningdit_xl_1": 1,
    }
    for name, count in blocks.items():
        assert only(measure(name)).blocks_until_global == count
    scalable = measure("scalablevit_small", (224,)).structures
    assert [len(structure.stages) for structure in scalable] == [4] and scalable[0].structure == ""
    assert [stage.blocks_until_global for stage in scalable[0].stages] == [2, 2, 2, 1]
    assert only(measure("swin_nano", (32, 32), **ONE, window=8)).blocks_until_global == 1
    clips = measure("video_iwin_tiny", (32, 224, 224))
    assert [stage.blocks_until_global for stage in clips.structures[0].stages] == [6, 4, 2, 1]
    assert clips.size == (32, 224, 224)


@pytest.mark.parametrize("length", [1, 30, 100])
@pytest.mark.parametrize("options", [{"stride": 8}, {"stride": 10, "kernel": 3}, {"stride": 1, "kernel": 0}])
def test_lines_of_tokens_count_the_pairs_that_look_back(length: int, options: dict[str, Any]) -> None:
    small = {"dim": 8, "heads": 2, "depth": 2, **options}
    found = measure("iwin_lm_nano", (length,), **small)
    stage = only(found)
    assert found.causal and stage.grid == (length,)
    assert stage.blocks_until_global == create_model("iwin_lm_nano", **small).reached(length)  # type: ignore[operator]
    assert stage.share_after[-1] == 1 and list(stage.share_after) == sorted(set(stage.share_after))


def test_a_detector_is_its_backbone_and_the_document_is_plain() -> None:
    found = measure("mask_rcnn_iwin_nano", (128, 160), window=4)
    assert found.structures == measure("dense_iwin_nano", (128, 160), window=4).structures
    document = json.loads(json.dumps(found.document()))
    assert document["overrides"] == {"window": 4} and document["size"] == [128, 160]
    assert document["structures"][1]["stages"][0]["condition"]["kernel"] == 3
    assert document["structures"][0]["own"] and not document["structures"][1]["own"]


def test_the_page_is_what_the_models_give() -> None:
    """docs/reach.md: the table of smallest numbers and every published configuration."""
    made = page()
    assert made == (Path(__file__).parents[2] / "docs" / "reach.md").read_text()
    assert "| 56 / 7 | 8 | 6 (4) | 4 (3) | 4 (2) | no |" in made


def test_every_published_configuration_has_a_model() -> None:
    assert {each.model for each in PUBLISHED} <= set(ROWS)
    titles = [each.title for each in PUBLISHED]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("name", "size", "more", "message"),
    [
        ("iwin_tini", None, {}, "No model is called 'iwin_tini'"),
        ("iwin_tiny", (32, 224, 224), {}, "takes HxW in pixels"),
        ("iwin_tiny", (0, 224), {}, "takes HxW in pixels"),
        ("iwin_tiny", (16000, 16000), {}, "too long to follow"),
        ("iwin_tiny", None, {"windows": 7}, "no field 'windows'"),
        ("iwin_lm_nano", (32, 32), {}, "takes N tokens"),
        ("video_iwin_nano", (1, 2, 3, 4), {}, "or TxHxW"),
    ],
)
def test_what_cannot_be_followed(name: str, size: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure(name, size, **more)


def test_another_library_s_model_states_no_links() -> None:
    pytest.importorskip("timm")
    with pytest.raises(InputError, match="timm/resnet18 states no links"):
        measure("timm/resnet18")
