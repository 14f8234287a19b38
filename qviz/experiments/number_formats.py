"""The accuracy of networks with their weights in any number format, and the uncertainty of that.

Activations and biases stay float32. The weights of a layer are split into groups in memory order, across rows, so that
every format has about the number of bits that its name says.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qviz.data.images import digits
from qviz.networks.digits_cnn import cnn_forward, cnn_weights
from qviz.networks.digits_mlp import MLPS, mlp_forward, mlp_weights
from qviz.networks.topology import LAYERS
from qviz.numerics import _check
from qviz.numerics.codecs import Codec, as_codec
from qviz.numerics.codecs.protocol import as_float32

from .ablation_result import compare
from .mixed_precision import logit_divergence

ORDERS = 6  # permutations of the channels, each a separate measurement


@dataclass(frozen=True, eq=False)
class FormatOutcome:
    """Results of a format on the test images, once for each network, or for each order of one network's channels.

    Attributes
    ----------
    codec : Codec
    bits_per_weight : float, including scales and tables
    right : (n,) int: correct predictions of 359
    sqnr_db : (n,) float: of the logits against the float network's
    divergence : (n,) float, in nats: mean Kullback-Leibler divergence of the probabilities from the float ones
    """

    codec: Codec
    bits_per_weight: float
    right: np.ndarray
    sqnr_db: np.ndarray
    divergence: np.ndarray

    def __str__(self) -> str:
        fewest, most = self.right.min(), self.right.max()
        right = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        low, high = self.sqnr_db.min(), self.sqnr_db.max()
        return (
            f"{self.bits_per_weight:5.2f} bits, {right:>10} right, logits {self.sqnr_db.mean():4.1f} dB "
            f"({low:.1f} to {high:.1f}), divergence {self.divergence.mean():.4f}"
        )


def measure_format(codec, granularity=None, orders: int = ORDERS) -> FormatOutcome:
    """Run the digits CNN with its weights in a format: 0.12 s for each order of the channels.

    Parameters
    ----------
    codec : Codec, or the name of one
    granularity : None, int, a granularity or its name
        None is the format's own group size.
    orders : int, at least 1
        Number of channel orders; the first is the order of training. The float network computes the same in every
        order, but different weights share a scale, so the spread of the results is due to chance.

    Examples
    --------
    >>> print(measure_format("MXFP4", orders=2))
     4.25 bits, 355 to 356 right, logits 15.4 dB (15.4 to 15.4), divergence 0.0074
    """
    exact, orders = _logits(cnn_forward), _check.whole_number(orders, "orders", 1)
    return _measure(codec, granularity, cnn_forward, ((reordered(order), exact) for order in range(orders)))


def measure_format_on_mlps(codec, granularity=None) -> FormatOutcome:
    """Run eight MLPs, trained on the digits from different seeds, with their weights in a format.

    Each network is a separate measurement, so the spread of the results includes the chance of a training.

    Parameters
    ----------
    codec : Codec, or the name of one
    granularity : None, int, a granularity or its name
        None is the format's own group size.

    Examples
    --------
    >>> int4, nf4 = measure_format_on_mlps("int4", 64), measure_format_on_mlps("NF4")
    >>> (nf4.sqnr_db - int4.sqnr_db).round(1)
    array([2.5, 3.3, 1.7, 1.4, 1.1, 3.4, 1.4, 2.2])
    """
    networks = ((weights, _logits(mlp_forward, weights)) for weights in map(mlp_weights, range(MLPS)))
    return _measure(codec, granularity, mlp_forward, networks)


def _logits(forward: Callable, weights=None) -> np.ndarray:
    """Return the logits of the test images."""
    d = digits()
    return forward(d.images[d.test], weights)["logits"]


def _measure(codec, granularity, forward: Callable, networks: Iterable[tuple[dict, np.ndarray]]) -> FormatOutcome:
    """Quantize the weights of each network, which are replaced, and compare its logits with those before."""
    codec, labels, found = as_codec(codec), digits().labels[digits().test], []
    for weights, exact in networks:
        layers = [name for name in weights if name.endswith(".weight")]
        sizes = [weights[name].size for name in layers]
        for name in layers:
            weights[name] = codec.fake_quantize(weights[name].ravel(), granularity).reshape(weights[name].shape)
        logits = _logits(forward, weights)
        right = int((logits.argmax(axis=1) == labels).sum())
        found.append((right, compare(exact, logits)[0], float(logit_divergence(exact, logits)) / len(logits)))
    bits = sum(codec.bits_per_value(size, granularity) * size for size in sizes) / sum(sizes)
    return FormatOutcome(codec, bits, *map(np.array, zip(*found, strict=True)))


def reordered(seed: int) -> dict[str, np.ndarray]:
    """Return the weights and biases of the digits CNN with the channels of each hidden layer in another order.

    Seed 0 is the order in which it was trained.

    Examples
    --------
    >>> from qviz.networks import cnn_accuracy
    >>> cnn_accuracy(reordered(3)) == cnn_accuracy()
    True
    """
    weights, rng = dict(cnn_weights()), np.random.default_rng(seed)
    if seed == 0:
        return weights
    for layer, reader in pairwise(LAYERS):
        order = rng.permutation(len(weights[f"{layer}.bias"]))
        for part in ("weight", "bias"):
            weights[f"{layer}.{part}"] = weights[f"{layer}.{part}"][order]
        read = weights[f"{reader}.weight"]
        by_channel = read.reshape(len(read), len(order), -1)  # fc1 reads 16 places of each channel of conv2
        weights[f"{reader}.weight"] = by_channel[:, order].reshape(read.shape)
    return weights


def difference_db(x, one, two, block: int) -> tuple[float, float, float]:
    """Return by how many dB the error of `two` is below that of `one`, and its 95 % bootstrap interval.

    Blocks are resampled 2,000 times, the same blocks for both formats. Blocks are the unit because errors of different
    blocks are independent, and errors within a block, which share a scale, are not.

    Parameters
    ----------
    x : array, flattened: the original values
    one, two : arrays of the same size: the values as two formats represent them
    block : int
        Number of neighbouring values that share a scale; it must divide the number of values.

    Raises
    ------
    ValueError
        An array holds NaN, an infinity or a value beyond float32, or the sizes of arrays and block do not match.
    TypeError
        An array does not hold real numbers.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> [round(part, 2) for part in difference_db(x, x + 0.2, x + 0.1, 4)]
    [6.02, 6.02, 6.02]
    """
    given = {"x": x, "one": one, "two": two}
    x, one, two = (as_float32(a, name).astype(np.float64).ravel() for name, a in given.items())
    block = _check.whole_number(block, "block", 1)
    if not x.size == one.size == two.size or x.size == 0 or x.size % block:
        raise ValueError(
            f"x, one and two must have the same number of values, a multiple of block: "
            f"got {x.size}, {one.size} and {two.size} values, block {block}"
        )
    errors = [np.square(x_hat - x).reshape(-1, block).sum(axis=1) for x_hat in (one, two)]
    drawn = np.random.default_rng(0).integers(len(errors[0]), size=(2_000, len(errors[0])))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = 10 * np.log10(errors[0].sum() / errors[1].sum())
        gains = 10 * np.log10(errors[0][drawn].sum(axis=1) / errors[1][drawn].sum(axis=1))
    low, high = np.quantile(gains, [0.025, 0.975], method="inverted_cdf")
    return float(gain), float(low), float(high)
