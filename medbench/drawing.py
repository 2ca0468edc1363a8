"""The one look of every picture: colours, this machine's fonts, files that are always the same.

Lengths are in inches, text sizes in points. matplotlib is imported where it is used.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.errors import MissingExtra
from medbench.results import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patheffects import AbstractPathEffect

__all__ = [
    "FAINT",
    "GREY",
    "INK",
    "PALETTE",
    "Pen",
    "bound",
    "halo",
    "plane",
    "save",
    "write",
    "write_title",
]

# Okabe & Ito's colours, told apart with any colour vision, less black.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
INK = "#222222"
GREY = "#757575"
FAINT = "#E2E2E2"
LATIN_FONTS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans")
CJK_FONTS = ("Noto Sans CJK KR", "Noto Sans CJK JP", "Source Han Sans", "Apple SD Gothic Neo",
             "Malgun Gothic", "Arial Unicode MS", "Droid Sans Fallback")  # fmt: skip
TITLE_SIZE = 13
DOTS, MOST_DOTS = 200, 30_000
"""Of a PNG: an inch, and along a side."""


class Pen:
    """The fonts of this machine: what they can write, and how wide it gets."""

    def __init__(self) -> None:
        from matplotlib import font_manager

        names = set(font_manager.get_font_names())
        found = [[name for name in fonts if name in names] for fonts in (LATIN_FONTS, CJK_FONTS)]
        self.families = [*found[0][:1], *found[1][:1], "DejaVu Sans"]
        paths = [font_manager.findfont(name) for name in self.families]
        self.signs = {sign for path in paths for sign in font_manager.get_font(path).get_charmap()}

    def can_write(self, text: str) -> bool:
        """Tell whether some font has each sign."""
        return all(ord(sign) in self.signs for sign in text)

    def plain(self, text: str) -> str:
        """Return one line with a question mark for each sign that no font has."""
        return "".join(sign if self.can_write(sign) else "?" for sign in one_line(text))

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """Return the width of a line."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        font = FontProperties(family=self.families, weight=weight, size=size)
        return text_to_path.get_text_width_height_descent(self.plain(text), font, False)[0] / 72

    def fit(self, text: str, size: float, width: float) -> tuple[str, float]:
        """Make a line a little smaller before it is shortened; return the size as well."""
        size *= max(0.75, min(1.0, width / max(self.width(text, size), 0.01)))
        return self.cut(text, size, width), size

    def cut(self, text: str, size: float, width: float, weight: str = "normal") -> str:
        """Shorten a line in its middle, where names differ least."""
        text = line = self.plain(text)
        kept = len(text)
        while kept > 4 and self.width(line, size, weight) > width:
            kept = min(kept - 1, int(width * 72 / size * 5))  # five signs an em are too many
            line = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        return line

    def wrap(
        self, text: str, size: float, width: float, most: int = 9, weight: str = "normal"
    ) -> list[str]:
        """Break a text between words into lines, the last one cut; a longer word is cut too."""
        lines: list[str] = []
        for word in self.plain(text).split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and (len(lines) == most or self.width(longer, size, weight) <= width):
                lines[-1] = longer
            else:
                lines.append(word)
        return [self.cut(line, size, width, weight) for line in lines]


def plane() -> "tuple[Figure, Axes]":
    """Return a figure and its axes, which `bound` makes a plane of inches from the top left."""
    from matplotlib.figure import Figure

    figure = Figure(facecolor="white")
    return figure, figure.add_axes((0, 0, 1, 1), frame_on=False, xticks=[], yticks=[])


def bound(figure: "Figure", width: float, height: float) -> "Figure":
    """Give a plane its size once it is known."""
    figure.set_size_inches(width, height)
    figure.axes[0].set(xlim=(0, width), ylim=(height, 0))
    return figure


def write(axes: "Axes", at: float, middle: float, text: str, size: float, **style: Any) -> None:
    """Write a line around a height, by its baseline: letters below it must not lift others."""
    axes.text(at, middle + 0.36 * size / 72, text, fontsize=size, **{"color": INK} | style)


def write_title(axes: "Axes", edge: float, text: str, width: float, pen: Pen) -> float:
    """Write the title of a picture in the lines that it takes; return the middle of the last."""
    lines = pen.wrap(text, TITLE_SIZE, width, 3, "bold")
    for place, line in enumerate(lines):
        write(axes, edge, 0.34 + 0.24 * place, line, TITLE_SIZE, weight="bold")
    return 0.34 + 0.24 * (len(lines) - 1)


def halo() -> "list[AbstractPathEffect]":
    """Return the effect that keeps a text legible on lines."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2, foreground="white")]


def save(
    draw: "Callable[[Pen], Figure]", stem: Path, formats: Sequence[str], about: str = ""
) -> list[Path]:
    """Draw, and write a file for each format; settings of the user change nothing.

    Args:
        draw: Makes the figure, with the fonts that it is given.
        stem: `folder/board` gives `folder/board.svg` and `folder/board.png`.
        formats: svg, png.
        about: Kept inside the files as their identifier.

    Raises:
        MissingExtra: if matplotlib is not installed.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingExtra("plot", "Drawing a figure") from error
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in formats]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        pen = Pen()
        # Text becomes outlines: a reader's machine may lack these fonts, and the numbers must stay
        # on their bars. A fixed salt and no date make the SVG the same on every run.
        matplotlib.rcParams.update({
            "font.family": pen.families, "text.parse_math": False, "hatch.linewidth": 0.7,
            "svg.fonttype": "path", "svg.hashsalt": "medbench", "text.hinting": "none",
        })  # fmt: skip
        figure = draw(pen)
        dots = min(DOTS, MOST_DOTS / max(figure.get_size_inches()))
        for path, suffix in zip(paths, formats, strict=True):
            plain = {"Date": None} if suffix == "svg" else {"Software": None}
            metadata: dict[str, Any] = plain | ({"Identifier": about} if about else {})
            figure.savefig(path, format=suffix, dpi=dots, metadata=metadata)
    return paths
