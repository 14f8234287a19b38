"""What quantization did to a network: accuracy, error of each layer, bytes on disk, and time.

Results are arrays and numbers, so that pictures and widgets need no torch. `measure` finds them.
"""

from dataclasses import dataclass

import numpy as np

from qviz.numerics import Histogram, QParams

from .size_and_latency import Latency


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of one layer, before and after.

    Attributes
    ----------
    real : float32 array: what was trained (with batch norm folded in)
    quantized : float32 array of the same shape: the real values of the codes
    qparams : QParams, or None where simulated; its format is that of the codes, not of the 8 bits that hold them
    sqnr_db : float
    """

    real: np.ndarray
    quantized: np.ndarray
    qparams: QParams | None
    sqnr_db: float


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer's outputs, quantized against float, each network running on its own outputs.

    Attributes
    ----------
    name : str: "input" is the quantized input of the network
    seen : Histogram of the float network's outputs on x
    qparams : QParams, or None where the output stays float (dynamic)
    sqnr_db : float: of the output; the errors of all layers before are in it
    clipped : float: share of the float outputs beyond the range, 0 to 1; NaN where there is none
    weights : Weights, or None
    real : float32 array, read-only: the float network's outputs on x
    """

    name: str
    seen: Histogram
    qparams: QParams | None
    sqnr_db: float
    clipped: float
    weights: Weights | None
    real: np.ndarray


@dataclass(frozen=True, eq=False)
class PTQResult:
    """A quantized network beside the float one.

    Attributes
    ----------
    accuracy, float_accuracy : float: share of right answers on x, 0 to 1
    agreement : float: share of images that both name the same, 0 to 1
    layers : tuple of Layer, in the order they run
    size_bytes, float_size_bytes : int: of the state dict, saved
    latency, float_latency : Latency
    engine : str: the engine that ran, "simulated", or "unknown" where torch alone converted
    """

    accuracy: float
    float_accuracy: float
    agreement: float
    layers: tuple[Layer, ...]
    size_bytes: int
    float_size_bytes: int
    latency: Latency
    float_latency: Latency
    engine: str

    def layer(self, name: str) -> Layer:
        """Return the layer of this name.

        Raises
        ------
        ValueError
            There is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"name must be one of {', '.join(x.name for x in self.layers)}: got {name!r}")

    def __str__(self) -> str:
        head = f"{'layer':<8} {'output dB':>10} {'clipped':>9} {'weights dB':>11}"
        rows = (
            f"{x.name:<8} {x.sqnr_db:>10.1f} {'' if np.isnan(x.clipped) else f'{x.clipped:.2%}':>9} "
            f"{f'{x.weights.sqnr_db:.1f}' if x.weights else '':>11}"
            for x in self.layers
        )
        names = f"accuracy {self.accuracy:.4f} (float {self.float_accuracy:.4f}), same answer {self.agreement:.4f}"
        sizes = f"{self.size_bytes:,} bytes (float {self.float_size_bytes:,}), engine: {self.engine}"
        return "\n".join((names, sizes, head, *rows))
