"""Ablation of the trained network: the effect of quantizing weights, activations and biases, each on its own.

Weights are quantized without data. The ranges of activations are calibrated on the training images. Sums stay float32,
as in any simulated quantization.
"""

from functools import cache, cached_property, lru_cache
from itertools import combinations
from types import MappingProxyType

import numpy as np

from qviz.data.images import digits
from qviz.networks.digits_cnn import cnn_forward, cnn_weights, training_activations
from qviz.networks.layer_shapes import SCALE_BYTES
from qviz.networks.topology import INPUT_OF, LAYERS, OUTPUT_OF, SCALE_OF
from qviz.numerics import (
    CALIBRATORS,
    Histogram,
    QParams,
    _check,
    calibrate,
    choose_qparams,
    fake_quantize,
    fake_quantize_bias,
    observe,
)

from .ablation_result import AblationResult, LayerResult, compare
from .ablation_settings import ACCUMULATOR, PARTS, Switches

PLACES = MappingProxyType({"input": "input", **OUTPUT_OF})  # where errors are measured: the input, and each layer
BATCHES = 45  # of 32 training images; only the moving-average calibrator depends on it
ZERO_POINT_BYTES = 1
COMBINATIONS = tuple(parts for n in range(len(PARTS) + 1) for parts in combinations(PARTS, n))  # none, each, pairs, all


class SwitchedCNN:
    """The trained network, measured on the test images of the digits under any setting of the switches.

    Everything that does not depend on the switches is computed once. The last 64 results are cached.

    Parameters
    ----------
    most : int or None
        Measure on the first `most` test images only, 1 to 359; None for all.

    Raises
    ------
    TypeError, ValueError
        `most` is not an integer from 1 to 359.

    Examples
    --------
    >>> cnn = SwitchedCNN()
    >>> cnn.outcome(Switches().with_on()).right, cnn.outcome(Switches()).right, cnn.images
    (355, 355, 359)
    >>> print(cnn.outcome(Switches()))
    98.9% right, 38.5 dB; 38,907 bytes stored, 3,210 in flight
    """

    def __init__(self, most: int | None = None):
        d = digits()
        whole = len(d.test)
        self._test = d.test if most is None else d.test[: _check.whole_number(most, "most", 1, whole)]
        self.images = len(self._test)
        self._outcomes = lru_cache(maxsize=64)(self._measure)

    def outcome(self, switches: Switches) -> AblationResult:
        """Run the network with these switches, and measure it."""
        return self._outcomes(switches.relevant())

    def combinations(self, switches: Switches) -> dict[tuple[str, ...], AblationResult]:
        """Return the results of all eight combinations of the switches at these bit widths, by the parts that are on.

        Examples
        --------
        >>> cnn = SwitchedCNN()
        >>> [outcome.right for outcome in cnn.combinations(Switches(bias_bits=8)).values()]
        [355, 355, 355, 347, 355, 346, 346, 346]
        """
        return {parts: self.outcome(switches.with_on(*parts)) for parts in COMBINATIONS}

    def activations(self, switches: Switches) -> dict[str, np.ndarray]:
        """Return all activations on the test images, by name, as `cnn_forward` does.

        Examples
        --------
        >>> SwitchedCNN(most=5).activations(Switches())["logits"].shape
        (5, 10)
        """
        d = digits()
        return cnn_forward(d.images[self._test], switched_weights(switches), _changes(switches))

    @cached_property
    def _float(self) -> dict[str, np.ndarray]:
        return self.activations(Switches().with_on())

    def _measure(self, switches: Switches) -> AblationResult:
        seen = self.activations(switches)
        right = int((seen["logits"].argmax(axis=1) == digits().labels[self._test]).sum())
        return AblationResult(right, self.images, tuple(self._layer(n, seen[PLACES[n]], switches) for n in PLACES))

    def _layer(self, name: str, output: np.ndarray, switches: Switches) -> LayerResult:
        errors = compare(self._float[PLACES[name]], output)
        bits = switches.activation_bits if switches.activations else 32
        return LayerResult(name, *errors, *stored_bytes(name, switches), _whole_bytes(output[0].size, bits))


def weight_qparams(layer: str, switches: Switches) -> QParams:
    """Choose the qparams of a layer's weights; no data is needed.

    Examples
    --------
    >>> weight_qparams("conv1", Switches(weight_bits=4)).scale.shape
    (16, 1)
    """
    return _weight_qparams(layer, switches.weight_bits, switches.granularity, switches.method)


def activation_qparams(name: str, switches: Switches) -> QParams:
    """Choose the scale and zero point of an activation from its values on the training images.

    Examples
    --------
    >>> p = activation_qparams("input", Switches())
    >>> round(1 / float(p.scale)), int(p.zero_point)
    (255, 0)
    """
    return _activation_qparams(name, switches.activation_bits, switches.method)


def bias_scale(layer: str, switches: Switches) -> np.ndarray:
    """Return the scale of a layer's biases: (out channels,) or 0-d, in the units of its output.

    Examples
    --------
    >>> [bias_scale("conv1", Switches(bias_scale=scale)).shape for scale in ("scale_x * scale_w", "its own")]
    [(16,), ()]
    """
    if switches.bias_scale == ACCUMULATOR:
        scale_x = activation_qparams(SCALE_OF[INPUT_OF[layer]], switches).scale
        scale_w = weight_qparams(layer, switches).scale
        return scale_x * (scale_w[:, 0] if scale_w.ndim else scale_w)
    largest = np.abs(cnn_weights()[f"{layer}.bias"]).max().astype(np.float64)
    return largest / (2 ** (switches.bias_bits - 1) - 1)


def switched_weights(switches: Switches) -> dict[str, np.ndarray]:
    """Return the weights and biases under these switches, float32, by name.

    Examples
    --------
    >>> w = switched_weights(Switches(weight_bits=2, granularity="per tensor"))["fc1.weight"]
    >>> len(np.unique(w))  # no weight reaches the code -2, which stands for twice the largest weight
    3
    """
    w = cnn_weights()
    for layer in LAYERS:
        if switches.weights:
            w[f"{layer}.weight"] = fake_quantize(w[f"{layer}.weight"], weight_qparams(layer, switches))
        if switches.biases:
            bias = fake_quantize_bias(w[f"{layer}.bias"], bias_scale(layer, switches), switches.bias_bits)
            w[f"{layer}.bias"] = bias.astype(np.float32)
    return w


def stored_bytes(name: str, switches: Switches) -> tuple[int, int, int]:
    """Return the bytes of a layer's weights, of its biases, and of its scales and zero points.

    The scale and zero point of an activation count towards the layer that computes it. Biases need stored scales unless
    the scales of the input and the weights, from which they follow, are stored.

    Examples
    --------
    >>> stored_bytes("fc2", Switches(weight_bits=4))  # 640 weights, 10 biases, 10 weight scales and one for the output
    (320, 40, 23)
    """
    overhead = (SCALE_BYTES + ZERO_POINT_BYTES) * switches.activations
    if name == "input":
        return 0, 0, overhead
    w = cnn_weights()
    weight_bits = switches.weight_bits if switches.weights else 32
    bias_bits = switches.bias_bits if switches.biases else 32
    if switches.weights:
        overhead += SCALE_BYTES * weight_qparams(name, switches).scale.size
    if switches.biases and not (switches.bias_scale == ACCUMULATOR and switches.weights and switches.activations):
        overhead += SCALE_BYTES * bias_scale(name, switches).size
    return (
        _whole_bytes(w[f"{name}.weight"].size, weight_bits),
        _whole_bytes(w[f"{name}.bias"].size, bias_bits),
        overhead,
    )


@cache  # 4 layers, 7 widths, 2 granularities, 6 methods
def _weight_qparams(layer: str, bits: int, granularity: str, method: str) -> QParams:
    s = Switches(weight_bits=bits, granularity=granularity, method=method)
    return calibrate(cnn_weights()[f"{layer}.weight"], method, s.weight_format, "symmetric", s.weight_granularity)


@cache  # 5 activations, 7 widths, 6 methods
def _activation_qparams(name: str, bits: int, method: str) -> QParams:
    fmt = Switches(activation_bits=bits).activation_format
    return choose_qparams(*CALIBRATORS[method].choose_range(_seen(name), fmt, "affine"), fmt)


@cache
def _seen(name: str) -> Histogram:
    return observe(training_activations()[name], batches=BATCHES)[0]


def _changes(switches: Switches) -> dict:
    if not switches.activations:
        return {}
    kept = {name: activation_qparams(name, switches) for name in PLACES.values()}
    return {name: lambda a, p=p: fake_quantize(a, p) for name, p in kept.items()}


def _whole_bytes(values: int, bits: int) -> int:
    return -(-values * bits // 8)
