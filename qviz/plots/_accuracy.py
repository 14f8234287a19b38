"""An axis for accuracies, on which 98 and 99 % lie as far apart as 50 and 75 %: the wrong answers, logarithmic."""

import numpy as np
from matplotlib.axes import Axes

LEAST = 0.002  # share of wrong answers at the upper end of the axis; fewer are drawn there
TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


def accuracy_axis(ax: Axes) -> None:
    """Make the y axis one for `wrong`, named by the right answers in percent."""
    ax.set_yscale("log")
    ax.set_ylim(1.2, LEAST)
    ax.set_yticks([1 - tick for tick in TICKS], [f"{tick * 100:g}" for tick in TICKS])
    ax.set_yticks([], minor=True)


def wrong(accuracy) -> np.ndarray:
    """Return where accuracies, 0 to 1, lie on the axis."""
    return np.clip(1 - np.asarray(accuracy, np.float64), LEAST * 1.05, 1)


def told(accuracy: float) -> str:
    """Return an accuracy in words; NaN is that of a network that was not made.

    Examples
    --------
    >>> told(0.5), told(float("nan"))
    ('50.0%', 'not measured')
    """
    return f"{accuracy:.1%}" if np.isfinite(accuracy) else "not measured"
