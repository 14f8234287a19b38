"""A network that is hard to quantize, and remedies that can be switched on one by one and combined.

They are ordered by what they need: only the weights (scales per channel, better ranges, equalization), or some inputs
without labels (bias correction, adaptive rounding, GPTQ). Inputs are training images; results are measured on test
images. Activations have 8 bits and one scale per tensor; biases stay float32.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from types import MappingProxyType

import numpy as np

from qviz.data._files import read_only
from qviz.data.images import digits
from qviz.methods import adaptive_round, correct_bias_measured, equalize, gptq
from qviz.networks.digits_cnn import _conv3x3, _relu, cnn_forward, cnn_weights, linear, max_pool, training_activations
from qviz.networks.rescaled_cnn import rescaled_weights
from qviz.networks.topology import LAYERS
from qviz.numerics import IntFormat, PerChannel, PerTensor, QParams, _check, calibrate, fake_quantize

from .ablation_result import compare
from .mixed_precision import logit_divergence, one_thread

NETWORKS = MappingProxyType({"channels rescaled": rescaled_weights, "as trained": cnn_weights})
ROUNDINGS = ("to nearest", "adaptive", "GPTQ")
BITS = (2, 3, 4, 5, 6, 7, 8)
ACTIVATION_BITS = 8
ROWS = 16_384  # at most this many input rows for adaptive rounding and GPTQ: every n-th position of all images


@dataclass(frozen=True)
class Remedies:
    """A network, the bits of its weights, and which remedies are on.

    Parameters
    ----------
    network : {"channels rescaled", "as trained"}
    weight_bits : int, 2 to 8
    per_channel : bool
        One scale for each output channel of the weights, instead of one for the tensor.
    better_ranges : bool
        Ranges with the least squared error ("mse"), of weights and activations, instead of min-max.
    equalized : bool
        Cross-layer equalization, before all other steps.
    bias_corrected : bool
        Subtract the mean error of each layer's outputs on the training images from its bias.
    rounding : {"to nearest", "adaptive", "GPTQ"}

    Raises
    ------
    TypeError, ValueError
        A field has the wrong type or value.

    Examples
    --------
    >>> print(Remedies(equalized=True, rounding="GPTQ"))
    equalization, GPTQ
    >>> print(Remedies())
    none
    """

    network: str = "channels rescaled"
    weight_bits: int = 8
    per_channel: bool = False
    better_ranges: bool = False
    equalized: bool = False
    bias_corrected: bool = False
    rounding: str = ROUNDINGS[0]

    def __post_init__(self):
        _check.one_of(self.network, NETWORKS, "network")
        _check.one_of(self.rounding, ROUNDINGS, "rounding")
        object.__setattr__(self, "weight_bits", _check.whole_number(self.weight_bits, "weight_bits", BITS[0], BITS[-1]))
        for name in NAMES:
            object.__setattr__(self, name, _check.yes_or_no(getattr(self, name), name))

    @property
    def on(self) -> tuple[str, ...]:
        """The remedies that are on, in the order they are applied."""
        named = {name: getattr(self, field) for field, name in NAMES.items()}
        rounding = () if self.rounding == ROUNDINGS[0] else (ROUNDED[self.rounding],)
        return *(name for name, on in named.items() if on), *rounding

    def __str__(self) -> str:
        return ", ".join(self.on) or "none"

    def ladder(self) -> tuple["Remedies", ...]:
        """Return the settings from no remedy to all of these, with one more remedy each.

        Examples
        --------
        >>> [str(step) for step in Remedies(per_channel=True, rounding="adaptive").ladder()]
        ['none', 'scales per channel', 'scales per channel, adaptive rounding']
        """
        steps = [Remedies(self.network, self.weight_bits)]
        for field in (*NAMES, "rounding"):
            value = getattr(self, field)
            if value not in (False, ROUNDINGS[0]):
                steps.append(replace(steps[-1], **{field: value}))
        return tuple(steps)


NAMES = MappingProxyType(
    {
        "per_channel": "scales per channel",
        "better_ranges": "better ranges",
        "equalized": "equalization",
        "bias_corrected": "bias correction",
    }
)
ROUNDED = MappingProxyType({"adaptive": "adaptive rounding", "GPTQ": "GPTQ"})
NEEDS = MappingProxyType(  # what each remedy needs besides the weights
    {
        "scales per channel": "nothing",
        "better ranges": "nothing for weights; inputs for activations",
        "equalization": "nothing",
        "bias correction": "inputs",
        "adaptive rounding": "inputs, and a few seconds",
        "GPTQ": "inputs",
    }
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Results of a setting on the test images.

    Attributes
    ----------
    right : (359,) bool: which predictions are correct
    sqnr_db : float: of the logits against the float network's
    divergence : float, in nats: mean Kullback-Leibler divergence of the probabilities from the float network's
    weights_db, outputs_db : (4,) floats: SQNR of each layer's weights, and of its output with errors of earlier layers
    """

    right: np.ndarray
    sqnr_db: float
    divergence: float
    weights_db: np.ndarray
    outputs_db: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, 0 to 1."""
        return float(self.right.mean())

    def __str__(self) -> str:
        low, high = interval(int(self.right.sum()), len(self.right))
        return (
            f"{self.accuracy:6.1%} right ({low:.1%} to {high:.1%}), logits {self.sqnr_db:5.1f} dB, "
            f"divergence {self.divergence:.4f}"
        )


@lru_cache(maxsize=512)
def interval(right: int, images: int) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of an accuracy, 0 to 1, from 10,000 resamples of the images.

    The number of correct images in a resample is binomial, so only their number matters. The other pages draw Wilson's
    score interval (`qviz.numerics.accuracy_interval`), which is about as wide and a little lower near 100 %. Here the
    bootstrap is used because `difference` needs it: Wilson's formula does not cover paired differences.

    Examples
    --------
    >>> [round(end, 3) for end in interval(355, 359)]
    [0.978, 0.997]
    """
    drawn = np.random.default_rng(0).binomial(images, right / images, 10_000)
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    return float(low) / images, float(high) / images


def named_right(weights) -> np.ndarray:
    """Return which test images a network classifies correctly, (359,) bool; weights as for `cnn_forward`.

    Examples
    --------
    >>> int(named_right(cnn_weights()).sum())
    355
    """
    d = digits()
    return cnn_forward(d.images[d.test], weights)["logits"].argmax(axis=1) == d.labels[d.test]


def difference(one: np.ndarray, two: np.ndarray) -> tuple[int, int, int]:
    """Return how many more images are correct in the second case, and the 95 % bootstrap interval of that number.

    The bootstrap is paired: both cases use the same resampled images, so images that are easy or hard for both do not
    widen the interval.

    Examples
    --------
    >>> difference(np.array([False, True] * 180), np.array([True, True] * 180))
    (180, 161, 199)
    """
    gain = np.asarray(two, int) - np.asarray(one, int)
    drawn = gain[np.random.default_rng(0).integers(len(gain), size=(10_000, len(gain)))].sum(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    return int(gain.sum()), int(low), int(high)


def measure(remedies: Remedies, float_activations: bool = False) -> Outcome:
    """Quantize the network and run it on the test images: 0.3 s, or a few seconds with adaptive rounding.

    With `float_activations`, the activations stay float32, which shows the loss due to the weights alone.

    Examples
    --------
    >>> print(measure(Remedies()))
     21.2% right (17.0% to 25.3%), logits   0.5 dB, divergence 2.5268
    >>> print(measure(Remedies(equalized=True)))
     98.6% right (97.2% to 99.7%), logits  39.0 dB, divergence 0.0001
    """
    d, weights, activations = digits(), *quantized(remedies)
    seen = _forward(d.images[d.test], weights, {} if float_activations else activations)
    exact = _float_outputs(remedies.network, remedies.equalized)
    base = float_weights(remedies)
    weights_db = [compare(base[f"{n}.weight"], weights[f"{n}.weight"])[0] for n in LAYERS]
    outputs_db = [compare(exact[n], seen[n])[0] for n in LAYERS]
    logits = seen["fc2"]
    return Outcome(
        right=logits.argmax(axis=1) == d.labels[d.test],
        sqnr_db=outputs_db[-1],
        divergence=float(logit_divergence(exact["fc2"], logits) / len(logits)),
        weights_db=np.array(weights_db),
        outputs_db=np.array(outputs_db),
    )


def float_weights(remedies: Remedies) -> dict[str, np.ndarray]:
    """Return the float weights, after equalization if it is on."""
    return dict(_float_weights(remedies.network, remedies.equalized))


def quantized(remedies: Remedies) -> tuple[dict[str, np.ndarray], dict[str, QParams]]:
    """Return the quantized weights, the biases, and the qparams of each activation.

    Examples
    --------
    >>> weights, activations = quantized(Remedies(weight_bits=2))
    >>> len(np.unique(weights["fc1.weight"])), list(activations)
    (3, ['input', 'conv1', 'conv2', 'fc1'])
    """
    weights = float_weights(remedies)
    for layer in LAYERS:
        weights[f"{layer}.weight"] = _rounded(layer, replace(remedies, bias_corrected=False))
    activations = _activations(remedies.network, remedies.equalized, remedies.better_ranges)
    if remedies.bias_corrected:
        _correct(weights, activations, _mean_sums(remedies.network, remedies.equalized))
    return weights, activations


def weight_qparams(layer: str, remedies: Remedies) -> QParams:
    """Choose the qparams of a layer's weights.

    Examples
    --------
    >>> weight_qparams("conv1", Remedies(per_channel=True)).scale.shape
    (16, 1)
    """
    method = "mse" if remedies.better_ranges else "min-max"
    granularity = PerChannel(0) if remedies.per_channel else PerTensor()
    weight = float_weights(remedies)[f"{layer}.weight"]
    return calibrate(weight, method, IntFormat(remedies.weight_bits), "symmetric", granularity)


def layer_inputs(layer: str, remedies: Remedies) -> np.ndarray:
    """Return the inputs of a layer in the float network as rows, (rows, k), at most 16,384.

    For a convolution these are 3 x 3 patches, at every n-th position of all training images.

    Examples
    --------
    >>> layer_inputs("conv2", Remedies()).shape, layer_inputs("fc1", Remedies()).shape
    ((13148, 144), (1438, 512))
    """
    before = dict(zip(LAYERS, ("input", *LAYERS), strict=False))[layer]
    return patches(_training(remedies.network, remedies.equalized)[before], layer)


def planted_outliers(factor: float = 64.0, channels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and weights of fc1 that give the same outputs, with a few artificial outlier channels.

    Some inputs are multiplied by a power of two and their weights divided by it, so no bit of a product changes. In a
    large language model, such outliers arise in training.

    Returns
    -------
    inputs : float64 (1438, 512), of the training images
    weights : float64 (64, 512)

    Examples
    --------
    >>> x, w = planted_outliers()
    >>> plain = training_activations()["pool"].reshape(-1, 512).astype(np.float64)
    >>> int((x != plain).any(axis=0).sum()), np.array_equal(x @ w.T, plain @ cnn_weights()["fc1.weight"].T)
    (4, True)
    """
    x = training_activations()["pool"].reshape(len(digits().train), -1).astype(np.float64)
    w = cnn_weights()["fc1.weight"].astype(np.float64)
    often = np.flatnonzero(x.mean(axis=0) > np.median(x.mean(axis=0)))
    chosen = np.random.default_rng(0).choice(often, channels, replace=False)
    x[:, chosen] *= factor
    w[:, chosen] /= factor
    return x, w


def seconds(layers: Sequence[str] = LAYERS) -> str:
    """Measure how long each remedy takes on this machine, for these layers at 4 bits, and return lines of text.

    Equalization and bias correction always process the whole network.

    Examples
    --------
    >>> [line[:12].strip() for line in seconds(["fc2"]).splitlines()[:3]]
    ['scales per c', 'better range', 'equalization']
    """
    plain = Remedies(weight_bits=4)
    weights, activations = quantized(plain)
    exact = _mean_sums(plain.network, plain.equalized)
    inputs = {layer: layer_inputs(layer, plain) for layer in layers}

    def each(change, **setting):
        for layer in layers:
            change(layer, weight_qparams(layer, replace(plain, **setting)))

    def rounded_by(method):
        return lambda layer, qparams: method(rescaled_weights()[f"{layer}.weight"], inputs[layer], qparams)

    steps = {
        "scales per channel": lambda: each(lambda *_: None, per_channel=True),
        "better ranges": lambda: each(lambda *_: None, better_ranges=True),
        "equalization": lambda: equalize(rescaled_weights(), LAYERS),
        "bias correction": lambda: _correct(dict(weights), activations, exact),
        "adaptive rounding": lambda: each(rounded_by(adaptive_round)),
        "GPTQ": lambda: each(rounded_by(gptq)),
    }
    lines = []
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        lines.append(f"{name:20}{time.perf_counter() - start:8.3f} s")
    return "\n".join(lines)


def patches(x: np.ndarray, layer: str) -> np.ndarray:
    """Return the inputs of a layer as rows; for a convolution, 3 x 3 windows with zero padding."""
    if layer.startswith("fc"):
        return x.reshape(len(x), -1)
    n, channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    step = -(-n * height * width // ROWS) | 1  # odd, so that it visits all positions of an image
    image, row, column = np.unravel_index(np.arange(0, n * height * width, step), (n, height, width))
    return windows[image, :, row, column].reshape(len(image), channels * 9)


@lru_cache(maxsize=4)
def _float_weights(network: str, equalized: bool) -> dict[str, np.ndarray]:
    weights = NETWORKS[network]()
    if equalized:
        weights = {name: read_only(values) for name, values in equalize(weights, LAYERS).items()}
    return weights


@lru_cache(maxsize=2)  # 20 MB each
def _training(network: str, equalized: bool) -> dict[str, np.ndarray]:
    d = digits()
    return _forward(d.images[d.train], _float_weights(network, equalized), {})


@lru_cache(maxsize=2)
def _float_outputs(network: str, equalized: bool) -> dict[str, np.ndarray]:
    d = digits()
    return _forward(d.images[d.test], _float_weights(network, equalized), {})


@lru_cache(maxsize=8)
def _activations(network: str, equalized: bool, better: bool) -> dict[str, QParams]:
    fmt, method = IntFormat(ACTIVATION_BITS, signed=False), "mse" if better else "min-max"
    seen = _training(network, equalized)
    return {name: calibrate(seen[name], method, fmt, "affine") for name in ("input", *LAYERS[:-1])}


@lru_cache(maxsize=64)
def _rounded(layer: str, remedies: Remedies) -> np.ndarray:
    weight, qparams = float_weights(remedies)[f"{layer}.weight"], weight_qparams(layer, remedies)
    with one_thread():
        if remedies.rounding == "GPTQ":
            return gptq(weight, layer_inputs(layer, remedies), qparams, order="activation")
        if remedies.rounding == "adaptive":
            return adaptive_round(weight, layer_inputs(layer, remedies), qparams)
    return fake_quantize(weight, qparams)


def _before_relu(layer: str, x: np.ndarray, weights: dict) -> np.ndarray:
    weight, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
    return _conv3x3(x, weight, bias) if weight.ndim == 4 else linear(x.reshape(len(x), -1), weight, bias)


def _after(layer: str, sums: np.ndarray, activations: dict) -> np.ndarray:
    """Return the input of the next layer: quantized, after ReLU and pooling."""
    if layer == LAYERS[-1]:
        return sums
    x = fake_quantize(_relu(sums), activations[layer])
    return max_pool(x) if layer == "conv2" else x


def _forward(images: np.ndarray, weights: dict, activations: dict) -> dict[str, np.ndarray]:
    """Return the network's input and the output of each layer, as the next layer reads it."""
    seen = cnn_forward(images, weights, {name: partial(fake_quantize, qparams=p) for name, p in activations.items()})
    return {name: seen[{"conv2": "pool", "fc2": "logits"}.get(name, name)] for name in ("input", *LAYERS)}


def _correct(weights: dict, activations: dict, exact: dict) -> None:
    """Correct the biases in place, layer by layer, by the mean output error on the training images."""
    d = digits()
    x = fake_quantize(d.images[d.train], activations["input"])
    for layer in LAYERS:
        sums = _before_relu(layer, x, weights)
        bias = correct_bias_measured(weights[f"{layer}.bias"], exact[layer], _by_channel(sums))
        shift = (bias - weights[f"{layer}.bias"]).reshape(-1, *[1] * (sums.ndim - 2))
        weights[f"{layer}.bias"] = bias
        x = _after(layer, sums + shift, activations)


@lru_cache(maxsize=4)
def _mean_sums(network: str, equalized: bool) -> dict[str, np.ndarray]:
    """Return the mean output per channel of each float layer before its ReLU, on the training images."""
    inputs, weights = _training(network, equalized), _float_weights(network, equalized)
    before = zip(LAYERS, ("input", *LAYERS), strict=False)
    return {layer: _by_channel(_before_relu(layer, inputs[of], weights)) for layer, of in before}


def _by_channel(sums: np.ndarray) -> np.ndarray:
    """Return the mean of each channel over images and positions, (1, channels)."""
    return sums.mean(axis=(0, *range(2, sums.ndim)), dtype=np.float64)[np.newaxis]
