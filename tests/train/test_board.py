"""What TensorBoard would read back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vitrail.errors import InputError
from vitrail.train.board import Board


def test_every_value_is_read_back(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = Board(tmp_path / "board")
    board.add(1, {"loss": 2.5, "top1": 0.25})
    board.add(3, {"loss": 1.5, "top1": 0.5})
    board.close()
    events = accumulator.EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["loss", "top1"]
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 2.5), (3, 1.5)]
    assert [(event.step, event.value) for event in events.Scalars("top1")] == [(1, 0.25), (3, 0.5)]


def test_without_it_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'vitrail\[tensorboard\]'"):
        Board(tmp_path)
    assert not list(tmp_path.iterdir())
