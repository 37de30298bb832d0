"""What is rewritten for OpenVINO is the same function, and is what its CPU has single steps for."""

from __future__ import annotations

import warnings

import pytest
import torch

import vitrail
from vitrail.export import rewrites

aten = torch.ops.aten
NAMES = ["iwin_nano", "scalablevit_nano", "swin_nano"]


def program(name: str) -> tuple[torch.nn.Module, torch.export.ExportedProgram, torch.Tensor]:
    torch.manual_seed(0)
    model = vitrail.create_model(name, num_classes=3, size=(40, 56)).eval()
    x = torch.randn(2, 3, 40, 56)
    with torch.no_grad():
        return model, torch.export.export(model, (x,)), x


@pytest.mark.parametrize("name", NAMES)
def test_the_same_function(name):
    model, exported, x = program(name)
    before = [node.target for node in exported.graph.nodes]
    rewrites.for_openvino(exported)
    exported.graph.lint()
    assert [node.target for node in exported.graph.nodes] != before
    with torch.no_grad():
        torch.testing.assert_close(exported.module()(x), model(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["iwin_nano", "swin_nano"])
def test_no_projection_is_taken_apart_afterwards(name):
    model, exported, _ = program(name)
    rewrites.projections_apart(exported.graph)
    maps = len(exported.graph.find_nodes(op="call_function", target=aten.linear.default))
    blocks = sum(type(module).__name__ == "WindowAttention" for module in model.modules())
    assert maps == sum(isinstance(module, torch.nn.Linear) for module in model.modules()) + 2 * blocks
    assert not exported.graph.find_nodes(op="call_function", target=aten.unbind.int)


def test_openvino_takes_each_norm_in_one_step():
    openvino = pytest.importorskip("openvino")
    model, exported, x = program("swin_nano")
    rewrites.flat_norms(exported.graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = openvino.Core().compile_model(openvino.convert_model(exported), "CPU", {"PERF_COUNT": True})
    request = compiled.create_infer_request()
    request.infer([x.numpy()])
    norms = sum(isinstance(module, torch.nn.LayerNorm) for module in model.modules())
    assert [step.node_type for step in request.get_profiling_info()].count("MVN") == norms
