"""Counting: backbones as measured on the released classes, processes beside each other, names that can be typed."""

from __future__ import annotations

import shlex

import pytest

from vitrail.insight import costs
from vitrail.insight.costs import DETECTION, SEGMENTATION, network
from vitrail.insight.tables import printed_rows
from vitrail.recipes.overrides import read_pairs


@pytest.mark.parametrize(
    ("name", "size", "whole", "without"),
    [
        ("swin_tiny", DETECTION, 95.56, 92.46),
        ("swin_small", DETECTION, 187.60, 182.38),
        ("iwin_tiny", DETECTION, 100.24, 97.13),
        ("iwin_small", DETECTION, 192.44, 187.21),
        ("swin_tiny", SEGMENTATION, 99.00, 95.74),
        ("iwin_tiny", SEGMENTATION, 103.78, 100.53),
        ("iwin_base", SEGMENTATION, 347.49, 340.35),
    ],
)
def test_backbones_cost_what_the_released_ones_do(name, size, whole, without):
    """With the padding that the releases project: measured on their classes, 10^9 multiply-adds."""
    ours = costs.costs(network(f"dense_{name}", size=size))
    assert ours.released / 1e9 == pytest.approx(whole, rel=2e-4)
    assert (ours.without + ours.padding) / 1e9 == pytest.approx(without, rel=2e-4)


def test_two_processes_count_what_one_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(costs, "WORTH", 1)
    wanted = [network("iwin_nano", size=(32, 40)), network("swin_nano", num_classes=7)]
    apart = {}
    for processes in (1, 2):
        monkeypatch.setattr(costs, "_KNOWN", {})
        apart[processes] = costs.count_all([*wanted, wanted[0]], processes)
    assert list(apart[1]) == wanted
    assert apart[1] == apart[2]


def test_networks_named_alike_meet():
    assert network("iwin_tiny", down="merge", size=(8, 8)) == network("iwin_tiny", size=(8, 8), down="merge")
    assert network("mask_rcnn_iwin_tiny").arguments == {"size": DETECTION}
    assert network("upernet_swin_tiny").call == "create_model('upernet_swin_tiny', size=(512, 2048))"


def test_the_words_of_a_network_are_what_info_reads():
    for row in printed_rows():
        name, *words = shlex.split(row.network.words)
        given = row.network.arguments
        for option, key in (("--size", "size"), ("--classes", "num_classes")):
            if option in words:
                place = words.index(option)
                said = "x".join(map(str, given[key])) if key == "size" else str(given[key])
                assert words[place : place + 2] == [option, said]
                words = words[:place] + words[place + 2 :]
                del given[key]
        assert (name, read_pairs(words)) == (row.network.name, given)
