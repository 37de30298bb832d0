"""The papers' figures beside ours: each is the specification's, each note is deserved, the pages are what is made."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
from functools import cache
from pathlib import Path

import pytest

from vitrail.errors import InputError
from vitrail.insight import tables, tables_show
from vitrail.insight.costs import costs, network
from vitrail.insight.dense_figures import DENSE_FIGURES
from vitrail.insight.figures import FIGURES
from vitrail.insight.printed import Printed
from vitrail.insight.tables import Note, Quantity, Row

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS, ADDS = Quantity.PARAMETERS, Quantity.MULTIPLY_ADDS

# the notes that no count decides: copied, another network released, unexplained
NOTES = {
    ("iwin", "I", "a: Swin-T 224", PARAMETERS): Note.COPIED,
    ("iwin", "VI", "FlashDiT-XL/1", PARAMETERS): Note.COPIED,
    ("iwin", "VII", "down: DWConv", ADDS): Note.UNEXPLAINED,
    ("iwin", "release", "Mask R-CNN, Iwin-T", PARAMETERS): Note.COPIED,
    ("iwin", "release", "Mask R-CNN, Iwin-S", PARAMETERS): Note.COPIED,
    ("iwin", "release", "Cascade, Iwin-T", PARAMETERS): Note.COPIED,
    ("iwin", "release", "Cascade, Iwin-S", PARAMETERS): Note.COPIED,
    ("swin", "1a", "Swin-T 224", PARAMETERS): Note.UNEXPLAINED,
    ("scalablevit", "2", "Swin-T", PARAMETERS): Note.COPIED,
    ("scalablevit", "2", "ScalableViT-L", PARAMETERS): Note.RELEASED,
    ("scalablevit", "3", "RetinaNet, Swin-T", PARAMETERS): Note.UNEXPLAINED,
    ("scalablevit", "4", "UperNet, ScalableViT-S", PARAMETERS): Note.RELEASED,
    ("scalablevit", "6", "Swin-T", PARAMETERS): Note.COPIED,
    ("scalablevit", "release", "ScalableViT-S", PARAMETERS): Note.RELEASED,
    ("scalablevit", "release", "ScalableViT-L", PARAMETERS): Note.RELEASED,
    ("scalablevit", "release", "RetinaNet, ScalableViT-S", PARAMETERS): Note.RELEASED,
    ("scalablevit", "release", "Semantic FPN, ScalableViT-S", PARAMETERS): Note.RELEASED,
}

# 10^9 multiply-adds of detectors and segmenters as released, counted by modules or, of Swin's own, whole: the
# measured backbones and 171.0 for the heads of Mask R-CNN, and what was computed for ScalableViT's padding
WHOLE = {"mask_rcnn_swin_tiny": 266.6, "mask_rcnn_iwin_tiny": 271.2, "mask_rcnn_iwin_small": 363.4}
WITHOUT = {
    "mask_rcnn_iwin_tiny": 268.1,
    "retinanet_scalablevit_small": 236.5,
    "retinanet_scalablevit_base": 330.0,
    "retinanet_scalablevit_large": 457.2,
    "mask_rcnn_scalablevit_small": 255.0,
    "mask_rcnn_scalablevit_base": 348.9,
    "mask_rcnn_scalablevit_large": 476.5,
    "semantic_fpn_scalablevit_small": 172.7,
    "semantic_fpn_scalablevit_base": 270.0,
    "semantic_fpn_scalablevit_large": 401.1,
    "upernet_scalablevit_small": 929.3,
    "upernet_scalablevit_base": 1028.6,
    "upernet_scalablevit_large": 1161.8,
}
# networks of printed rows that nobody has measured elsewhere: parts of ones that are
UNMEASURED = {
    network("iwin_small", position="relative"),
    network("scalablevit_small", windows="shifted", local="none"),
    network("scalablevit_small", pattern=("ssa", "window")),
    network("scalablevit_small", peg=False, local="none"),
    network("scalablevit_small", peg=False, local="lem"),
    network("semantic_fpn_scalablevit_small", local="lem"),
}


@cache
def rows() -> list[Row]:
    return tables.make_rows(processes=1)


def far(row: Row) -> bool:
    return row.ours is not None and abs(row.ours / float(row.printed) - 1) > 0.01


def network_of(row: Row) -> Printed:
    return next(each for each in tables.PAPERS[row.paper] if (each.table, each.row) == (row.table, row.row))


def test_every_figure_is_the_specifications():
    expected = {figure.network: figure for figure in [*FIGURES, *DENSE_FIGURES]}
    for row in rows():
        subject = network_of(row).network
        assert subject in expected or subject in UNMEASURED, row
        if subject in UNMEASURED:
            assert row.note in (None, Note.ROUNDING, Note.UNCOUNTED), row
        elif row.quantity is PARAMETERS:
            assert row.ours == expected[subject].parameters / 1e6
        elif expected[subject].giga:
            assert row.ours == pytest.approx(expected[subject].giga, rel=0.005)


def test_detectors_and_segmenters_cost_what_was_measured():
    for name, giga in WHOLE.items():
        assert costs(network(name)).released / 1e9 == pytest.approx(giga, abs=0.1)
    for name, giga in WITHOUT.items():
        ours = costs(network(name))
        assert (ours.without + ours.padding) / 1e9 == pytest.approx(giga, abs=0.15)


def test_a_note_stands_beyond_one_percent_and_only_there():
    for row in rows():
        assert row.difference == pytest.approx(row.ours / float(row.printed) - 1)
        assert (row.note is not None) == far(row), row
    decided = {None, Note.ROUNDING, Note.UNCOUNTED}
    noted = {(row.paper, row.table, row.row, row.quantity): row.note for row in rows() if row.note not in decided}
    assert noted == NOTES


@pytest.mark.parametrize("note", Note)
def test_notes_are_deserved(note: Note):
    found = [row for row in rows() if row.note is note]
    assert found
    for row in found:
        source, printed = network_of(row), float(row.printed)
        digits = len(row.printed.partition(".")[2])
        cut = math.floor(row.ours * 10**digits) / 10**digits
        rounded = printed in (float(f"{row.ours:.{digits}f}"), cut)
        ours = costs(source.network)
        alike = (ours.without + ours.padding) / 1e9
        uncounted = row.quantity is ADDS and abs(alike / printed - 1) <= 0.01
        others = [each for each in rows() if each.quantity is row.quantity and float(each.printed) == printed]
        if note is Note.ROUNDING:
            assert rounded
        elif note is Note.UNCOUNTED:
            assert uncounted and ours.whole > ours.without
        elif note is Note.COPIED:
            original = [each for each in others if (each.table, each.row) == (source.copied or ("", "", ""))[1:]]
            own = [each for each in others if each.paper == "swin" and each.model == row.model]
            assert original if source.copied else own
        else:
            assert not rounded and not uncounted
            assert source.differs == (note is Note.RELEASED)
        if note is Note.RELEASED:  # S lacks 0.36 to 0.40 M of what is printed; the head of L has 4.39 M too many
            missing = (0.36, 0.38, 0.40) if row.row.endswith("S") else (-4.39,)
            assert any(tables.same_digits(row.ours + more, row.printed) for more in missing)


@pytest.mark.parametrize(
    ("printed", "ours", "without", "differs", "note"),
    [
        ("4.2", 4.24, None, False, None),
        ("4.2", 4.265, 4.093, False, Note.ROUNDING),  # cut
        ("28", 28.306, None, False, Note.ROUNDING),
        ("29", 28.288, None, False, Note.UNEXPLAINED),
        ("74", 109.37, 73.49, False, Note.UNCOUNTED),
        ("74", 109.37, 73.20, False, Note.UNEXPLAINED),
        ("104", 109.29, None, True, Note.RELEASED),
        ("1", 1.96, 1.0, False, Note.ROUNDING),  # the first that holds
    ],
)
def test_reasons(printed, ours, without, differs, note):
    row = Printed("swin", "none", "none", network("swin_nano"), differs=differs)
    assert tables.reason(row, ADDS, printed, ours, without) is note


def test_a_figure_is_copied_from_the_row_that_is_named_or_the_networks_own_paper():
    one = Printed("iwin", "none", "none", network("swin_tiny"))
    assert tables.reason(one, PARAMETERS, "29.0", 28.288, None) is Note.COPIED
    assert tables.reason(one, PARAMETERS, "29.1", 28.288, None) is Note.UNEXPLAINED
    assert tables.reason(one._replace(paper="swin"), PARAMETERS, "29", 28.288, None) is Note.UNEXPLAINED
    other = Printed("iwin", "none", "none", network("iwin_tiny"), copied=("swin", "1a", "Swin-T 224"))
    assert tables.reason(other, ADDS, "4.5", 4.72, None) is Note.COPIED
    assert tables.reason(other._replace(copied=None), ADDS, "4.5", 4.72, None) is Note.UNEXPLAINED


def test_rows_are_of_one_paper_each_once():
    places = [(row.paper, row.table, row.row) for row in tables.printed_rows()]
    assert len(set(places)) == len(places)
    assert all(row.paper == paper for paper, printed in tables.PAPERS.items() for row in printed)
    for row in tables.printed_rows():
        assert row.copied is None or row.copied in places
    with pytest.raises(InputError, match="'swim'. Nearest: swin.* There are iwin, swin, scalablevit"):
        tables.make_rows("swim")


def test_rates_stand_beside_printed_ones_where_they_were_measured():
    paper = "scalablevit"
    speed = {network("swin_tiny"): 12.5}
    found = [row for row in tables.make_rows(paper, speed, processes=1) if row.quantity is Quantity.RATE]
    assert [(row.row, row.printed, row.ours) for row in found] == [
        ("Swin-T", "975.0", 12.5),
        ("Swin-S", "589.2", None),
        ("ScalableViT-S", "832.9", None),
    ]
    assert {(row.difference, row.note) for row in found} == {(None, None)}
    assert [row for row in tables.make_rows(paper, processes=1) if row.quantity is Quantity.RATE] == []


def test_formats_say_the_same():
    plain = json.loads(tables_show.as_json(rows()))["rows"]
    lines = [*csv.DictReader(io.StringIO(tables_show.comma_separated(rows())))]
    page = tables_show.markdown(rows())
    assert len(plain) == len(lines) == len(rows()) > 200
    wanted = {"paper", "table", "row", "model", "quantity", "printed", "ours", "difference", "note", "unit"}
    for one, other, row in zip(plain, lines, rows(), strict=True):
        assert one.keys() == other.keys() == wanted
        assert (one["printed"], one["note"] or "") == (float(other["printed"]), other["note"])
        assert one["ours"] == pytest.approx(float(other["ours"]), abs=1e-6)
        assert f"{other['printed']} | " in page and f"`{row.model}`" in page
    said = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| row |")]
    assert len(said) == len(rows())


def test_pages_are_what_the_command_and_the_library_say():
    """What `docs/make.py --check` would say of these two, with what is counted already."""
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "docs" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert (ROOT / "docs" / "tables.md").read_text() == tables_show.markdown(rows())
    assert (ROOT / "docs" / "figures.md").read_text() == make.figures_page()
