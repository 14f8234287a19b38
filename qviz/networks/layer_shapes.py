"""Layer shapes, and the costs that follow from them: stored bytes and multiplications."""

import math
from dataclasses import dataclass

from qviz.numerics import _check
from qviz.numerics.formats import IntFormat, as_format
from qviz.numerics.granularity import PER_TENSOR, Granularity, PerChannel, PerTensor, as_granularity
from qviz.numerics.packing import packed_bytes
from qviz.numerics.qparams import SCHEMES

FLOAT_BYTES = 4
SCALE_BYTES = 2  # 16 bits, as in weight-only formats; torch's own files use 4 or 8 bytes
BIAS_BYTES = 4  # float32, or int32


@dataclass(frozen=True)
class LayerShape:
    """A linear layer or a convolution.

    Parameters
    ----------
    name : str
    weight : tuple of int
        (out, in) or (out, in, height, width).
    places : int
        Number of output positions that share the weights: 1 for a linear layer, height times width of the output for
        a convolution.
    inputs : int
        Number of values in one input of the layer.

    Examples
    --------
    A convolution from 1 to 16 channels over 8 x 8 pixels, padded:

    >>> conv = LayerShape("conv1", (16, 1, 3, 3), places=64, inputs=64)
    >>> conv.weights, conv.outputs, conv.multiplications
    (144, 1024, 9216)
    """

    name: str
    weight: tuple[int, ...]
    places: int
    inputs: int

    @property
    def weights(self) -> int:
        """Number of weights."""
        return math.prod(self.weight)

    @property
    def biases(self) -> int:
        """Number of biases, one for each output channel."""
        return self.weight[0]

    @property
    def outputs(self) -> int:
        """Number of values in one output."""
        return self.weight[0] * self.places

    @property
    def multiplications(self) -> int:
        """Multiplications for one input; the number of additions is the same."""
        return self.weights * self.places


def linear(name: str, inputs: int, outputs: int) -> LayerShape:
    """Return a linear layer.

    Examples
    --------
    >>> linear("fc", 512, 64).multiplications
    32768
    """
    return LayerShape(name, (outputs, inputs), 1, inputs)


@dataclass(frozen=True)
class StoredBytes:
    """The stored bytes of a layer, by part.

    Attributes
    ----------
    codes, scales, zero_points, biases : int
    """

    codes: int
    scales: int
    zero_points: int
    biases: int

    @property
    def total(self) -> int:
        """Sum of all parts."""
        return self.codes + self.scales + self.zero_points + self.biases

    def __add__(self, other: "StoredBytes") -> "StoredBytes":
        return StoredBytes(
            self.codes + other.codes,
            self.scales + other.scales,
            self.zero_points + other.zero_points,
            self.biases + other.biases,
        )


def stored_bytes(
    layer: LayerShape, fmt: IntFormat | None, granularity: Granularity = PER_TENSOR, scheme: str = "symmetric"
) -> StoredBytes:
    """Count the stored bytes of a layer: packed codes, 16-bit scales and 4-byte biases.

    A zero point takes one byte (two above 8 bits); symmetric weights have none.

    Parameters
    ----------
    layer : LayerShape
    fmt : IntFormat or None
        Format of the weights; None is float32, which has neither scale nor zero point.
    granularity : Granularity
        Which weights share a scale. Groups run along the inputs of one output, PerGroup(-1, n) or PerGroup(1, n);
        the last group may be shorter.
    scheme : {"affine", "symmetric"}

    Raises
    ------
    ValueError
        The scheme is unknown, groups run along another axis, or there is no such axis.

    Examples
    --------
    Ten outputs of 64 inputs each, 4 bits, a scale for each output:

    >>> from qviz.numerics import INT4, PerChannel
    >>> stored_bytes(linear("fc2", 64, 10), INT4, PerChannel(0))
    StoredBytes(codes=320, scales=20, zero_points=0, biases=40)
    >>> stored_bytes(linear("fc2", 64, 10), None).total
    2600
    """
    biases = layer.biases * BIAS_BYTES
    if fmt is None:
        return StoredBytes(layer.weights * FLOAT_BYTES, 0, 0, biases)
    _check.one_of(scheme, SCHEMES, "scheme")
    fmt = as_format(fmt)
    scales = scale_count(layer, granularity)
    zero_points = scales * fmt.dtype.itemsize if scheme == "affine" else 0
    return StoredBytes(packed_bytes(layer.weights, fmt), scales * SCALE_BYTES, zero_points, biases)


def scale_count(layer: LayerShape, granularity: Granularity) -> int:
    """Return the number of scales of a layer's weights.

    Parameters
    ----------
    layer, granularity : as for `stored_bytes`

    Raises
    ------
    ValueError
        As for `stored_bytes`.

    Examples
    --------
    Nine weights for each of 16 channels: two groups each, of eight and of one.

    >>> from qviz.numerics import PerGroup
    >>> scale_count(LayerShape("conv1", (16, 1, 3, 3), 64, 64), PerGroup(size=8))
    32
    >>> scale_count(linear("fc", 100, 10), PerChannel(1))  # one for each input
    100
    """
    granularity = as_granularity(granularity)
    if isinstance(granularity, PerTensor):
        return 1
    axis = _check.axis_of(granularity.axis, layer.weight)
    if isinstance(granularity, PerChannel):
        return layer.weight[axis]
    if axis not in (1, len(layer.weight) - 1):
        raise ValueError(
            f"groups must run along the inputs of an output, axis 1 or -1: got axis {granularity.axis} "
            f"for weights of shape {layer.weight}"
        )
    outputs = layer.weight[0]
    return outputs * -(-layer.weights // outputs // granularity.size)
