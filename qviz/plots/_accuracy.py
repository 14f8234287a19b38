"""An axis for accuracies, logarithmic in the error rate: 98 and 99 % lie as far apart as 50 and 75 %."""

import numpy as np
from matplotlib.axes import Axes

LEAST = 0.002  # error rate at the upper end of the axis; lower rates are drawn there
TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


def accuracy_axis(ax: Axes) -> None:
    """Set up the y axis for values of `error_rate`, with tick labels for the accuracy in percent."""
    ax.set_yscale("log")
    ax.set_ylim(1.2, LEAST)
    ax.set_yticks([1 - tick for tick in TICKS], [f"{tick * 100:g}" for tick in TICKS])
    ax.set_yticks([], minor=True)


def error_rate(accuracy) -> np.ndarray:
    """Return the error rates at which accuracies, 0 to 1, are drawn on the axis."""
    return np.clip(1 - np.asarray(accuracy, np.float64), LEAST * 1.05, 1)


def told(accuracy: float) -> str:
    """Format an accuracy; NaN stands for a network that was not measured.

    Examples
    --------
    >>> told(0.5), told(float("nan"))
    ('50.0%', 'not measured')
    """
    return f"{accuracy:.1%}" if np.isfinite(accuracy) else "not measured"
