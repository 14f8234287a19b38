"""Which digits the course's network misreads with weights of 2 to 8 bits."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from qviz.data import digits
from qviz.networks import cnn_forward, cnn_weights
from qviz.numerics import IntFormat, calibrate, fake_quantize
from qviz.plots import Canvas
from qviz.plots.misread import COLUMNS, DigitsReadPanel, RightMarginPanel

from .controls import slider
from .explorer import Explorer

SHOWN = 7 * COLUMNS


@dataclass(frozen=True)
class State:
    """The bits of each weight."""

    bits: int = slider("Bits", 8, 2, 8)


@dataclass(frozen=True, eq=False)
class Result:
    """The answers of the network to the test images, and their margins.

    Attributes
    ----------
    labels, answers : (359,) int64
    margins : (359,) float64: the logit of the right digit minus the largest other one
    """

    labels: np.ndarray
    answers: np.ndarray
    margins: np.ndarray

    @property
    def wrong(self) -> int:
        """Number of digits that are misread."""
        return int((self.answers != self.labels).sum())


@cache
def read_at(bits: int) -> Result:
    """Quantize the four weight tensors (symmetric, min-max), and read every test image.

    Examples
    --------
    >>> [read_at(bits).wrong for bits in (8, 4, 3, 2)]
    [4, 5, 44, 323]
    """
    weights = {name: _quantized(w, bits) if name.endswith("weight") else w for name, w in cnn_weights().items()}
    logits = cnn_forward(digits().images[digits().test], weights)["logits"].astype(np.float64)
    labels, rows = digits().labels[digits().test].astype(np.int64), np.arange(len(logits))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return Result(labels, logits.argmax(1), logits[rows, labels] - others.max(1))


def _quantized(weights: np.ndarray, bits: int) -> np.ndarray:
    return fake_quantize(weights, calibrate(weights, "min-max", IntFormat(bits), "symmetric"))


class MisreadExplorer(Explorer):
    """A network that reads digits: which ones it misreads as its weights get fewer bits.

    Examples
    --------
    >>> explorer = MisreadExplorer(bits=3)
    >>> print(explorer.readout)
    3 bits for each weight: 315 of 359 digits are read correctly
    median difference 8.0 (10.3 with 8 bits); the answer is wrong where the difference is below 0
    >>> explorer.close()
    """

    State = State
    readout_lines = 2

    def compute(self, state: State) -> Result:
        """Read every test image."""
        return replace(read_at(state.bits))  # a copy: the cached original outlives a closed explorer

    def canvas(self) -> Canvas:
        """Put the digits on the left, their margins on the right."""
        panels = {"digits": DigitsReadPanel(), "margins": RightMarginPanel()}
        return Canvas(panels, [["digits", "margins"]], (960, 410), width_ratios=[5, 4])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the first digits, and the margins of all digits."""
        images = digits().images[digits().test[:SHOWN], 0]
        return {
            "digits": (images, result.answers[:SHOWN], result.labels[:SHOWN]),
            "margins": (result.margins,),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return how many digits are misread, and the median difference."""
        return {
            "misread": f"{result.wrong} of {len(result.labels)}",
            "median difference": f"{np.median(result.margins):.1f}",
        }

    def describe(self, state: State, result: Result) -> str:
        """Return how many digits are read correctly, and the median difference."""
        median, most = np.median(result.margins), np.median(read_at(8).margins)
        right = len(result.labels) - result.wrong
        return (
            f"{state.bits} bits for each weight: {right} of {len(result.labels)} digits are read correctly\n"
            f"median difference {median:.1f} ({most:.1f} with 8 bits); "
            "the answer is wrong where the difference is below 0"
        )
