"""Parameters are those of the releases to the last one; multiply-adds are within half a percent."""

from __future__ import annotations

import pytest

from vitrail.insight.costs import costs
from vitrail.insight.figures import FIGURES, Figure


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f"{f.table}-{f.row}")
def test_figures_of_the_releases(figure: Figure):
    ours = costs(figure.network)
    assert ours.parameters == figure.parameters
    if figure.giga is not None:
        assert ours.whole / 1e9 == pytest.approx(figure.giga, rel=0.005)
    if figure.table != "Video, options of Iwin-T":  # windows that divide no map
        assert ours.padding == 0
