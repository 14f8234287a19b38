"""Mixed precision: the trained network with every assignment of a bit width to each layer's weights.

Four layers with eight widths give 4,096 networks. Networks with the same first layers share their activations: the
outputs of conv1 and conv2 are computed 64 times, not 4,096 times.

Only weights are quantized; activations and biases stay float32.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, lru_cache, reduce
from numbers import Integral

import numpy as np

from qviz.data._files import read_only
from qviz.data.images import digits
from qviz.networks.digits_cnn import BATCH, _conv3x3, _relu, cnn_forward, cnn_weights, linear, max_pool
from qviz.networks.topology import LAYERS
from qviz.numerics import CALIBRATORS, IntFormat, PerChannel, QParams, _check, calibrate, decibels, fake_quantize
from qviz.numerics.packing import packed_bytes

from .mixed_precision_table import shipped

BITS = (2, 3, 4, 5, 6, 7, 8)
FLOAT = 32
WIDTHS = (*BITS, FLOAT)  # position on each axis of a table
IMAGES = ("test", "training", "calibration")
CALIBRATION = 360  # number of training images, from the first


@dataclass(frozen=True, eq=False)
class NetworkResults:
    """Results of many networks on the same images: axes conv1, conv2, fc1 and fc2, with one entry per bit width.

    Attributes
    ----------
    right : (a, 8, 8, 8) int array: correct predictions
    noise : (a, 8, 8, 8) float array: summed squared error of the logits against the float network's
    divergence : (a, 8, 8, 8) float array, in nats: Kullback-Leibler divergence of the probabilities from the float
        network's, averaged over the images; 0 where they are the same
    signal : float: summed squared logits of the float network
    images : int: number of images
    """

    right: np.ndarray
    noise: np.ndarray
    divergence: np.ndarray
    signal: float
    images: int

    @property
    def accuracy(self) -> np.ndarray:
        """Share of correct predictions, 0 to 1."""
        return self.right / self.images

    @property
    def sqnr_db(self) -> np.ndarray:
        """SQNR of the logits against the float network; infinite for the float network itself."""
        return decibels(self.signal, self.noise)


def place(bits) -> tuple[int, int, int, int]:
    """Return the index of a network in the tables.

    Parameters
    ----------
    bits : four of WIDTHS, for conv1, conv2, fc1 and fc2; or one, for all

    Raises
    ------
    ValueError
        There are not four, or one is not in WIDTHS.

    Examples
    --------
    >>> place((8, 4, 3, FLOAT)), place(2)
    ((6, 2, 1, 7), (0, 0, 0, 0))
    """
    bits = (bits,) * len(LAYERS) if isinstance(bits, Integral) else tuple(bits)
    if len(bits) != len(LAYERS) or not set(bits) <= set(WIDTHS):
        raise ValueError(f"bits must be one or four of {WIDTHS}, for {', '.join(LAYERS)}: got {bits}")
    return tuple(WIDTHS.index(b) for b in bits)


@lru_cache(maxsize=6)
def every_network(images: str = "test", method: str = "min-max") -> NetworkResults:
    """Return the results of all 4,096 networks, cached.

    Those in `mixed_precision_table.SHIPPED` are read from a file, rounded to float32. All other tables are measured: a
    few seconds on the test images, four times that on the training images.

    Parameters
    ----------
    images : {"test", "training", "calibration"}
    method : a name in qviz.numerics.CALIBRATORS
        How the range of each output channel's weights is chosen.

    Raises
    ------
    ValueError
        A name is unknown.

    Examples
    --------
    >>> found = every_network()
    >>> [int(found.right[place(bits)]) for bits in (FLOAT, 8, 4, 3, 2, (8, 8, 3, 8))]
    [355, 355, 352, 345, 68, 353]
    """
    found = shipped(images, method)
    return NetworkResults(*found) if found else joined([networks_of(bits, images, method) for bits in WIDTHS])


def networks_of(conv1_bits: int, images: str = "test", method: str = "min-max") -> NetworkResults:
    """Measure the 512 networks whose first layer has this width: arrays (1, 8, 8, 8).

    The other arguments are those of `every_network`, which joins eight of these. They may be computed separately and in
    any order, with the same result to the last bit.

    Raises
    ------
    ValueError
        `conv1_bits` is not one of WIDTHS, or a name is unknown.

    Examples
    --------
    >>> networks_of(3).right.shape
    (1, 8, 8, 8)
    """
    if conv1_bits not in WIDTHS:
        raise ValueError(f"conv1_bits must be one of {WIDTHS}, where {FLOAT} is float32: got {conv1_bits!r}")
    chosen = _chosen(images)
    weights = {(n, b): _weights(n, b, method) for n in LAYERS for b in WIDTHS}
    with one_thread():
        parts = [_measure(conv1_bits, chosen[at : at + BATCH], weights) for at in range(0, len(chosen), BATCH)]
    right, noise, divergence = (np.sum(part, axis=0)[None] for part in zip(*(p[:3] for p in parts), strict=True))
    return NetworkResults(right, noise, divergence / len(chosen), float(sum(p[3] for p in parts)), len(chosen))


def joined(parts) -> NetworkResults:
    """Join the results for all widths of the first layer, in order.

    Parameters
    ----------
    parts : eight NetworkResults, as from `networks_of` for each of WIDTHS

    Raises
    ------
    ValueError
        There are not eight.
    """
    parts = list(parts)
    if len(parts) != len(WIDTHS):
        raise ValueError(f"parts must hold the networks of all {len(WIDTHS)} widths of conv1: got {len(parts)}")
    tables = ([getattr(p, name) for p in parts] for name in ("right", "noise", "divergence"))
    return NetworkResults(*(read_only(np.concatenate(t)) for t in tables), parts[0].signal, parts[0].images)


def compared(parts, stored: NetworkResults) -> str:
    """Say how many networks measured anew name as many images right as in a table; after an interrupt, of those done.

    Parameters
    ----------
    parts : NetworkResults, as from `networks_of` for the first of WIDTHS, in order; there may be none
    stored : NetworkResults, as from `every_network`, on the same images

    Raises
    ------
    ValueError
        They were measured on other images.

    Examples
    --------
    >>> compared([networks_of(2)], every_network())
    '512 of 512 networks measured here give the stored results'
    >>> compared([], every_network())
    'no network was measured here, so none was compared'
    """
    parts = list(parts)
    if not parts:
        return "no network was measured here, so none was compared"
    if other := [part.images for part in parts if part.images != stored.images]:
        raise ValueError(f"parts must be measured on the {stored.images} images of stored: got {other[0]} images")
    right = np.concatenate([part.right for part in parts])
    same = int((right == stored.right[: len(right)]).sum())
    return f"{same:,} of {right.size:,} networks measured here give the stored results"


@cache
def size_bytes() -> np.ndarray:
    """Return the stored bytes of each network, (8, 8, 8, 8) ints.

    These are packed weights, float32 biases and, for quantized layers, a float32 scale for each output channel.

    Examples
    --------
    >>> int(size_bytes()[place(8)]), int(size_bytes()[place(FLOAT)])
    (39136, 153128)
    """
    w = cnn_weights()
    biases = 4 * sum(w[f"{n}.bias"].size for n in LAYERS)
    layers = [np.array([_layer_bytes(w[f"{n}.weight"], b) for b in WIDTHS]) for n in LAYERS]
    return read_only(reduce(np.add.outer, layers) + biases)


def mixed_weights(bits, method: str = "min-max") -> dict[str, np.ndarray]:
    """Return the weights and biases of one network, float32, by name, as `cnn_forward` takes them.

    Examples
    --------
    >>> from qviz.networks import cnn_accuracy
    >>> round(359 * cnn_accuracy(mixed_weights((8, 8, 3, 8))))
    353
    """
    widths = dict(zip(LAYERS, (WIDTHS[i] for i in place(bits)), strict=True))
    return cnn_weights() | {f"{n}.weight": _weights(n, b, method) for n, b in widths.items()}


def mixed_qparams(bits, method: str = "min-max") -> dict[str, QParams]:
    """Return the qparams of one network's quantized weights, by name, as `qviz.pytorch.save` takes them.

    Scales are rounded to float32, as they are stored, so weights may differ from `mixed_weights` in the last bit.

    Examples
    --------
    >>> [str(p.fmt) for p in mixed_qparams((6, 3, FLOAT, 8)).values()]
    ['int6', 'int3', 'int8']
    """
    widths = dict(zip(LAYERS, (WIDTHS[i] for i in place(bits)), strict=True))
    found = {f"{n}.weight": _qparams(n, b, method) for n, b in widths.items() if b != FLOAT}
    return {name: replace(p, scale=p.scale.astype(np.float32)) for name, p in found.items()}


def one_thread() -> AbstractContextManager:
    """Limit BLAS to one thread: the last bits of its sums depend on the number of threads.

    threadpoolctl is in the extra "lab". Without it, results may differ in these last bits.

    Examples
    --------
    >>> with one_thread():
    ...     total = np.ones(3) @ np.ones(3)
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1)


def _chosen(images: str) -> np.ndarray:
    if images not in IMAGES:
        raise ValueError(f"images must be one of {', '.join(map(repr, IMAGES))}: got {images!r}")
    d = digits()
    return {"test": d.test, "training": d.train, "calibration": d.train[:CALIBRATION]}[images]


@cache  # 4 layers, 8 widths, 6 methods
def _weights(layer: str, bits: int, method: str) -> np.ndarray:
    weight = cnn_weights()[f"{layer}.weight"]
    _check.one_of(method, tuple(CALIBRATORS), "method")
    return weight if bits == FLOAT else read_only(fake_quantize(weight, _qparams(layer, bits, method)))


def _qparams(layer: str, bits: int, method: str) -> QParams:
    return calibrate(cnn_weights()[f"{layer}.weight"], method, IntFormat(bits), "symmetric", PerChannel(0))


def _layer_bytes(weight: np.ndarray, bits: int) -> int:
    return weight.nbytes if bits == FLOAT else packed_bytes(weight.size, IntFormat(bits)) + 4 * len(weight)


def _measure(conv1_bits: int, chosen: np.ndarray, weights: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return right, noise and divergence, (8, 8, 8) each and summed over these images, and the signal.

    The weights of all widths of a layer are stacked, because one large product is faster than eight small ones.
    """
    d, biases, k = digits(), cnn_weights(), len(WIDTHS)
    x, labels, n = d.images[chosen], d.labels[chosen], len(chosen)
    reference = cnn_forward(x)["logits"]
    conv2, fc1, fc2 = (np.concatenate([weights[name, bits] for bits in WIDTHS]) for name in LAYERS[1:])
    conv2_bias, fc1_bias, fc2_bias = (np.tile(biases[f"{name}.bias"], k) for name in LAYERS[1:])
    first = _relu(_conv3x3(x, weights["conv1", conv1_bits], biases["conv1.bias"]))
    second = max_pool(_relu(_conv3x3(first, conv2, conv2_bias))).reshape(n, k, -1)
    found = []
    for features in second.swapaxes(0, 1):  # one width of conv2
        third = _relu(linear(features, fc1, fc1_bias)).reshape(n * k, -1)
        logits = linear(third, fc2, fc2_bias).reshape(n, k, k, -1)
        right = (logits.argmax(axis=3) == labels[:, None, None]).sum(axis=0)
        noise = np.square(logits - reference[:, None, None]).sum(axis=(0, 3), dtype=np.float64)
        found.append((right, noise, logit_divergence(reference[:, None, None], logits)))
    right, noise, divergence = (np.stack(tables) for tables in zip(*found, strict=True))
    return right, noise, divergence, float(np.square(reference).sum(dtype=np.float64))


def logit_divergence(reference: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the Kullback-Leibler divergence of softmax(logits) from softmax(reference), in nats, summed over images.

    Parameters
    ----------
    reference, logits : (images, ..., classes); the axes between may broadcast

    Returns
    -------
    float64 array (...)

    Examples
    --------
    By hand (log(0.5 / 0.75) + log(0.5 / 0.25)) / 2:

    >>> round(float(logit_divergence(np.zeros((1, 2)), np.log([[0.75, 0.25]]))), 4)
    0.1438
    """
    p, q = _log_softmax(reference), _log_softmax(logits)
    return (np.exp(p) * (p - q)).sum(axis=(0, -1), dtype=np.float64)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)  # exp and log of float32 differ between processors
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
