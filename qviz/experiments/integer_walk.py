"""One output value of the integer network: its inputs, its weights, their sum, and how the sum becomes a code."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from qviz import data, networks
from qviz.networks.topology import ACTIVATION_SHAPES, INPUT_OF, OUTPUT_OF
from qviz.numerics import INT8, UINT8, Accumulator, IntegerLayer, QParams
from qviz.numerics.fixed_point import high_mul, rounding_right_shift

WIDTH = ACTIVATION_SHAPES["input"][-1]  # of the images that both convolutions see
OUTSIDE = -1  # marks the padding, whose code is the zero point


@dataclass(frozen=True, eq=False)
class Walk:
    """One output value, as a linear layer with a single output.

    Attributes
    ----------
    layer : IntegerLayer with q_w (1, n)
    q_x : integers (n,), codes of the input
    padding : bool (n,): which inputs are zero padding; their code is the zero point
    """

    layer: IntegerLayer
    q_x: np.ndarray
    padding: np.ndarray

    @property
    def products(self) -> np.ndarray:
        """(q_x - z_x) * (q_w - z_w), (n,): the steps of the walk."""
        layer = self.layer
        return (self.q_x - int(layer.x.zero_point)) * (layer.q_w[0].astype(np.int64) - layer.w.zero_point.item())

    @property
    def terms(self) -> Accumulator:
        """The four terms of the sum."""
        return self.layer.accumulate(self.q_x[np.newaxis])

    @property
    def total(self) -> int:
        """The sum, without the bias."""
        return int(self.terms.total.item())

    @property
    def bias(self) -> int:
        """The bias as an int32."""
        return int(self.layer.bias_int32[0])

    def bias_for(self, way: str) -> float:
        """Return the bias in units of the sum, as this rounding mode adds it: an integer, except for fbgemm."""
        return float(self.layer.bias_steps[0]) if way == "fbgemm" else self.bias

    def code(self, way: str) -> int:
        """Return the code of the output."""
        return int(self.layer.requantize(self.terms.total, way).item())

    def high(self) -> int:
        """Return gemmlowp's value before the shift: the sum with its bias, times mantissa / 2**31, rounded."""
        return int(high_mul(self.total + self.bias, self.mantissa))

    @property
    def mantissa(self) -> int:
        """The fixed-point multiplier of gemmlowp, as an integer over 2**31."""
        return int(self.layer.fixed_multiplier.mantissa.item())

    @property
    def shift(self) -> int:
        """The right shift of gemmlowp, in bits."""
        return -int(self.layer.fixed_multiplier.exponent.item())

    def steps(self, way: str) -> float:
        """Return the sum in units of the output's scale, before the final rounding."""
        if way == "gemmlowp":
            return self.high() / 2**self.shift
        sums = self.layer.float_sums([self.total]) if way == "fbgemm" else np.float32(self.total + self.bias)
        return float(np.squeeze(sums * self.layer.multiplier))

    def rounded(self, way: str) -> int:
        """Return the steps rounded to an integer: half to even, or half away from zero in gemmlowp."""
        if way == "gemmlowp":
            return int(rounding_right_shift(self.high(), self.shift))
        return int(np.rint(self.steps(way)))


@dataclass(frozen=True)
class Change:
    """Changes to the integers of a Walk; `at` is the index of the product to change.

    `x_zero` and `w_zero` are new values, or None for no change; all other fields are increments.
    """

    at: int = 0
    activation: int = 0
    weight: int = 0
    x_zero: int | None = None
    w_zero: int | None = None
    bias: int = 0
    mantissa: int = 0
    shift: int = 0
    y_zero: int = 0


def cut_out(layer: str, image: int, channel: int, place: int = 0, way: str = "fbgemm") -> Walk:
    """Extract one output value of `networks.integer_cnn`, for a test image.

    Parameters
    ----------
    layer : one of LAYERS
    image : 0 to 358
    channel : int
    place : int
        For a convolution: 8 * row + column.
    way : one of numerics.integer_layer.ROUNDINGS
        Rounding mode of the layers before it.

    Examples
    --------
    >>> walk = cut_out("conv2", 0, 3, 27)
    >>> walk.products.size, walk.code("fbgemm") - int(_codes(0, "fbgemm")["conv2"][3, 3, 3])
    (144, 0)
    """
    whole, codes = networks.integer_cnn().layers[layer], _codes(image, way)[INPUT_OF[layer]]
    own = slice(channel, channel + 1)
    w = QParams(whole.w.scale[own], whole.w.zero_point[own], INT8, whole.w.granularity)
    one = replace(whole, q_w=whole.q_w[channel].reshape(1, -1), w=w, bias=whole.bias[own], stride=1, padding=0)
    window = _window(codes, place) if whole.q_w.ndim == 4 else codes.reshape(-1).astype(np.int64)
    padding = window == OUTSIDE
    return Walk(one, np.where(padding, one.x.zero_point, window), padding)


def changed(walk: Walk, change: Change) -> Walk:
    """Return the walk with its integers changed.

    Codes are clipped to their format. Padding always has the code of the zero point.

    Examples
    --------
    >>> walk = cut_out("fc2", 0, 5)
    >>> moved = changed(walk, Change(at=2, activation=999, x_zero=3))
    >>> int(moved.q_x[2]), int(moved.layer.x.zero_point), int(walk.layer.x.zero_point)
    (255, 3, 0)
    """
    layer, q_x, q_w = walk.layer, walk.q_x.copy(), walk.layer.q_w.copy()
    q_x[change.at] = np.clip(q_x[change.at] + change.activation, UINT8.qmin, UINT8.qmax)
    q_w[0, change.at] = np.clip(int(q_w[0, change.at]) + change.weight, INT8.qmin, INT8.qmax)
    bias = layer.bias + np.float32(change.bias) * layer.scale
    x, w = _with_zero(layer.x, change.x_zero), _with_zero(layer.w, change.w_zero)
    y_zero = int(np.clip(layer.y.zero_point + change.y_zero, UINT8.qmin, UINT8.qmax))
    y = replace(_with_zero(layer.y, y_zero), scale=_output_scale(walk, change))
    q_x[walk.padding] = x.zero_point
    return Walk(replace(layer, q_w=q_w, bias=bias, x=x, w=w, y=y), q_x, walk.padding)


def _output_scale(walk: Walk, change: Change) -> np.ndarray:
    """Return the output scale that gives the changed multiplier; the scales of input and weights stay as they are."""
    layer = walk.layer
    if change.mantissa == change.shift == 0:
        return layer.y.scale
    mantissa = int(np.clip(walk.mantissa + change.mantissa, 2**30, 2**31 - 1))
    return layer.x.scale * layer.w.scale.item() / np.ldexp(mantissa, -31 - walk.shift - change.shift)


def carried_on(layer: str, image: int, channel: int, place: int, code: int, way: str) -> np.ndarray:
    """Replace one code in the output of a layer, run the rest of the network, and return the codes of its logits.

    Parameters
    ----------
    layer, image, channel, place, way : as for `cut_out`
    code : 0 to 255

    Examples
    --------
    >>> as_it_is = carried_on("fc2", 0, 5, 0, 250, "fbgemm")
    >>> as_it_is.argmax(), carried_on("fc2", 0, 3, 0, 255, "fbgemm").argmax()
    (np.int64(5), np.int64(3))
    """
    seen, name = _codes(image, way), OUTPUT_OF[layer]
    output = seen[name].copy()
    rows = output.reshape(len(output), -1)  # a view
    if rows[channel, place] == code:
        return seen["logits"]
    rows[channel, place] = code
    return networks.integer_cnn().run_from(name, output[np.newaxis], way)["logits"][0]


def channels(layer: str) -> int:
    """Return the number of output channels of a layer.

    Examples
    --------
    >>> from qviz.networks.topology import LAYERS
    >>> [channels(layer) for layer in LAYERS]
    [16, 32, 64, 10]
    """
    return len(networks.integer_cnn().layers[layer].q_w)


def real_output(layer: str, image: int, channel: int, place: int) -> float:
    """Return the same output value of the float network."""
    values = _floats(image)[OUTPUT_OF[layer]][channel]
    return float(values.reshape(-1)[place] if values.ndim else values)


def _with_zero(qparams: QParams, zero_point: int | None) -> QParams:
    return qparams if zero_point is None else replace(qparams, zero_point=np.full_like(qparams.zero_point, zero_point))


def _window(codes: np.ndarray, place: int) -> np.ndarray:
    """Return the 3 x 3 window around a place in every channel, (channels * 9,), in the order of the weights."""
    row, column = divmod(place, WIDTH)
    padded = np.pad(codes.astype(np.int64), ((0, 0), (1, 1), (1, 1)), constant_values=OUTSIDE)
    return padded[:, row : row + 3, column : column + 3].reshape(-1)


def _image(image: int) -> np.ndarray:
    d = data.digits()
    return d.images[d.test][image : image + 1]


@lru_cache(maxsize=32)
def _codes(image: int, way: str) -> dict[str, np.ndarray]:
    return {name: codes[0] for name, codes in networks.integer_cnn().run(_image(image), way).items()}


@lru_cache(maxsize=32)
def _floats(image: int) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in networks.cnn_forward(_image(image)).items()}
