"""torch.hub on the repository's own folder."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vitrail
from vitrail import weights
from vitrail.errors import InputError

ROOT = str(Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("name", vitrail.list_models())
def test_every_name_of_the_catalogue(name: str) -> None:
    with torch.device("meta"):
        model = torch.hub.load(ROOT, name, source="local")
    assert model.name == name


def test_the_list_and_what_it_needs() -> None:
    names = runpy.run_path(f"{ROOT}/hubconf.py")
    entries = {name for name, thing in names.items() if callable(thing) and not name.startswith("_")}
    assert entries == set(vitrail.list_models())
    assert all(importlib.util.find_spec(package) for package in names["dependencies"])
    assert "vitrail.integrations.hub.load" in names["iwin_tiny"].__doc__


def test_options_and_weights(tmp_path: Path) -> None:
    own = vitrail.create_model("swin_nano", 5, (64, 64), depths=(1, 1, 1, 1)).eval()
    weights.save(tmp_path / "m.safetensors", own)
    x = torch.randn(1, 3, 61, 75)
    same = torch.hub.load(ROOT, "swin_nano", source="local", weights=tmp_path / "m.safetensors").eval()
    assert torch.equal(same(x), own(x))
    other = torch.hub.load(ROOT, "swin_nano", source="local", weights=tmp_path / "m.safetensors", num_classes=2)
    assert other(x).shape == (1, 2) and torch.equal(other.features(x)[3], own.features(x)[3])
    wide = torch.hub.load(ROOT, "swin_nano", source="local", weights=tmp_path / "m.safetensors", window=4)
    assert wide.spec.window == 4 and torch.equal(wide.trunk.stem(x), own.trunk.stem(x))
    assert torch.hub.load(ROOT, "iwin_nano", source="local", num_classes=3, in_channels=1).spec.in_channels == 1
    with pytest.raises(InputError, match="holds weights of swin_nano, not of iwin_nano"):
        torch.hub.load(ROOT, "iwin_nano", source="local", weights=tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="No file at"):
        torch.hub.load(ROOT, "iwin_nano", source="local", weights=tmp_path / "none.safetensors")


def test_named_weights_say_what_they_were_trained_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match=r"iwin_small\.in1k_384: not at"):
        torch.hub.load(ROOT, "iwin_small", source="local", weights="iwin_small.in1k_384")


def test_a_checkout_that_is_not_installed() -> None:
    libraries = str(Path(torch.__file__).parents[1])
    code = (
        f"import sys; sys.path.append({libraries!r}); import torch;"
        f"print(torch.hub.load({ROOT!r}, 'iwin_nano', source='local', num_classes=2)(torch.zeros(1, 3, 32, 32)).shape)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd="/")
    assert "torch.Size([1, 2])" in done.stdout, done.stderr
