"""`vitrail reach`: tables, JSON, pictures, one line for every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vitrail.insight import reach_published

SMALL = ("iwin_nano", "window=4", "depths=2,2", "heads=1,2", "kernels=3,3", "--size", "64x64")


def test_reach_as_a_table_and_as_json(vitrail) -> None:
    code, text, error = vitrail("reach", *SMALL)
    assert (code, error) == (0, "")
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:3] == ["iwin_nano", "at", "64x64:"]
    assert "parallel, the model's own" in text and "serial, for comparison" in text
    code, text, error = vitrail("reach", *SMALL, "--json")
    document = json.loads(text)
    assert (document["model"], document["size"], document["causal"]) == ("iwin_nano", [64, 64], False)
    assert [structure["structure"] for structure in document["structures"]] == ["parallel", "serial"]
    first = document["structures"][0]["stages"][0]
    assert (first["grid"], first["blocks_until_global"], first["global_within_stage"]) == ([16, 16], 4, False)
    assert len(first["share_after"]) == 4 and first["share_after"][-1] == 1
    assert first["condition"]["kernel_wanted"] == 7 and not first["condition"]["corrected"]
    assert document["structures"][1]["stages"][0]["blocks_until_global"] == 2


def test_a_stage_that_never_is_global(vitrail) -> None:
    code, text, _ = vitrail("reach", *SMALL, "conv_stages=()")
    assert code == 0
    assert "stage 1: interleaved windows alone, at a stride of 4x4" in text


def test_lines_of_tokens(vitrail) -> None:
    code, text, _ = vitrail("reach", "iwin_lm_nano", "depth=2", "stride=8", "--size", "40")
    assert code == 0
    assert "40 tokens" in text
    assert text.splitlines()[-1].split()[:6] == ["1", "40", "5", "8", "2", "2"]


def test_pictures(vitrail, tmp_path: Path) -> None:
    code, _, error = vitrail("reach", *SMALL, "--draw", tmp_path / "all")
    assert code == 0
    files = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert files == ["stage_1.png", "stage_2.png"] and error.count("drawn in") == 2
    code, _, error = vitrail("reach", "iwin_lm_nano", "depth=2", "--size", 40, "--draw", tmp_path / "new" / "line.png")
    assert code == 0
    with Image.open(tmp_path / "new" / "line.png") as image:
        assert image.width > 400


def test_published(vitrail, monkeypatch: pytest.MonkeyPatch) -> None:
    some = tuple(each for each in reach_published.PUBLISHED if each.model in ("flashdit_xl_1", "scalablevit_small"))
    monkeypatch.setattr(reach_published, "PUBLISHED", some)
    code, text, _ = vitrail("reach", "--published", "--json")
    rows = json.loads(text)
    assert code == 0
    assert [(row["model"], row["own"]["stage"]) for row in rows] == [
        *(("flashdit_xl_1", 1),),
        *(("scalablevit_small", stage) for stage in (1, 2, 3, 4)),
    ]
    code, text, _ = vitrail("reach", "--published")
    assert code == 0
    assert "FlashDiT, paper" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "A model is wanted"),
        (["iwin_nono"], "No model is called 'iwin_nono'"),
        (["iwin_nano", "--size", "wide"], "size 'wide': wanted HxW"),
        (["iwin_nano", "--size", "0"], "takes HxW in pixels"),
        (["iwin_nano", "--size", "32x32x32"], "takes HxW in pixels"),
        (["iwin_nano", "window"], "not of the form"),
        (["iwin_nano", "size=64"], "not overrides"),
        (["iwin_nano", "window=4.5"], "window=4.5"),
        (["iwin_nano", "--published"], "takes no model"),
    ],
)
def test_reach_refuses_in_one_line(vitrail, arguments: list[str], message: str) -> None:
    code, out, error = vitrail("reach", *arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert message in error


def test_reach_draws_over_no_folder_and_no_file(vitrail, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "file").touch()
    for name, message in (("a.png", "is a folder, wanted a file"), ("file", "is a file, wanted a folder")):
        code, _, error = vitrail("reach", *SMALL, "--draw", tmp_path / name)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error


def test_another_library_s_model(vitrail) -> None:
    pytest.importorskip("timm")
    code, _, error = vitrail("reach", "timm/resnet18")
    assert (code, "states no links" in error) == (2, True)
