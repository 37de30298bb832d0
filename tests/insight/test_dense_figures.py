"""Totals of detectors and segmenters are those of the released backbones with the standard heads."""

from __future__ import annotations

import pytest

from vitrail.insight.costs import costs
from vitrail.insight.dense_figures import DENSE_FIGURES
from vitrail.insight.figures import Figure


@pytest.mark.parametrize("figure", DENSE_FIGURES, ids=lambda f: f.name)
def test_totals(figure: Figure):
    assert costs(figure.network).parameters == figure.parameters
