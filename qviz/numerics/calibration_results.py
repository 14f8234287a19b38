"""The error of a chosen range: chosen from a histogram, measured on the whole tensor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from . import (
    CALIBRATORS,
    INT8,
    Calibrator,
    ErrorParts,
    Histogram,
    IntFormat,
    QParams,
    _check,
    choose_qparams,
    decibels,
    error_parts,
    fake_quantize,
    sqnr_db,
)
from .calibrators import as_calibrator
from .formats import as_format

SEEN = "a Histogram, as from observe(x)[0]"


@dataclass(frozen=True)
class CalibrationResult:
    """The range that a calibrator chose, and its error.

    Parameters
    ----------
    lo, hi : float
        The calibrator's choice, in the units of x, before `qparams` widened it to include zero.
    qparams : QParams
    parts : ErrorParts
    sqnr_db : float
        Infinite if there is no error.
    """

    lo: float
    hi: float
    qparams: QParams
    parts: ErrorParts
    sqnr_db: float

    @property
    def threshold(self) -> float:
        """The largest magnitude that the calibrator keeps, in the units of x."""
        return max(-self.lo, self.hi, 0.0)


def calibration_result(
    x, seen: Histogram, calibrator: Calibrator, fmt: IntFormat = INT8, scheme: str = "affine", counts=None
) -> CalibrationResult:
    """Choose a range from a histogram, and measure its error on a whole tensor.

    Parameters
    ----------
    x : array of any shape, at least one value, finite
    seen : Histogram
        Calibration data: all of `x`, or its first few batches.
    calibrator : Calibrator, or a name in CALIBRATORS
    fmt : IntFormat, or its name such as "int8"
    scheme : {"affine", "symmetric"}
    counts : array of the shape of x, or None
        How often each value occurs; None means once.

    Returns
    -------
    CalibrationResult

    Raises
    ------
    ValueError
        `x` is empty or not finite, or the scheme is symmetric and the format unsigned.

    Examples
    --------
    >>> from qviz.numerics import INT2, MinMax, observe
    >>> x = np.array([-1.0, 0.0, 1.0, 4.0])
    >>> r = calibration_result(x, observe(x[:3])[0], MinMax(), INT2, "symmetric")  # 4 was not seen: clipped to 1
    >>> r.hi, r.parts.rounding, r.parts.clipping
    (1.0, 0.0, 2.25)
    """
    x, fmt = _check.finite(_check.as_float(x)), as_format(fmt)
    return _result(x, counts, _power(x, counts), seen, calibrator, fmt, scheme)


def _result(
    x, counts, power: float, seen: Histogram, calibrator: Calibrator, fmt: IntFormat, scheme: str
) -> CalibrationResult:
    lo, hi = as_calibrator(calibrator).choose_range(_check.made(seen, "seen", Histogram, SEEN), fmt, scheme)
    qparams = choose_qparams(lo, hi, fmt, scheme)
    parts = error_parts(x, qparams, counts)
    finite = math.isfinite(power) and math.isfinite(parts.total)
    sqnr = float(decibels(power, parts.total)) if finite else sqnr_db(x, fake_quantize(x, qparams))
    return CalibrationResult(float(lo), float(hi), qparams, parts, sqnr)


def calibration_results(
    x,
    seen: Histogram,
    fmt: IntFormat = INT8,
    scheme: str = "affine",
    calibrators: Mapping[str, Calibrator] = CALIBRATORS,
    counts=None,
) -> dict[str, CalibrationResult]:
    """Return the result of each of several calibrators, by name.

    Parameters
    ----------
    x, seen, fmt, scheme, counts : as for `calibration_result`
    calibrators : dict of str to Calibrator

    Returns
    -------
    dict of str to CalibrationResult

    Raises
    ------
    ValueError
        As for `calibration_result`.

    Examples
    --------
    >>> from qviz.numerics import UINT4, observe
    >>> x = np.random.default_rng(0).exponential(size=10_000)
    >>> found = calibration_results(x, observe(x)[0], UINT4)
    >>> best_of(found)
    'mse'
    """
    x, fmt = _check.finite(_check.as_float(x)), as_format(fmt)
    power = _power(x, counts)
    return {name: _result(x, counts, power, seen, calibrator, fmt, scheme) for name, calibrator in calibrators.items()}


def best_of(found: Mapping[str, CalibrationResult]) -> str:
    """Return the name of the result with the least mean squared error, the first of equals."""
    return min(found, key=lambda name: found[name].parts.total)


def _power(x, counts) -> float:
    with np.errstate(over="ignore", under="ignore"):  # may become infinite
        return float(np.average(np.square(x, dtype=np.float64), weights=counts)) if x.size else 0.0
