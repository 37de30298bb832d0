"""Without the other library an integration says in one line what to install."""

from __future__ import annotations

import importlib
import sys

import pytest

from vitrail.errors import InputError


@pytest.mark.parametrize(
    ("room", "library", "extra"),
    [
        ("huggingface", "transformers", "huggingface"),
        ("smp", "segmentation_models_pytorch.encoders", "smp"),
        ("timm", "timm.models", "timm"),
    ],
)
def test_one_line_names_the_extra(room: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # an import then fails as if it were not there
    monkeypatch.delitem(sys.modules, f"vitrail.integrations.{room}", raising=False)
    with pytest.raises(InputError, match=rf"missing: pip install 'vitrail\[{extra}\]'") as caught:
        importlib.import_module(f"vitrail.integrations.{room}")
    assert "\n" not in str(caught.value)
