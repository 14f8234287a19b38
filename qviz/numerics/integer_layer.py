"""A layer in integers: codes in, codes out, by fbgemm's arithmetic or by gemmlowp's."""

from dataclasses import dataclass

import numpy as np

from . import _check
from .granularity import PerChannel
from .integer import INT32, Accumulator, accumulate
from .qparams import QParams
from .requantize import FixedPoint, add_float_bias, fixed_point, int32_bias, requantize_fixed, requantize_float

WAYS = ("fbgemm", "int32 bias", "gemmlowp")


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A linear layer or a convolution whose inputs, weights and outputs are codes.

    Parameters
    ----------
    q_w : codes of `w`, (out, in) for a linear layer, (out, in, kernel height, kernel width) for a convolution
    x, w, y : QParams of inputs, weights and outputs
        `x` and `y` per tensor, `w` per tensor or PerChannel(0).
    bias : real numbers (out,), in the units of the output, or None
    relu : bool
        Whether a ReLU is part of it.
    stride, padding : int
        Of a convolution, both ways alike.

    Raises
    ------
    ValueError, TypeError
        From `run`, as for `accumulate`; and where a bias does not fit its layer.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.

    Examples
    --------
    >>> from qviz.numerics import INT8, UINT8
    >>> x, w, y = QParams(0.1, 10, UINT8), QParams(0.5, 0, INT8), QParams(0.2, 3, UINT8)
    >>> layer = IntegerLayer(np.array([[2, -5]], np.int8), x, w, y, bias=np.array([0.3]))
    >>> layer.run(np.array([[13, 9]], np.uint8))  # 0.3 * 1 + -0.1 * -2.5 + 0.3 = 0.85, which is 4 steps of 0.2
    array([[7]], dtype=uint8)
    """

    q_w: np.ndarray
    x: QParams
    w: QParams
    y: QParams
    bias: np.ndarray | None = None
    relu: bool = False
    stride: int = 1
    padding: int = 0

    @property
    def scale(self) -> np.ndarray:
        """scale_x * scale_w, what 1 in the sum is worth: float32, (1,) or (out,)."""
        return np.float32(self.x.scale) * self.w.scale.astype(np.float32).reshape(-1)

    @property
    def multiplier(self) -> np.ndarray:
        """scale_x * scale_w / scale_y: float32, (1,) or (out,), computed in the order in which fbgemm does."""
        return self.scale / np.float32(self.y.scale)

    @property
    def fixed_multiplier(self) -> FixedPoint:
        """The multiplier as an int32 and a shift, from scales in float64."""
        return fixed_point(self.x.scale * self.w.scale.reshape(-1) / self.y.scale)

    @property
    def bias_steps(self) -> np.ndarray:
        """The bias in units of the sum: float32 (out,), seldom whole."""
        return self._bias() / self.scale

    @property
    def bias_int32(self) -> np.ndarray:
        """The bias in units of the sum, rounded: int32 (out,)."""
        return int32_bias(self._bias(), self.x.scale * self.w.scale.reshape(-1))

    def accumulate(self, q_x) -> Accumulator:
        """Return the sums of products, without the bias."""
        return accumulate(q_x, self.q_w, self.x, self.w, self.stride, self.padding)

    def run(self, q_x, way: str = "fbgemm") -> np.ndarray:
        """Return the codes of the output.

        Parameters
        ----------
        q_x : codes of `x`, (n, in) or (n, in, height, width)
        way : {"fbgemm", "int32 bias", "gemmlowp"}
            "fbgemm" adds the bias and multiplies in float32, as the kernel does. "int32 bias" adds a rounded bias, and
            multiplies as fbgemm. "gemmlowp" adds a rounded bias and multiplies by an int32 and a shift: no float at
            all.

        Returns
        -------
        codes of `y`, (n, out) or (n, out, height, width)
        """
        return self.requantize(self.accumulate(q_x).total, way)

    def requantize(self, total, way: str = "fbgemm") -> np.ndarray:
        """Add the bias to sums of products, and make codes of them; `way` as for `run`."""
        _check.one_of(way, WAYS, "way")
        total = np.asarray(total)
        rest = int(self.y.zero_point), self.y.fmt
        if way == "fbgemm":
            return requantize_float(self.float_sums(total), self._beside(self.multiplier), *rest, self.relu)
        total = self._with_bias(total)
        if way == "int32 bias":
            return requantize_float(total, self._beside(self.multiplier), *rest, self.relu)
        fixed = self.fixed_multiplier
        fixed = FixedPoint(self._beside(fixed.mantissa), self._beside(fixed.exponent))
        return requantize_fixed(total, fixed, *rest, self.relu)

    def float_sums(self, total) -> np.ndarray:
        """Return sums of products with the bias, float32, as fbgemm adds it."""
        if self.bias is None:
            return np.asarray(total).astype(np.float32)
        per_channel = isinstance(self.w.granularity, PerChannel)
        return add_float_bias(total, self._beside(self._bias()), self._beside(self.scale), per_channel)

    def _with_bias(self, total) -> np.ndarray:
        total = total.astype(np.int64) + self._beside(self.bias_int32)
        if total.size and not INT32.min <= total.min() <= total.max() <= INT32.max:
            raise ValueError(f"sum and bias together must fit int32: got {total.min()} to {total.max()}")
        return total

    def _bias(self) -> np.ndarray:
        out = len(self.q_w)
        if self.bias is None:
            return np.zeros(out, np.float32)
        bias = np.asarray(self.bias, np.float32)
        if bias.shape != (out,):
            raise ValueError(f"bias must have one number for each of the {out} output channels: got {bias.shape}")
        return bias

    def _beside(self, values: np.ndarray) -> np.ndarray:
        """Shape what belongs to output channels so that it broadcasts over outputs."""
        return values.reshape(-1, *[1] * (self.q_w.ndim - 2))
