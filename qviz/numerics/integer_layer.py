"""A layer in integer arithmetic, from input codes to output codes, as in fbgemm or gemmlowp."""

from dataclasses import dataclass

import numpy as np

from . import _check
from .fixed_point import FixedPoint, fixed_point
from .granularity import PerChannel, PerTensor
from .integer_matmul import INT32, Accumulator, accumulate, as_int32
from .qparams import QParams, as_qparams
from .requantize import add_float_bias, as_float32, int32_bias, requantize_fixed, requantize_float

ROUNDINGS = ("fbgemm", "int32 bias", "gemmlowp")


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A linear layer or a convolution whose inputs, weights and outputs are codes.

    Parameters
    ----------
    q_w : codes of `w`, (out, in) for a linear layer, (out, in, kernel height, kernel width) for a convolution
    x, w, y : QParams of inputs, weights and outputs
        `x` and `y` per tensor, `w` per tensor or PerChannel(0).
    bias : (out,) real numbers in the units of the output, or None
    relu : bool
        Whether the layer includes a ReLU.
    stride, padding : int
        Of a convolution, the same for height and width.

    Raises
    ------
    TypeError
        `q_w` does not hold integers, `x`, `w` or `y` is no QParams, or `bias` does not hold real numbers.
    ValueError
        `q_w` holds a number that is no code of `w`, `y` has more than one scale, or `bias` is not finite or has the
        wrong length. In `run`: as for `accumulate`, or the sum with the bias does not fit int32.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.

    The arithmetics of `run` differ for values near a tie. Rounding the bias to int32 changes the sum by up to half a
    step, and so the output by up to half the multiplier. Most networks have multipliers of at most 2, with which two
    codes differ by at most one step; a multiplier of 206 turns half a step into 103.

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

    def __post_init__(self):
        for name in ("x", "w", "y"):
            as_qparams(getattr(self, name), name)
        object.__setattr__(self, "q_w", _check.codes(self.q_w, self.w.fmt, "q_w"))
        if not isinstance(self.y.granularity, PerTensor):
            raise ValueError(f"y must have one scale per tensor: got {self.y.granularity}")
        if self.bias is not None:
            object.__setattr__(self, "bias", as_float32(self.bias, "bias"))
            if self.bias.shape != self.q_w.shape[:1]:
                raise ValueError(
                    f"bias must have one number for each of the {len(self.q_w)} output channels: got {self.bias.shape}"
                )

    @property
    def scale(self) -> np.ndarray:
        """scale_x * scale_w, the real value of 1 in the sum: float32, (1,) or (out,)."""
        return np.float32(self.x.scale) * self.w.scale.astype(np.float32).reshape(-1)

    @property
    def multiplier(self) -> np.ndarray:
        """scale_x * scale_w / scale_y: float32, (1,) or (out,), in fbgemm's order of operations."""
        return self.scale / np.float32(self.y.scale)

    @property
    def fixed_multiplier(self) -> FixedPoint:
        """The multiplier as an int32 and a shift, computed from the scales in float64."""
        return fixed_point(self.x.scale * self.w.scale.reshape(-1) / self.y.scale)

    @property
    def bias_steps(self) -> np.ndarray:
        """The bias in units of the sum, not rounded: float32 (out,)."""
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
            multiplies in float32. "gemmlowp" adds a rounded bias, and multiplies by an int32 and a shift: integers
            only.

        Returns
        -------
        codes of `y`, (n, out) or (n, out, height, width)

        Raises
        ------
        ValueError, TypeError
            As for `accumulate`; or the sum with the bias does not fit int32.
        """
        return self.requantize(self.accumulate(q_x).total, way)

    def requantize(self, total, way: str = "fbgemm") -> np.ndarray:
        """Return the output codes for sums of products, after adding the bias; `way` as for `run`."""
        _check.one_of(way, ROUNDINGS, "way")
        total = as_int32(total, "total")
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
        """Return sums of products plus the bias, float32, as fbgemm computes them."""
        if self.bias is None:
            return as_int32(total, "total").astype(np.float32)
        per_channel = isinstance(self.w.granularity, PerChannel)
        return add_float_bias(total, self._beside(self._bias()), self._beside(self.scale), per_channel)

    def _with_bias(self, total) -> np.ndarray:
        total = total.astype(np.int64) + self._beside(self.bias_int32)
        if total.size and not INT32.min <= total.min() <= total.max() <= INT32.max:
            raise ValueError(f"sum and bias together must fit int32: got {total.min()} to {total.max()}")
        return total

    def _bias(self) -> np.ndarray:
        return np.zeros(len(self.q_w), np.float32) if self.bias is None else self.bias

    def _beside(self, values: np.ndarray) -> np.ndarray:
        """Reshape values per output channel so that they broadcast over the outputs."""
        return values.reshape(-1, *[1] * (self.q_w.ndim - 2))
