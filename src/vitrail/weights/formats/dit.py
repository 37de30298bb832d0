"""The releases of FlashDiT and LightningDiT.

Traps:
* Training files hold the weights under "model" and their moving average, which is what is sampled, under "ema".
* LightningDiT stores DiT's sines, `pos_embed` (1, N, C), as a frozen parameter, and the cosines and sines of RoPE,
  `feat_rope.freqs_*` (N, D), each twice, as its pairs of channels need them. All follow from the grid, and are rebuilt.
* The table of labels has a row more than there are classes, unless no label was ever dropped.
* The parts of adaLN lie in one map one after the other; the last of FlashDiT's is the gate of the convolution.
* No shape shows the heads (unless queries are normed), nor FlashDiT's window.
"""

from __future__ import annotations

from torch import Tensor

from vitrail.layers.places import sines, turns
from vitrail.models.assemble import Network
from vitrail.models.flashdit import FlashDiTSpec
from vitrail.models.lightningdit import LightningDiTSpec
from vitrail.weights.formats.layout import Rules, Sign

DIT: Rules = (
    (r"^trunk\.stem\.project\.", "x_embedder.proj."),
    (r"^trunk\.time\.fc1\.", "t_embedder.mlp.0."),
    (r"^trunk\.time\.fc2\.", "t_embedder.mlp.2."),
    (r"^trunk\.labels\.", "y_embedder.embedding_table."),
    (r"^trunk\.blocks\.(\d+)\.attention\.", r"blocks.\1.attn."),
    (r"^trunk\.blocks\.(\d+)\.conv\.conv\.", r"blocks.\1.dwconv.depthwise."),
    (r"^trunk\.blocks\.(\d+)\.modulation\.linear\.", r"blocks.\1.adaLN_modulation.1."),
    (r"^trunk\.blocks\.(\d+)\.(norm1|norm2|mlp)\.", r"blocks.\1.\2."),
    (r"^final\.norm\.", "final_layer.norm_final."),
    (r"^final\.modulation\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^final\.linear\.", "final_layer.linear."),
)

_BLOCK, _CONV = r"^blocks\.0\.adaLN_modulation\.1\.", r"^blocks\.0\.dwconv\.depthwise\."
SIGNS: dict[type, Sign] = {
    FlashDiTSpec: Sign("x_embedder.proj.weight", has=(_BLOCK, _CONV)),
    # DiT itself, of which time means another thing, has neither
    LightningDiTSpec: Sign(
        "x_embedder.proj.weight",
        has=(_BLOCK, r"^feat_rope\.|^blocks\.0\.(mlp\.w12|norm1)\."),
        lacks=(_CONV,),
    ),
}


def buffers(model: Network) -> dict[str, Tensor]:
    """What LightningDiT's release stores of places, for the grid that the model was built for."""
    spec = model.spec
    if not isinstance(spec, LightningDiTSpec):
        return {}
    height, width = model.grids()[0]
    found = {}
    if spec.sines:
        found["pos_embed"] = sines((height, width), spec.dim).flatten(0, 1)[None].float()
    if spec.rope:
        cos, sin = turns((height, width), spec.dim // spec.heads)
        found |= {
            f"feat_rope.freqs_{name}": x.repeat_interleave(2, -1).float() for name, x in (("cos", cos), ("sin", sin))
        }
    return found
