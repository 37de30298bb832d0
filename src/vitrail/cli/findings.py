"""What was found in a data set, shown to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from vitrail.data.check import Finding

SHOWN = 3  # cases of a finding that a person sees


def ranges(counts: Sequence[int], sizes: Sequence[tuple[int, int]]) -> list[str]:
    """Cells of a part: classes that are there, how many of one, and the range and median of widths and heights."""
    from vitrail.data.check import summary

    there = [count for count in counts if count]
    sides = [f"{side['min']} – {side['max']} ({side['median']:g})" for side in summary(sizes).values()]
    return [str(len(there)), f"{min(there)} – {max(there)}" if there else "", *sides]


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """The worst first, with some cases of each."""
    from rich.text import Text

    colours = {"error": "bold red", "warning": "yellow", "note": "blue"}
    for finding in findings:
        console.print()
        console.print(Text(f"{finding.level}  ", colours[finding.level]) + f"{finding.what}: {len(finding.cases)}")
        for case in finding.cases[:SHOWN]:
            console.print(f"    {case.line}", soft_wrap=True)
        if len(finding.cases) > SHOWN:
            console.print(f"    and {len(finding.cases) - SHOWN} more: --json names them all")
        console.print(f"  {finding.advice}", style="italic", soft_wrap=True)
    if not findings:
        console.print("\nNothing to put right.")
