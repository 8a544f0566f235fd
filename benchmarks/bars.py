"""A picture of shares: groups of bars, each with its quartiles, as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.plot import FAINT, FIRST, INK, SECOND, text
from benchmarks.ratios import Spread

WIDTH, LEFT, RIGHT = 720, 210, 60  # pixels
LINE, BAR, HEAD, BOTTOM = 20, 13, 30, 16


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together. *shares*: by name; the first is what the others are shares of."""

    name: str
    shares: Mapping[str, Spread]


def draw(groups: Sequence[Group]) -> str:
    """Return the picture, of bars from 0 to the greatest share."""
    greatest = max(each.high for group in groups for each in group.shares.values())
    scale = (WIDTH - LEFT - RIGHT) / greatest
    parts, y = [], 0
    for group in groups:
        y += HEAD
        parts.append(text(8, y - 8, group.name))
        for number, (name, share) in enumerate(group.shares.items()):
            parts.append(bar(y, name, share, scale, fill=SECOND if number == 0 else FIRST))
            y += LINE
    height = y + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def bar(y: float, name: str, share: Spread, scale: float, *, fill: str) -> str:
    middle, low, high = (LEFT + each * scale for each in (share.middle, share.low, share.high))
    across = y + BAR / 2
    return "\n".join(
        [
            text(LEFT - 8, y + BAR - 3, name, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{middle - LEFT:.1f}" height="{BAR}" fill="{fill}" '
            'fill-opacity="0.6"/>',
            f'<path d="M{low:.1f} {across}H{high:.1f}" stroke="{FAINT}" stroke-width="2"/>',
            text(high + 6, y + BAR - 3, f"{share.middle:.2f}"),
        ]
    )
