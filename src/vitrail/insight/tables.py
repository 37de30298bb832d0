"""The figures that the papers' tables print, each beside ours; beyond one percent, with one reason of a closed list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from vitrail.errors import InputError, nearest
from vitrail.insight import printed_iwin, printed_scalablevit, printed_swin
from vitrail.insight.costs import PROCESSES, Costs, Network, count_all
from vitrail.insight.printed import Printed

PAPERS = {"iwin": printed_iwin.ROWS, "swin": printed_swin.ROWS, "scalablevit": printed_scalablevit.ROWS}
CLOSE = 0.01  # of the printed figure: a difference up to this needs no reason


class Quantity(StrEnum):
    """What a figure counts; `unit` is what it is given in."""

    PARAMETERS = "parameters"
    MULTIPLY_ADDS = "multiply-adds"
    RATE = "images a second"

    @property
    def unit(self) -> str:
        return {Quantity.PARAMETERS: "M", Quantity.MULTIPLY_ADDS: "G", Quantity.RATE: "img/s"}[self]


class Note(StrEnum):
    """Why a printed figure and ours are more than one percent apart; the first of these that holds.

    ROUNDING: Ours, rounded or cut to the printed digits, is the printed figure.
    UNCOUNTED: Without the products of attention ours is within one percent.
    COPIED: It is what the paper says of another network, or the network's own paper of it.
    RELEASED: What was released, and is here, is known to be another network than the printed one.
    UNEXPLAINED: None of these.
    """

    ROUNDING = "rounding"
    UNCOUNTED = "counting without attention"
    COPIED = "copied figure"
    RELEASED = "released ≠ paper"
    UNEXPLAINED = "unexplained"


class Row(NamedTuple):
    """One figure of a paper.

    paper, table, row: Where it stands; see `Printed`.
    model: Ours, as `vitrail info` takes it.
    printed: As it stands there, with its digits; in `quantity.unit`.
    ours: In the same unit; None for a rate that was not measured. Multiply-adds are all of the released network, the
        products of attention and what it projects of padding included.
    difference: ours / printed - 1; None of rates, which are of different machines.
    note: None within one percent, and of rates.
    """

    paper: str
    table: str
    row: str
    model: str
    quantity: Quantity
    printed: str
    ours: float | None
    difference: float | None
    note: Note | None

    def plain(self) -> dict[str, Any]:
        """For JSON: the printed figure as a number; and its unit, M (10^6), G (10^9) or img/s."""
        found = self._asdict() | {"quantity": str(self.quantity), "note": self.note and str(self.note)}
        return found | {"printed": float(self.printed), "unit": self.quantity.unit}


def printed_rows(paper: str | None = None) -> list[Printed]:
    """What one paper prints, or all three. Raises: InputError for another name."""
    if paper is None:
        return [row for rows in PAPERS.values() for row in rows]
    if paper not in PAPERS:
        raise InputError(f"No paper is called {paper!r}.{nearest(paper, PAPERS)} There are {', '.join(PAPERS)}.")
    return PAPERS[paper]


def make_rows(
    paper: str | None = None, rates: Mapping[Network, float | None] | None = None, processes: int = PROCESSES
) -> list[Row]:
    """Every figure of one paper, or of all three, in the papers' order.

    Args:
        rates: Pictures a second as measured here, for rows that have a printed rate; by default those are left out.
        processes: That count at the same time.
    Raises: InputError for an unknown paper.
    """
    wanted = printed_rows(paper)
    found = count_all((row.network for row in wanted), processes)
    return [figure for row in wanted for figure in _figures(row, found[row.network], rates)]


def _figures(row: Printed, costs: Costs, rates: Mapping[Network, float | None] | None) -> list[Row]:
    start = (row.paper, row.table, row.row, row.network.words)
    figures = []
    for quantity, text, ours, without in (
        (Quantity.PARAMETERS, row.parameters, costs.parameters / 1e6, None),
        (Quantity.MULTIPLY_ADDS, row.giga, costs.released / 1e9, (costs.without + costs.padding) / 1e9),
    ):
        if text is not None:
            difference = ours / float(text) - 1
            note = reason(row, quantity, text, ours, without)
            figures.append(Row(*start, quantity, text, ours, difference, note))
    if rates is not None and row.rate is not None:
        figures.append(Row(*start, Quantity.RATE, row.rate, rates.get(row.network), None, None))
    return figures


def reason(row: Printed, quantity: Quantity, text: str, ours: float, without: float | None) -> Note | None:
    """Why a printed figure is not ours; None where it is within one percent.

    Args:
        ours, without: In the figure's unit; `without` the products of attention, None of what has none.
    """
    printed = float(text)
    if close(ours, printed):
        return None
    if same_digits(ours, text):
        return Note.ROUNDING
    if without is not None and close(without, printed):
        return Note.UNCOUNTED
    if any(figure is not None and float(figure) == printed for figure in _sources(row, quantity)):
        return Note.COPIED
    return Note.RELEASED if row.differs else Note.UNEXPLAINED


def close(ours: float, printed: float) -> bool:
    return abs(ours / printed - 1) <= CLOSE


def same_digits(ours: float, text: str) -> bool:
    """Whether a number, rounded or cut to as many digits as a printed one has after its point, is that one."""
    printed = Decimal(text)
    return any(
        Decimal(ours).quantize(printed, rounding=how) == printed for how in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)
    )


def _sources(row: Printed, quantity: Quantity) -> list[str | None]:
    """The figures that a row may repeat: of the row it names, or of its network in the network's own paper."""
    origins: Sequence[Printed] = [each for each in printed_rows() if _place(each) == row.copied]
    if row.paper != "swin":
        origins = [*origins, *(each for each in PAPERS["swin"] if each.network == row.network)]
    return [each.parameters if quantity is Quantity.PARAMETERS else each.giga for each in origins]


def _place(row: Printed) -> tuple[str, str, str]:
    return row.paper, row.table, row.row
