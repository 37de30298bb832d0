"""`vitrail.optimize`: what it tries, what it takes, and that the answer stays the same."""

from __future__ import annotations

import json
import time

import pytest
import torch
from torch import nn

import vitrail
from vitrail.errors import InputError
from vitrail.export import optimize as module
from vitrail.export import ways
from vitrail.export.optimize import optimize

SMALL = {"dim": 8, "depths": (1, 1), "heads": (1, 2), "window": 4, "kernels": (3, 3)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_every_way_is_tried_and_the_answer_stays(dtype):
    torch.manual_seed(0)
    model = vitrail.create_model("iwin_nano", num_classes=3, size=32, **SMALL).to(dtype)
    x, said = torch.randn(4, 3, 32, 32).to(dtype), []
    fast = vitrail.optimize(model, x, rounds=1, least=0.0, say=said.append)
    assert {each.way for each in fast.candidates} == set(ways.WAYS)
    assert len(said) == len(fast.candidates)
    rates = [each.images_per_second.median for each in fast.candidates if each.images_per_second]
    assert rates == sorted(rates, reverse=True)
    document = json.loads(json.dumps(fast.report()))
    assert all(row["parity"] is not None or row["note"] for row in document)
    assert fast.best.way in repr(fast)
    tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-5
    for shape in ((4, 3, 32, 32), (1, 3, 32, 32), (7, 3, 32, 32), (2, 3, 48, 40)):
        x = torch.randn(shape).to(dtype)
        with torch.no_grad():
            wanted = model(x)
        found = fast(x)
        assert found.dtype == dtype and not found.requires_grad
        torch.testing.assert_close(found.float(), wanted.float(), rtol=0, atol=tolerance * wanted.abs().max().item())


class Sleeper(nn.Module):
    """Takes a time that grows with the square of the batch: pieces are faster."""

    def forward(self, x):
        time.sleep(0.002 * len(x) ** 2)
        return x.flatten(1)[:, :2] * 2


def test_the_batch_is_halved_while_that_is_faster(monkeypatch):
    monkeypatch.setattr(module.ways, "WAYS", ("eager",))
    x = torch.randn(6, 3, 2, 2)
    fast = optimize(Sleeper(), x, rounds=1, least=0.0)
    assert sorted(each.piece for each in fast.candidates) == [1, 2, 3, 6]
    assert fast.best.piece == 1
    assert torch.equal(fast(x), x.flatten(1)[:, :2] * 2)


def test_what_differs_or_fails_does_not_win(monkeypatch):
    def prepare(model, example, way):
        if way == "openvino":
            raise RuntimeError("no such operator\nand more")
        return model if way == "eager" else lambda x: model(x) + 1

    monkeypatch.setattr(module.ways, "prepare", prepare)
    monkeypatch.setattr(module.ways, "missing", lambda way, example: None)
    fast = optimize(nn.Conv2d(3, 1, 1).requires_grad_(False), torch.randn(1, 3, 4, 4), rounds=1, least=0.0)
    notes = {each.way: each.note for each in fast.candidates}
    assert fast.best.way == "eager" and not notes["eager"]
    assert notes["openvino"] == "failed: no such operator"
    assert "of the largest value, more than 0.0001" in notes["compiled"]


def test_a_last_piece_is_filled_up():
    seen = []

    def run(x):
        seen.append(len(x))
        return x * 3

    x = torch.randn(7, 2)
    assert torch.equal(module._in_pieces(run, x, 3), x * 3)
    assert seen == [3, 3, 3]


def test_what_does_not_go_together_is_one_line():
    model = nn.Conv2d(3, 1, 1)
    with pytest.raises(InputError, match=r"torch\.float32 on cpu, the example torch\.bfloat16"):
        optimize(model, torch.zeros(1, 3, 4, 4, dtype=torch.bfloat16))
    with pytest.raises(InputError, match="with a picture in it"):
        optimize(model, torch.zeros(0, 3, 4, 4))
