"""An ablation's report as one HTML page that needs nothing from elsewhere: no script, its pictures inside."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """
:root { --ink: #22252b; --soft: #6b7280; --line: #e3e6eb; --right: #2a8f5d; --wrong: #c8402f; }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); background: #fff; margin: 0 auto; padding: 36px 24px 72px; max-width: 1080px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 6px; }
h2 { font-size: 18px; margin: 40px 0 10px; }
p { margin: 6px 0; max-width: 76ch; } .soft { color: var(--soft); }
.tally { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 4px; }
.tally div { border: 1px solid var(--line); border-radius: 8px; padding: 10px 18px; min-width: 130px; }
.tally b { display: block; font-size: 24px; line-height: 1.2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; vertical-align: bottom; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.number { text-align: right; }
.badge { border-radius: 99px; padding: 2px 10px; font-size: 12.5px; font-weight: 600; color: #fff;
  background: var(--soft); }
.confirmed { background: var(--right); } .contradicted { background: var(--wrong); }
.note { border-left: 3px solid #d9822b; background: #fdf6ec; padding: 8px 14px; margin: 10px 0; }
img { max-width: 100%; height: auto; display: block; margin: 10px 0; }
code, pre { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: #f6f7f9; padding: 14px; border-radius: 8px; overflow-x: auto; }
summary { cursor: pointer; }
@media print { body { padding: 0; } h2 { break-after: avoid; } img, tr { break-inside: avoid; } }
"""
VERDICTS = ("confirmed", "contradicted", "not resolved")
ALTS = {
    "means": "The mean of each variant with its interval",
    "orderings": "The difference of each ordering with its interval",
    "curves": "Loss and metric over the epochs",
}


def page(document: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The report.

    Args:
        document: As `ablation_report.write` returns it.     pictures: "means", "orderings", "curves": PNG files.
    """
    share = f"{100 * document['confidence']:g} %"
    parts = [
        f"<h1>{_text(document['title'])}</h1>",
        _line(document["about"]),
        _line(f"Source: {document['source']}" if document["source"] else "", "soft"),
        *_notes(document),
        _tally(document) if document["orderings"] else "",
        "<h2>Variants</h2>",
        _variants(document, share),
        _picture(pictures, "means"),
    ]
    if document["orderings"]:
        parts += [
            "<h2>Orderings</h2>",
            _line(f"{document['rule']} Intervals hold {share}, each by itself; the last column asks the same after "
                  "Holm's correction for all of them together."),
            _orderings(document, share),
            _picture(pictures, "orderings"),
        ]  # fmt: skip
    parts += ["<h2>Curves</h2>" if "curves" in pictures else "", _picture(pictures, "curves"), *_plan(document)]
    body = "\n".join(part for part in parts if part)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}<title>{_text(document["title"])}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _notes(document: Mapping[str, Any]) -> list[str]:
    found = []
    if document["ended"] < document["planned"]:
        found.append(
            f"{document['ended']} of {document['planned']} runs have ended: every number and verdict is provisional."
        )
    if document["changes"]:
        found.append(
            f"The plan was changed after the first run began ({document['begun']['at']}): "
            f"{'; '.join(document['changes'])}."
        )
    return [f'<div class="note">{_text(line)}</div>' for line in [*found, *document["notes"]]]


def _tally(document: Mapping[str, Any]) -> str:
    said = [row["verdict"] for row in document["orderings"]]
    later = any(line.startswith(ASKED) for line in document["changes"])
    when = "changed after the first run began" if later else "all decided before the first run"
    boxes = "".join(f"<div><b>{said.count(name)}</b>{name}</div>" for name in VERDICTS)
    return f'<div class="tally">{boxes}</div>\n' + _line(f"of {len(said)} orderings, {when}.", "soft")


def _variants(document: Mapping[str, Any], share: str) -> str:
    metric = f"{document['metric']}{', %' if document['unit'] else ''}"
    printed = any(row["printed"] is not None for row in document["variants"])
    titles = ["variant", "seeds", "parameters", "10⁶ multiply-adds", metric, f"{share} interval", "seconds a run"]
    rows = [
        [
            row["variant"],
            str(len(row["seeds"])),
            _whole(row["parameters"]),
            _number(row["multiply_adds"], 2, 1e-6),
            _number(row["mean"]),
            _interval(row),
            _number(row["training_seconds"], 0),
            *([_number(row["printed"], 1)] if printed else []),
        ]
        for row in document["variants"]
    ]
    return _table([*titles, *(["printed"] if printed else [])], rows)


def _orderings(document: Mapping[str, Any], share: str) -> str:
    printed = any(row["printed"] is not None for row in document["orderings"])
    titles = ["ordering", "seeds", "difference", f"{share} interval", *(["printed"] if printed else []), "verdict"]
    rows = [
        [
            row["ordering"],
            str(len(row["seeds"])),
            _signed(row["difference"]),
            _interval(row, _signed),
            *([_signed(row["printed"], 1)] if printed else []),
            _Raw(_badge(row["verdict"])),
            _Raw(_badge(row["verdict_holm"])),
        ]
        for row in document["orderings"]
    ]
    return _table([*titles, "after Holm"], rows)


def _plan(document: Mapping[str, Any]) -> list[str]:
    begun = document["begun"]
    data = ", ".join(f"{begun[key]:,} {name}" for key, name in _DATA.items() if key in begun)
    versions = ", ".join(f"{name} {version}" for name, version in begun.get("versions", {}).items())
    same = "as it is now" if begun["sha256"] == document["sha256"] else "which is no longer the plan's"
    runs = [
        [row["variant"], str(row["seed"]), _number(row["value"]), _number(row.get("training_seconds"), 0)]
        for row in document["runs"]
    ]
    return [
        "<h2>Runs</h2>",
        f"<details><summary>{document['ended']} of {document['planned']}</summary>"
        + _table(["variant", "seed", document["metric"], "seconds"], runs)
        + "</details>",
        "<h2>Plan</h2>",
        _line(f"Written down {begun['at']}, before the first run, with SHA-256 {begun['sha256']}, {same}."),
        _line(f"{data}. {versions}." if data else versions, "soft"),
        "<details><summary>The plan, every field</summary>"
        f"<pre>{_text(json.dumps(document['plan'], indent=1))}</pre></details>",
    ]


ASKED = ("orderings ", "confidence ", "metric ")  # changes after which the question is another
_DATA = {"training": "training samples", "held_out": "held out"}


class _Raw(str):
    """Already HTML."""


def _table(titles: list[str], rows: list[list[str]]) -> str:
    words = {"variant", "ordering", "verdict", "after Holm"}
    kinds = ["" if title in words else ' class="number"' for title in titles]
    head = "".join(f"<th{kind}>{_text(title)}</th>" for kind, title in zip(kinds, titles, strict=True))
    body = "\n".join(
        "<tr>" + "".join(
            f"<td{kind}>{cell if isinstance(cell, _Raw) else _text(cell)}</td>"
            for kind, cell in zip(kinds, row, strict=True)
        ) + "</tr>"
        for row in rows
    )  # fmt: skip
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _badge(verdict: str) -> str:
    return f'<span class="badge {verdict.replace(" ", "-")}">{verdict}</span>'


def _picture(pictures: Mapping[str, bytes], name: str) -> str:
    if name not in pictures:
        return ""
    return f'<img alt="{ALTS[name]}" src="data:image/png;base64,{base64.b64encode(pictures[name]).decode()}">'


def _line(text: str, kind: str = "") -> str:
    opening = f'<p class="{kind}">' if kind else "<p>"
    return f"{opening}{_text(text)}</p>" if text else ""


def _text(text: str) -> str:
    return escape(str(text))


def _number(value: float | None, digits: int = 2, factor: float = 1.0) -> str:
    return "" if value is None else f"{factor * value:,.{digits}f}"


def _signed(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def _whole(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _interval(row: Mapping[str, Any], way: Any = _number) -> str:
    return "" if row["low"] is None else f"{way(row['low'])} to {way(row['high'])}"
