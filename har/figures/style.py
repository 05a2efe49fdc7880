"""Colours, fonts and the PNG form that all figures share.

Figures use matplotlib's object interface, so nothing global is touched and nothing has to be
closed. Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart.
"""

import io
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

BLACK, ORANGE, GREEN = "#000000", "#E69F00", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "#666666", "#F2F2F2"
LEFT, RIGHT, MIDDLE = BLUE, VERMILLION, "#444444"
MODEL_COLOURS = (ORANGE, BLUE, GREEN, PURPLE)
SHARES = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", "#A9CDE6", BLUE, "#00334F"])
DPI = 120


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def tidy(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    """Axes without a box, with a pale grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.grid(axis=grid, color="#DDDDDD", linewidth=0.6)


def shorten(text: str, length: int) -> str:
    """Text cut to a number of characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
