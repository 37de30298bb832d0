"""Rows of weights: where each comes from, and the line that says how to get one."""

from __future__ import annotations

import pytest

import vitrail
from vitrail.errors import InputError
from vitrail.models.catalogue import WEIGHTS
from vitrail.weights import locate, save
from vitrail.weights.origins import ORIGINS, origin, preprocessing


def test_rows_are_of_weights_that_exist():
    assert set(ORIGINS) <= set(WEIGHTS)
    files = [row.url for row in ORIGINS.values() if row.url]
    assert len(set(files)) == len(files) and all(url.startswith("https://") for url in files)
    for name in sorted(WEIGHTS):
        row = origin(name)
        assert row.page and (row.top1 is None or 70 < row.top1 < 90)
        assert set(preprocessing(name)) == {"share", "interpolation", "mean", "std", "kind"}
        if row.url and WEIGHTS[name].num_classes == 21841:
            assert row.url.endswith("_22k.pth")
        if row.url and "in1k" in name:
            assert f"_{WEIGHTS[name].size[0]}" in row.url
    with pytest.raises(InputError, match="No weights row"):
        origin("swin_tiny")


def test_a_missing_file_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError) as caught:
        locate("swin_tiny.in1k_224")
    said = str(caught.value)
    assert "https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_tiny_patch4" in said
    assert f"vitrail convert swin_tiny_patch4_window7_224.pth {tmp_path}" in said and "\n" not in said
    with pytest.raises(InputError, match="address is not known here, look on https://github.com/Yangr116"):
        locate("scalablevit_large.in1k_224")
    save(tmp_path / "swin_tiny.in1k_224.safetensors", vitrail.create_model("swin_nano", 3, 32))
    assert locate("swin_tiny.in1k_224").parent == tmp_path
