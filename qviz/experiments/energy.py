"""Energy of one inference, estimated from published figures for single operations and memory accesses.

Source of every figure: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure
1.1.9, for a 45 nm process at 0.9 V. Today's chips need less energy for each operation; the ratios have changed less.

Instruction fetch and decode, the clock, leakage and repeated moves of the same value are left out, because they depend
on the machine. The true energy is larger, and the ratio of float32 to int8 smaller.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from qviz.networks.layer_shapes import LayerShape
from qviz.numerics import _check

# pJ for one operation
ADD_PJ = {"int8": 0.03, "int32": 0.1, "float16": 0.4, "float32": 0.9}
MULTIPLY_PJ = {"int8": 0.2, "int32": 3.1, "float16": 1.1, "float32": 3.7}

# pJ for one 64-bit access, lowest and highest; only the DRAM figure is a range
ACCESS_PJ = {
    "nowhere": (0.0, 0.0),  # not from Horowitz: arithmetic only
    "8 KB cache": (10.0, 10.0),
    "32 KB cache": (20.0, 20.0),
    "1 MB cache": (100.0, 100.0),
    "DRAM": (1300.0, 2600.0),
}
ACCESS_BITS = 64


@dataclass(frozen=True)
class NumberFormats:
    """The number formats of a network: multiplication, addition, stored weights and activations.

    Attributes
    ----------
    name : str
    multiply, add : str: names in MULTIPLY_PJ and ADD_PJ
    weight_bits, activation_bits : int: bits of a value in memory
    """

    name: str
    multiply: str
    add: str
    weight_bits: int
    activation_bits: int

    @property
    def multiply_add_pj(self) -> float:
        """Energy of one multiplication and one addition."""
        return MULTIPLY_PJ[self.multiply] + ADD_PJ[self.add]


FLOAT32 = NumberFormats("float32", "float32", "float32", 32, 32)
FLOAT16 = NumberFormats("float16", "float16", "float16", 16, 16)


def integers(weight_bits: int = 8) -> NumberFormats:
    """Return the formats of an integer network: weights of 2 to 8 bits, 8-bit activations, int8 products, int32 sums.

    Fewer than 8 bits reduce only the memory traffic here: the table has no figures for narrower arithmetic, and the
    kernels of this course compute narrower weights as int8.

    Examples
    --------
    >>> integers(4).name, round(FLOAT32.multiply_add_pj / integers(4).multiply_add_pj, 1)
    ('W4A8', 15.3)
    """
    bits = _check.whole_number(weight_bits, "weight_bits", 2, 8)
    return NumberFormats(f"W{bits}A8", "int8", "int32", bits, 8)


@dataclass(frozen=True)
class Energy:
    """Estimated energy of one input, in pJ, by part.

    Attributes
    ----------
    arithmetic_pj, weights_pj, activations_pj : float: the last two are memory traffic, at the middle of the range
    low_pj, high_pj : float: the total at both ends of the range of a memory access
    """

    arithmetic_pj: float
    weights_pj: float
    activations_pj: float
    low_pj: float
    high_pj: float

    @property
    def total_pj(self) -> float:
        """Sum of all parts."""
        return self.arithmetic_pj + self.weights_pj + self.activations_pj


def energy(layers: Iterable[LayerShape], formats: NumberFormats, place: str = "DRAM", batch: int = 1) -> Energy:
    """Estimate the energy of one input.

    Every multiplication and addition is counted. Every weight is fetched once per batch; every activation is written
    once, and read once by each layer that uses it. That is the minimum that any machine must move.

    Parameters
    ----------
    layers : iterable of LayerShape
    formats : NumberFormats
    place : a name in ACCESS_PJ
        Where weights and activations are stored.
    batch : int
        Inputs that share one fetch of the weights, at least 1.

    Raises
    ------
    TypeError, ValueError
        There is no such place, or the batch is not a positive integer.

    Examples
    --------
    1,000 products, of 1,000 weights:

    >>> from qviz.networks.layer_shapes import linear
    >>> e = energy([linear("fc", 100, 10)], FLOAT32, "8 KB cache")
    >>> round(e.arithmetic_pj), round(e.weights_pj), round(e.activations_pj)
    (4600, 5000, 550)
    """
    _check.one_of(place, ACCESS_PJ, "place")
    batch = _check.whole_number(batch, "batch", 1, 2**31)
    layers = list(layers)
    arithmetic = sum(layer.multiplications for layer in layers) * formats.multiply_add_pj
    weights = sum(layer.weights for layer in layers) * formats.weight_bits / batch / ACCESS_BITS
    activations = sum(layer.inputs + layer.outputs for layer in layers) * formats.activation_bits / ACCESS_BITS
    low, high = ACCESS_PJ[place]
    middle = (low + high) / 2
    ends = (arithmetic + (weights + activations) * pj for pj in (low, high))
    return Energy(arithmetic, weights * middle, activations * middle, *ends)
