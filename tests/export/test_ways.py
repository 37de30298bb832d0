"""Every way to run a model gives what the model gives, in its numbers and at other sizes of batch."""

from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.export import ways

SMALL = {"dim": 8, "depths": (1, 1), "heads": (1, 2), "window": 4, "kernels": (3, 3)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("way", ways.WAYS)
def test_the_same_answer(way, dtype):
    if way == "openvino":
        pytest.importorskip("openvino")
    torch.manual_seed(0)
    model = vitrail.create_model("iwin_nano", num_classes=3, size=32, **SMALL).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        wanted = model(x)
    run = ways.prepare(model.to(dtype), x.to(dtype), way)
    found = run(x.to(dtype))
    assert found.dtype == dtype and not found.requires_grad
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(found.float(), wanted, rtol=0, atol=tolerance * wanted.abs().max().item())
    assert all(parameter.dtype == dtype for parameter in model.parameters())


def test_what_cannot_run_is_said_in_a_line(monkeypatch):
    model, x = torch.nn.Conv2d(3, 1, 1), torch.zeros(1, 3, 8, 8)
    with pytest.raises(InputError, match="'fast' is none of eager, compiled, openvino"):
        ways.prepare(model, x, "fast")
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match="float32 and bfloat16 here"):
        ways.prepare(model, x.half(), "openvino")
    monkeypatch.setattr(ways.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'vitrail\[openvino\]'"):
        ways.prepare(model, x, "openvino")
