"""A picture at 2 to 8 bits."""

from dataclasses import dataclass

import numpy as np

from qviz.data import digits, photograph
from qviz.numerics import IntFormat, QParams, choose_qparams, fake_quantize, quantize
from qviz.numerics.packing import packed_bytes
from qviz.plots import Canvas, ImagePanel, LevelsPanel, cropped

from .controls import YOURS, choice, slider, toggle
from .explorer import Explorer

MOST_PIXELS = 1024  # in a row or a column


@dataclass(frozen=True)
class State:
    """Which picture, and how many bits."""

    data: str = choice("Picture", ("photograph", "digits", YOURS))
    bits: int = slider("Bits", 8, 2, 8)
    zoom: bool = toggle("Zoom into the middle")


@dataclass(frozen=True)
class Result:
    """A picture before and after quantization, and how many greys and bytes each has."""

    picture: np.ndarray
    quantized: np.ndarray
    qparams: QParams
    greys: tuple[int, int]
    bytes: tuple[int, int]


def compute(state: State, picture: np.ndarray, greys: int | None = None) -> Result:
    """Quantize a (rows, columns) picture, with a range from its smallest to its largest value that includes zero.

    `greys` is the number of its distinct values; None means that they are counted here.
    """
    fmt = IntFormat(state.bits, signed=False)
    qparams = choose_qparams(picture.min(), picture.max(), fmt)
    quantized = fake_quantize(picture, qparams)
    sizes = picture.size * 4, packed_bytes(picture.size, fmt)
    before = np.unique(picture).size if greys is None else greys
    after = np.count_nonzero(np.bincount(quantize(picture, qparams).ravel()))
    return Result(picture, quantized, qparams, (before, after), sizes)


def digits_mosaic() -> np.ndarray:
    """Return 15 handwritten digits as one (30, 50) picture, ink from 0 to 1.

    Examples
    --------
    >>> digits_mosaic().shape
    (30, 50)
    """
    tiles = [np.pad(image, 1) for image in digits().images[:15, 0]]
    return np.block([tiles[start : start + 5] for start in (0, 5, 10)])


class PhotoExplorer(Explorer):
    """A picture before and after quantization.

    Examples
    --------
    >>> explorer = PhotoExplorer(bits=3)
    >>> print(explorer.readout)
    3 bits: 8 levels, 0.142857 apart
    256 different grey values became 8
    size: 393,216 bytes as float32, 36,864 bytes with 3 bits per pixel, 10.67 times smaller
    >>> explorer.close()
    """

    State = State
    readout_lines = 3
    _counted: tuple = (None, 0)  # the last picture, and the number of its greys

    def compute(self, state: State) -> Result:
        """Quantize the chosen picture."""
        picture = self._picture(state)
        if picture is not self._counted[0]:
            self._counted = picture, np.unique(picture).size
        return compute(state, *self._counted)

    def canvas(self) -> Canvas:
        """Put the two pictures side by side, the levels below them."""
        panels = {
            "original": ImagePanel("Original: float32", still=True),
            "quantized": ImagePanel("Quantized"),
            "levels": LevelsPanel("Greys of the quantized picture"),
        }
        layout = [["original", "quantized"], ["levels", "levels"]]
        return Canvas(panels, layout, (900, 410), height_ratios=[3, 1])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show both pictures, or their middle, with the quantized range from black to white."""
        lo, hi = float(result.qparams.lo), float(result.qparams.hi)
        cut = cropped if state.zoom else np.asarray
        return {
            "original": (cut(result.picture), lo, hi),
            "quantized": (cut(result.quantized), lo, hi),
            "levels": (result.picture, result.qparams),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the greys before and after, and how many times smaller the picture is."""
        return {
            "greys": f"{result.greys[0]} → {result.greys[1]}",
            "smaller": f"{result.bytes[0] / result.bytes[1]:.2f} times",
        }

    def describe(self, state: State, result: Result) -> str:
        """Return the greys and the bytes."""
        before, after = result.bytes
        return (
            f"{state.bits} bits: {result.qparams.fmt.levels} levels, {float(result.qparams.scale):.6f} apart\n"
            f"{result.greys[0]} different grey values became {result.greys[1]}\n"
            f"size: {before:,} bytes as float32, {after:,} bytes with {state.bits} bits per pixel, "
            f"{before / after:.2f} times smaller"
        )

    def close(self) -> None:
        """Free the picture too."""
        super().close()
        self._counted = (None, 0)

    def _picture(self, state: State) -> np.ndarray:
        if state.data == "photograph":
            return photograph()
        if state.data == "digits":
            return digits_mosaic()
        picture = self.own()
        if picture.ndim != 2 or max(picture.shape) > MOST_PIXELS:
            raise ValueError(
                f"a picture must have two axes, rows and columns, of at most {MOST_PIXELS} pixels: "
                f"got shape {picture.shape}; take a part of it, or the mean of its colours"
            )
        return picture
