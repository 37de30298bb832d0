"""What all tests share: the shared data folder when there is one, and a line that says how many golden cases ran."""

from __future__ import annotations

import collections
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real data sets beside the checkout (or $VITRAIL_SHARED); the test is skipped without it."""
    folder = Path(os.environ.get("VITRAIL_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no shared data folder beside the checkout (set VITRAIL_SHARED)")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Golden cases by family, and the families that are not built yet."""
    ran: collections.Counter[str] = collections.Counter()
    absent: set[str] = set()
    caught: list[str] = []
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(getattr(report, "user_properties", []))
            if "golden" in properties and getattr(report, "when", "") == "call" and outcome != "skipped":
                ran[properties["golden"]] += 1
            if "golden_mistake" in properties and getattr(report, "when", "") == "call" and outcome == "passed":
                caught.append(properties["golden_mistake"])
            if "golden_absent" in properties:
                absent.add(properties["golden_absent"])
    if ran or absent:
        families = ", ".join(f"{family} {count}" for family, count in sorted(ran.items()))
        terminalreporter.write_line(f"golden: {sum(ran.values())} cases ran ({families}).")
    if caught:
        terminalreporter.write_line(
            f"golden: mistakes made on purpose and caught, with their effect: {'; '.join(caught)}."
        )
    if absent:
        terminalreporter.write_line(f"golden: families not built yet, skipped: {', '.join(sorted(absent))}.")
