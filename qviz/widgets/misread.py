"""The network of the course at 2 to 8 bits: digits turn red as it misreads them."""

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
    """How many bits each weight has."""

    bits: int = slider("Bits", 8, 2, 8)


@dataclass(frozen=True, eq=False)
class Result:
    """What the network answers to the test images, and by how much.

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
        """How many digits are misread."""
        return int((self.answers != self.labels).sum())


@cache
def read_at(bits: int) -> Result:
    """Round the four weight tensors, symmetric and min-max, and read every test image.

    Examples
    --------
    >>> [read_at(bits).wrong for bits in (8, 4, 3, 2)]
    [4, 5, 44, 323]
    """
    weights = {name: _rounded(w, bits) if name.endswith("weight") else w for name, w in cnn_weights().items()}
    logits = cnn_forward(digits().images[digits().test], weights)["logits"].astype(np.float64)
    labels, rows = digits().labels[digits().test].astype(np.int64), np.arange(len(logits))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return Result(labels, logits.argmax(1), logits[rows, labels] - others.max(1))


def _rounded(weights: np.ndarray, bits: int) -> np.ndarray:
    return fake_quantize(weights, calibrate(weights, "min-max", IntFormat(bits), "symmetric"))


class MisreadExplorer(Explorer):
    """A network that reads digits: which it misreads as its weights get fewer bits.

    Examples
    --------
    >>> explorer = MisreadExplorer(bits=3)
    >>> print(explorer.readout)
    3 bits for each weight: 315 of 359 digits are read correctly
    median margin 8.0 (10.3 with 8 bits); the answer is wrong where the margin is below 0
    >>> explorer.close()
    """

    State = State
    readout_lines = 2

    def compute(self, state: State) -> Result:
        """Read every test image."""
        return replace(read_at(state.bits))  # one of its own: nothing is left of an explorer that is closed

    def canvas(self) -> Canvas:
        """Put the digits at the left, their margins at the right."""
        panels = {"digits": DigitsReadPanel(), "margins": RightMarginPanel()}
        return Canvas(panels, [["digits", "margins"]], (960, 410), width_ratios=[5, 4])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the first digits, and the margins of all."""
        images = digits().images[digits().test[:SHOWN], 0]
        return {
            "digits": (images, result.answers[:SHOWN], result.labels[:SHOWN]),
            "margins": (result.margins,),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Say how many are misread, and what is left of the margin."""
        return {
            "misread": f"{result.wrong} of {len(result.labels)}",
            "median margin": f"{np.median(result.margins):.1f}",
        }

    def describe(self, state: State, result: Result) -> str:
        """Say how many are right, and how large the margins are."""
        median, most = np.median(result.margins), np.median(read_at(8).margins)
        right = len(result.labels) - result.wrong
        return (
            f"{state.bits} bits for each weight: {right} of {len(result.labels)} digits are read correctly\n"
            f"median margin {median:.1f} ({most:.1f} with 8 bits); the answer is wrong where the margin is below 0"
        )
