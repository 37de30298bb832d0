"""State out and in again, and what is no state of this run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from vitrail.errors import InputError
from vitrail.train.checkpoint import Checkpoint


def trained(width: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(width, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, width)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_everything_comes_back(tmp_path: Path) -> None:
    checkpoint, (model, optimizer), (other, empty) = Checkpoint(tmp_path / "last.pt"), trained(), trained()
    checkpoint.save(model, optimizer, 7)
    assert checkpoint.load(other, empty) == 7
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    moments = [[state["exp_avg"] for state in each.state.values()] for each in (optimizer, empty)]
    assert all(torch.equal(a, b) for a, b in zip(*moments, strict=True))


def test_what_cannot_be_resumed_is_one_line(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "last.pt")
    with pytest.raises(InputError, match="nothing to resume from"):
        checkpoint.load(*trained())
    checkpoint.save(*trained(), 1)
    with pytest.raises(InputError, match=r"last.pt: not a checkpoint of this run"):
        checkpoint.load(*trained(width=4))
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"last.pt: not a checkpoint of this run"):
        checkpoint.load(*trained())
