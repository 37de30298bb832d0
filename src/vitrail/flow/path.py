"""The straight path from noise to data.   B batch."""

from __future__ import annotations

from torch import Tensor


def along(noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The point x_t = (1 - t) noise + t data, and the velocity data - noise there.

    Args:
        noise, data: (B, ...).   t: (B,) in [0, 1]: 0 is noise, 1 is data.
    Source: rectified flow (arXiv 2209.03003); LightningDiT (arXiv 2501.01423), whose release calls it a linear path.
    """
    t = t.view(-1, *(1,) * (data.ndim - 1)).to(data.dtype)
    return t * data + (1 - t) * noise, data - noise
