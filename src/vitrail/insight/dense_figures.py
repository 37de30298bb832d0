"""What detectors and segmenters should have: parameters of the released backbone and of the standard head.

Each was counted layer by layer. No release tells its multiply-adds; those that the papers print are in `printed_iwin`
and its neighbours.
"""

from __future__ import annotations

from vitrail.insight.figures import Figure

KINDS = {
    "Mask R-CNN": "mask_rcnn",
    "Cascade Mask R-CNN": "cascade_mask_rcnn",
    "RetinaNet": "retinanet",
    "UperNet": "upernet",
    "Semantic FPN": "semantic_fpn",
}
THREE, LARGER = ("tiny", "small", "base"), ("small", "base", "large")


def _rows(title: str, family: str, *parameters: int) -> list[Figure]:
    sizes = LARGER if family == "scalablevit" else THREE
    names = [f"{KINDS[title]}_{family}_{size}" for size in sizes]
    return [Figure(title, name, name, {}, count) for name, count in zip(names, parameters, strict=True)]


DENSE_FIGURES = [
    *_rows("Mask R-CNN", "swin", 47794602, 69112506, 107141800),
    *_rows("Mask R-CNN", "iwin", 49732752, 71072400, 110615152),
    *_rows("Mask R-CNN", "scalablevit", 45945056, 94900512, 121382032),
    *_rows("Cascade Mask R-CNN", "swin", 85629804, 106947708, 144977002),
    *_rows("Cascade Mask R-CNN", "iwin", 87567954, 108907602, 148450354),
    *_rows("RetinaNet", "swin", 38458798, 59776702, 98387628),
    *_rows("RetinaNet", "iwin", 40396948, 61736596, 101860980),
    *_rows("RetinaNet", "scalablevit", 36027620, 85564708, 112627860),
    *_rows("UperNet", "swin", 59941862, 81259766, 121279716),
    *_rows("UperNet", "iwin", 61880012, 83219660, 124753068),
    *_rows("UperNet", "scalablevit", 56101660, 107047772, 135519948),
    *_rows("Semantic FPN", "swin", 31893840, 53211744, 91241038),
    *_rows("Semantic FPN", "iwin", 33831990, 55171638, 94714390),
    *_rows("Semantic FPN", "scalablevit", 30044294, 78999750, 105481270),
]
