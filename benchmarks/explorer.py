"""Control change to finished PNG: an explorer against `ipywidgets.interact` with pyplot, side by side.

Both show 100,000 values before and after quantization, in two panels of the same size, and do the same arithmetic.
A slider is moved; the time runs until the PNG file is there. The two take turns, so that whatever else the machine
does meets both.

The other side is what a notebook does without qviz: a function that makes a new figure, called by `interact`, and
shown by the inline backend, whose own `print_figure` writes the PNG here.
"""

import contextlib
import io
import time
from dataclasses import dataclass

import ipywidgets
import numpy as np

from qviz.numerics import CALIBRATORS, IntFormat, QParams, calibrate, fake_quantize
from qviz.plots import Canvas, HistogramPanel, LevelsPanel
from qviz.tensors import tensor
from qviz.widgets import ArenaExplorer, CalibrationExplorer, Explorer
from qviz.widgets.controls import slider, tensor_choice

from .frame import Row, median, times

SIZE = (900, 350)
DPI = 100
BINS = 160
FRAME_MS = 1000 / 60
TARGET_RATIO = 30


@dataclass(frozen=True)
class State:
    """The control that is moved."""

    data: str = tensor_choice("Gaussian")
    bits: int = slider("Bits", 4, 2, 8)


class BeforeAndAfter(Explorer):
    """100,000 values before and after quantization."""

    State = State

    def compute(self, state: State) -> tuple[np.ndarray, QParams]:
        x = tensor(state.data)
        return x, calibrate(x, "min-max", IntFormat(state.bits, signed=False))

    def canvas(self) -> Canvas:
        return Canvas({"before": HistogramPanel(), "after": LevelsPanel()}, size=SIZE)

    def views(self, state: State, result) -> dict[str, tuple]:
        x, p = result
        return {"before": (x, float(p.lo), float(p.hi)), "after": (x, p)}

    def describe(self, state: State, result) -> str:
        return f"scale = {float(result[1].scale):.6f}"


def with_interact(pictures: list[bytes]) -> ipywidgets.IntSlider:
    """Build the same with `interactive`, which `interact` shows; each move adds a PNG to `pictures`."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from IPython.core.pylabtools import print_figure

    def show(bits: int) -> None:
        x = tensor("Gaussian")
        p = calibrate(x, "min-max", IntFormat(bits, signed=False))
        figure, (before, after) = plt.subplots(1, 2, figsize=(SIZE[0] / DPI, SIZE[1] / DPI), dpi=DPI)
        before.hist(x, bins=BINS)
        for end in (float(p.lo), float(p.hi)):
            before.axvline(end, color="black", linestyle="--")
        before.set_title("Before: float32")
        after.hist(fake_quantize(x, p), bins=BINS)
        after.set_title("After")
        figure.tight_layout()
        pictures.append(print_figure(figure, fmt="png", bbox_inches="tight", base64=False))
        plt.close(figure)

    box = ipywidgets.interactive(show, bits=ipywidgets.IntSlider(4, 2, 8))
    return box.children[0]


def slider_of(explorer: Explorer) -> ipywidgets.IntSlider:
    """Find the slider that the mouse would move."""
    rows = explorer.children[0].children[0].children
    return next(w for row in rows for w in getattr(row, "children", ()) if isinstance(w, ipywidgets.IntSlider))


def in_turns(sliders: dict[str, ipywidgets.IntSlider], moves: int) -> dict[str, np.ndarray]:
    """Move each slider in turn, and return the milliseconds of each move."""
    took = {name: np.empty(moves) for name in sliders}
    warm = 7  # each width of bits once: what is cached is cached
    for i in range(-warm, moves):
        for name, control in sliders.items():
            value = 2 + (i + warm) % 7
            value = value if value != control.value else (value - 1) % 7 + 2
            start = time.perf_counter()
            control.value = value
            if i >= 0:
                took[name][i] = 1000 * (time.perf_counter() - start)
    return took


def measure(moves: int = 42) -> dict[str, np.ndarray]:
    """Return the milliseconds of each move, ours and theirs, and those of the two explorers of calibration."""
    explorers = {"explorer": BeforeAndAfter()}
    explorers |= {f"calibration, {method}": CalibrationExplorer(method=method) for method in CALIBRATORS}
    explorers["arena"] = ArenaExplorer()
    pictures: list[bytes] = []
    with contextlib.redirect_stdout(io.StringIO()):  # without a kernel, clearing the output prints
        sliders = {name: slider_of(explorer) for name, explorer in explorers.items()}
        took = in_turns(sliders | {"interact": with_interact(pictures)}, moves)
    if len(pictures) < moves or any(explorer.last_error for explorer in explorers.values()):
        raise RuntimeError("a picture is missing, so its time means nothing")
    for explorer in explorers.values():
        explorer.close()
    return took


def compare() -> list[Row]:
    """Compare with interact, and every explorer of the page on calibration with one frame of a screen."""
    seconds = {name: list(values / 1000) for name, values in measure().items()}
    ours, theirs = seconds.pop("explorer"), seconds.pop("interact")
    ratio = median(other / own for own, other in zip(ours, theirs, strict=True))
    what = "move to PNG, 2 panels, 100k"
    moved = Row(what, ours, "interact, pyplot", theirs, times(ratio), f">={TARGET_RATIO}x", ratio >= TARGET_RATIO)
    return [moved, *(within_a_frame(name, values) for name, values in {"the same": ours, **seconds}.items())]


def within_a_frame(name: str, seconds: list[float]) -> Row:
    took = 1000 * median(seconds)
    return Row(name, seconds, "a frame, 16.7 ms", [], f"{took:.1f}", "<=16.7", took <= FRAME_MS)
