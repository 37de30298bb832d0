"""Student's t against scipy, and Holm's steps against hand values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vitrail.insight.student import between, estimate, holm, quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 29, 30])
def test_the_distribution_is_scipys(freedom: int) -> None:
    for t in (0.0, 0.3, 1.0, 4.303, 40.0):
        assert between(t, freedom) == pytest.approx(2 * stats.t.cdf(t, freedom) - 1, abs=1e-12)
    for share in (0.5, 0.9, 0.975, 0.9999):
        assert quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 4, 9])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_mean_interval_and_p_are_scipys(count: int, confidence: float) -> None:
    values = np.random.default_rng(count).normal(0.4, 1.0, count)
    theirs = stats.ttest_1samp(values, 0.0)
    interval = theirs.confidence_interval(confidence)
    found = estimate(values.tolist(), confidence)
    assert found.n == count
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), interval.low, interval.high))
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_what_one_number_or_equal_ones_are_worth() -> None:
    assert estimate([2.5]) == (1, 2.5, None, None, None)
    assert estimate([2.0, 2.0, 2.0]) == (3, 2.0, 2.0, 2.0, 0.0)
    assert estimate([0.0, 0.0]) == (2, 0.0, 0.0, 0.0, 1.0)


def test_p_is_none_below_0_for_rounding() -> None:
    values = [5.029, 5.448, 5.411, 5.501, 5.278, 5.181, 5.444, 5.276, 5.478, 5.266, 5.188]
    assert estimate(values).p == 0.0


def test_holms_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
