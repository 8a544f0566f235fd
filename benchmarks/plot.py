"""A picture of courses over time, one strip below the other, as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float, float]  # x, y, and another y that is put on top
Course = Sequence[Point]  # by x
WIDTH, STRIP, GAP = 720, 56, 22  # pixels
LEFT, RIGHT, TOP, BOTTOM = 150, 14, 26, 44
INK, FAINT = "#57606a", "#8c959f"  # legible on white and on black, as the others
FIRST, SECOND = "#2f81f7", "#3fb950"


@dataclass(frozen=True, slots=True)
class Axes:
    """What is shown. *marks*: what happened at which x."""

    x: str
    y: str
    span: tuple[float, float]
    top: float
    step: float  # between the numbers of the x axis
    marks: Mapping[float, str]

    def across(self, x: float) -> float:
        first, last = self.span
        return LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT)


def draw(courses: Mapping[str, Course], axes: Axes) -> str:
    """Return a picture with a strip for each course, by its name."""
    bottoms = [TOP + STRIP + number * (STRIP + GAP) for number in range(len(courses))]
    height = bottoms[-1] + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">',
        *(strip(*each, axes) for each in zip(courses.items(), bottoms, strict=True)),
        *(mark(x, told, axes, bottoms[-1]) for x, told in axes.marks.items()),
        *scale(axes, bottoms[-1]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def strip(named: tuple[str, Course], bottom: float, axes: Axes) -> str:
    name, course = named
    return "\n".join(
        [
            text(LEFT - 40, bottom - STRIP / 2 + 4, name, anchor="end"),
            text(LEFT - 6, bottom - STRIP + 8, f"{axes.top:.0f}", anchor="end", fill=FAINT),
            text(LEFT - 6, bottom, "0", anchor="end", fill=FAINT),
            f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="{FAINT}" stroke-width="0.5"/>',
            area([(x, 0, y) for x, y, _ in course], bottom, axes, fill=FIRST),
            area([(x, y, y + more) for x, y, more in course], bottom, axes, fill=SECOND),
        ]
    )


def area(course: Course, bottom: float, axes: Axes, *, fill: str) -> str:
    """Return what lies between the two y of each point."""

    def at(x: float, y: float) -> str:
        return f"{axes.across(x):.1f},{bottom - STRIP * min(y / axes.top, 1):.1f}"

    around = [at(x, high) for x, _, high in course]
    around += [at(x, low) for x, low, _ in reversed(course)]
    return f'<polygon points="{" ".join(around)}" fill="{fill}" fill-opacity="0.6"/>'


def mark(x: float, told: str, axes: Axes, bottom: float) -> str:
    place = axes.across(x)
    dashes = f'stroke="{INK}" stroke-dasharray="3 3"'
    line = f'<path d="M{place:.1f} {TOP - 8}V{bottom}" {dashes}/>'
    return line + text(place + 4, TOP - 12, told)


def scale(axes: Axes, bottom: float) -> list[str]:
    first, last = axes.span
    count = int((last - first) / axes.step)
    numbers = [first + number * axes.step for number in range(count + 1)]
    ticks = [text(axes.across(x), bottom + 16, f"{x:.0f}", anchor="middle") for x in numbers]
    told = text(WIDTH - RIGHT, bottom + 34, f"{axes.x}; {axes.y}", anchor="end")
    return [*ticks, told]


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {place}>{escape(words)}</text>"
