"""One picture of the measurements: answers per second beside the bare handler's, as SVG.

It follows the reader's choice of light or dark and needs nothing from anywhere else.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from benchmarks.comparing import Comparison

_SHOWN = {
    "bare": "bare handler, nothing behind it",
    "info": "look at a book, always current",
    "search": "page of a topic",
    "sold out": "purchase of a sold-out book",
    "hot": "purchase of one hot book",
    "spread": "purchases of 1,000 books",
    "naive": "naive shop, one hot book: oversells",
    "versioned one by one": "versioned one by one, one hot book",
}
_WIDTH, _ROW, _TOP, _BAR_LEFT, _BAR_WIDTH = 720, 30, 46, 280, 350
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 11px; fill: #59636e; }
  rect { fill: #0969da; } .other { fill: #afb8c1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .small { fill: #9198a1; }
    rect { fill: #4493f8; } .other { fill: #656c76; }
  }
"""
_NOT_OURS = {"bare", "naive", "versioned one by one"}


def svg(found: Comparison) -> str:
    """Return the picture: a bar for each load, as a share of the bare handler."""
    names = [name for name in _SHOWN if name in found.rounds[0]]
    shares = {
        name: statistics.median(each[name].rate / each["bare"].rate for each in found.rounds)
        for name in names
    }
    height = _TOP + _ROW * len(names) + 10
    rows = [
        _row(_TOP + _ROW * place, _SHOWN[name], shares[name], ours=name not in _NOT_OURS)
        for place, name in enumerate(names)
    ]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
                f'role="img" aria-label="Answers per second beside a bare handler">'
            ),
            f"<style>{_STYLE}</style>",
            '<text x="10" y="18">Answers per second, as a share of a bare aiohttp handler</text>',
            (
                '<text x="10" y="35" class="small">64 keep-alive clients, two cores for all of it; '
                f"median of {len(found.rounds)} interleaved rounds</text>"
            ),
            *rows,
            "</svg>\n",
        ]
    )


def _row(y: int, label: str, share: float, *, ours: bool) -> str:
    width = max(share * _BAR_WIDTH, 1)
    kind = "" if ours else ' class="other"'
    return (
        f'<text x="10" y="{y + 15}">{escape(label)}</text>'
        f'<rect{kind} x="{_BAR_LEFT}" y="{y + 2}" width="{width:.1f}" height="17" rx="2"/>'
        f'<text x="{_BAR_LEFT + width + 6:.1f}" y="{y + 15}">{share:.3g}</text>'
    )
