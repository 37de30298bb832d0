"""torch.compile: one graph, and at most two compilations over ten sizes, whatever the padding of each.

Batches of two: for a single picture PyTorch asks its sizes once more, to choose how to convolve.
"""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import vitrail

SIZES = [
    (224, 224),
    (96, 96),
    (97, 133),
    (640, 640),
    (320, 240),
    (128, 448),
    (384, 384),
    (500, 333),
    (101, 211),
    (256, 256),
]
SMALL = {
    "swin_nano": {"depths": (2, 1, 1, 1)},
    "iwin_nano": {"depths": (1, 1, 1, 1)},
    "scalablevit_nano": {"depths": (2, 1, 1, 1)},
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_two_compilations_for_ten_sizes(name):
    torch._dynamo.reset()
    model = vitrail.create_model(name, num_classes=3, **SMALL[name]).eval()
    counter = CompileCounterWithBackend("eager")
    compiled = torch.compile(model, backend=counter, fullgraph=True)
    with torch.no_grad():
        for size in SIZES:
            x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-5, atol=1e-6)
    assert counter.frame_count <= 2
