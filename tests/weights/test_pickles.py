"""Pickles: what the field's files carry is let in and does nothing; anything else is named and refused."""

from __future__ import annotations

import argparse
import collections
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch

from vitrail.errors import InputError
from vitrail.weights.pickles import read_pickle


class Evil:
    """Runs a command when it is unpickled by a reader that runs things."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


@pytest.fixture
def foreign(monkeypatch):
    """Makes a class that looks as if a library that is not installed had defined it."""

    def make(module: str, name: str, base: type = object) -> type:
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            path = ".".join(parts[:count])
            if path not in sys.modules:
                monkeypatch.setitem(sys.modules, path, types.ModuleType(path))
        made = type(name, (base,), {"__module__": module})
        monkeypatch.setattr(sys.modules[module], name, made, raising=False)
        return made

    return make


@pytest.mark.parametrize("new", [True, False])
def test_what_training_files_carry_is_let_in(tmp_path, foreign, new):
    config = foreign("yacs.config", "CfgNode", dict)({"MODEL": {"NAME": "swin"}, "LIST": [1, 2]})
    config.__dict__["frozen"] = True
    history = foreign("mmengine.logging.history_buffer", "HistoryBuffer")()
    history.__dict__.update(log=np.arange(3.0), last=np.float64(0.5), steps=np.int64(7))
    weight = torch.randn(3)
    document = {
        "model": {"w": weight},
        "config": config,
        "message_hub": {"log": collections.OrderedDict(loss=history)},
        "meta": foreign("mmengine.config.config", "ConfigDict", dict)(a=1),
        "args": argparse.Namespace(lr=1e-3),
        "best": np.float32(81.2),
        "scores": np.ones((2, 2)),
        "counts": collections.defaultdict(list, {1: [2]}),
    }
    torch.save(document, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    found = read_pickle(tmp_path / "a.pth")
    assert torch.equal(found["model"]["w"], weight)
    assert type(found["config"]) is collections.OrderedDict
    assert not isinstance(found["best"], np.generic)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_code_is_named_and_not_run(tmp_path, protocol):
    target = tmp_path / "ran"
    torch.save({"model": {"w": torch.ones(2)}, "x": Evil(target)}, tmp_path / "torch.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": Evil(target)}, protocol=protocol))
    for name in ("torch.pth", "plain.pkl"):
        with pytest.raises(InputError, match=rf"asks for {os.system.__module__}\.system") as caught:
            read_pickle(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not target.exists()


def test_a_whole_module_is_refused_by_name(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"asks for torch\.nn\.modules\.linear\.Linear"):
        read_pickle(tmp_path / "a.pth")


@pytest.mark.parametrize("new", [True, False])
def test_damaged_files_are_one_line(tmp_path, new):
    torch.save({"w": torch.randn(500)}, tmp_path / "whole.pth", _use_new_zipfile_serialization=new)
    whole = (tmp_path / "whole.pth").read_bytes()
    contents = {"half": whole[: len(whole) // 2], "zeros": bytes(100), "text": b"hello, no tensors here", "empty": b""}
    for name, content in contents.items():
        (tmp_path / f"{name}.pth").write_bytes(content)
        with pytest.raises(InputError, match="not a whole PyTorch file|torch.save|empty file") as caught:
            read_pickle(tmp_path / f"{name}.pth")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
