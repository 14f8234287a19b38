"""The integer formats of `qviz.numerics` as codecs, with one scale and, if affine, one zero point per group."""

from dataclasses import dataclass

import numpy as np

from .. import _check
from ..affine import dequantize, quantize
from ..calibrators import as_calibrator, calibrate
from ..formats import INT4, IntFormat, as_format
from ..granularity import PerChannel
from ..qparams import SCHEMES, QParams
from .protocol import Codec, as_groups
from .scaled import as_scales, scale_bits, stored


@dataclass(frozen=True)
class Affine(Codec):
    """Uniformly spaced levels: integers times a scale.

    Parameters
    ----------
    fmt : IntFormat, or its name such as "int4"
    scheme : {"symmetric", "affine"}
        "symmetric" has no zero point and needs a signed format.
    calibrator : Calibrator, or a name in CALIBRATORS
        It ignores weights, so calibrators other than min-max count the padding of a shorter last group.
    scales : Codec or None
        Storage format of the scales; None means float32.

    Raises
    ------
    ValueError
        A name is unknown, or the scheme is symmetric and the format unsigned.
    TypeError
        An argument has the wrong type.

    Examples
    --------
    >>> Affine("int4").fake_quantize([-0.7, 0.24, 0.1])
    array([-0.7,  0.2,  0.1], dtype=float32)
    >>> Affine("uint4", "affine").bits_per_value((128, 128), 128)  # 4 + (32 for the scale + 4 for the zero point) / 128
    4.28125
    """

    fmt: IntFormat = INT4
    scheme: str = "symmetric"
    calibrator: object = "min-max"
    scales: Codec | None = None

    def __post_init__(self):
        object.__setattr__(self, "fmt", as_format(self.fmt))
        object.__setattr__(self, "calibrator", as_calibrator(self.calibrator))
        _check.one_of(self.scheme, SCHEMES, "scheme")
        as_scales(self.scales)
        if self.scheme == "symmetric" and not self.fmt.signed:
            raise ValueError(f"scheme 'symmetric' needs a signed format: got {self.fmt}; use scheme='affine'")

    @property
    def name(self) -> str:
        """The format's name, with the scheme for a signed affine format."""
        return str(self.fmt) + (" affine" if self.fmt.signed and self.scheme == "affine" else "")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.fmt.bits

    @property
    def codes(self) -> np.ndarray:
        """All codes, ascending."""
        return np.arange(self.fmt.qmin, self.fmt.qmax + 1)

    def choose_params(self, groups, weights=None) -> QParams:
        """Choose scale and zero point of each row; `weights` are ignored."""
        groups = as_groups(groups)
        if len(groups) == 0:
            return QParams(np.ones((0, 1)), np.zeros((0, 1), int), self.fmt, PerChannel(0))
        p = calibrate(groups, self.calibrator, self.fmt, self.scheme, PerChannel(0))
        scale = p.scale.reshape(-1, 1)
        if self.scales is not None:
            scale = np.maximum(stored(scale.astype(np.float32), self.scales), np.float32(1.2e-38))
        return QParams(scale, p.zero_point.reshape(-1, 1), self.fmt, PerChannel(0))

    def encode(self, groups, params: QParams) -> np.ndarray:
        """Return `quantize(groups, params)`."""
        return quantize(groups, params)

    def decode(self, codes, params: QParams) -> np.ndarray:
        """Return `dequantize(codes, params)`."""
        return dequantize(codes, params)

    def group_bits(self, n: int) -> float:
        """Return the bits of a zero point; `tensor_bits` counts the scales."""
        return self.fmt.bits if self.scheme == "affine" else 0

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of all scales."""
        return scale_bits(self.scales, n_groups)
