"""A format, a granularity, a calibrator and a whole number may be given in words, by class or by NumPy.

Where what is meant is certain it is taken; else a sentence says which argument, what it must be, what arrived.
"""

import re

import numpy as np
import pytest

from qviz import calibrate, choose_qparams, fake_quantize, quantize
from qviz.experiments import Switches
from qviz.networks.layer_shapes import linear, scale_count, stored_bytes
from qviz.numerics import (
    CALIBRATORS,
    INT4,
    INT8,
    UINT4,
    UINT8,
    Entropy,
    HistogramObserver,
    IntFormat,
    MinMax,
    Percentile,
    PerChannel,
    PerGroup,
    PerTensor,
    QParams,
    error_of_ranges,
    error_parts,
    observe,
    requantize_float,
    value_range,
)
from qviz.numerics.calibration_results import calibration_result, calibration_results
from qviz.numerics.packing import pack, packed_bytes, unpack
from qviz.numerics.straight_through import clipped_identity, straight_through_slope
from qviz.tensors import tensor

X = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)
H = observe(X)[0]
P = QParams(0.1, 0, INT8)


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("int8", INT8),
        ("uint4", UINT4),
        ("int4", INT4),
        ("int8 narrow", IntFormat(8, narrow=True)),
        ("uint16", IntFormat(16, signed=False)),
        (IntFormat, INT8),
    ],
)
def test_formats(words, plain):
    lo, hi = (0.0, 4.0) if not plain.signed else (-4.0, 4.0)
    assert QParams(0.1, plain.qmin, words) == QParams(0.1, plain.qmin, plain)
    assert choose_qparams(lo, hi, words) == choose_qparams(lo, hi, plain)
    assert calibrate(X, "mse", words) == calibrate(X, "mse", plain)
    assert calibration_result(X, H, "mse", words) == calibration_result(X, H, "mse", plain)
    assert calibration_results(X, H, words) == calibration_results(X, H, plain)
    assert packed_bytes(10, words) == packed_bytes(10, plain)
    assert np.array_equal(unpack(pack([1, 2], words), words, 2), [1, 2])
    assert np.array_equal(error_of_ranges(H, lo, hi, words), error_of_ranges(H, lo, hi, plain))
    assert stored_bytes(linear("fc", 8, 4), words) == stored_bytes(linear("fc", 8, 4), plain)
    assert np.array_equal(requantize_float([5], 1.0, 1, words), requantize_float([5], 1.0, 1, plain))


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0), PerChannel(-1), PerGroup(-1, 32), PerGroup(1, 8)])
def test_what_a_granularity_prints_is_understood(granularity):
    assert calibrate(X, granularity=str(granularity)) == calibrate(X, granularity=granularity)


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("per tensor", PerTensor()),
        ("per_tensor", PerTensor()),
        ("per channel", PerChannel(0)),
        ("per_channel", PerChannel(0)),
        ("per group of 32", PerGroup(-1, 32)),
        ("per group of 16", PerGroup(-1, 16)),
        (PerTensor, PerTensor()),
        (PerChannel, PerChannel(0)),
        (PerGroup, PerGroup(-1, 32)),
    ],
)
def test_granularities(words, plain):
    assert calibrate(X, granularity=words) == calibrate(X, granularity=plain)
    assert observe(X, words) == observe(X, plain)
    for ours, theirs in zip(value_range(X, words), value_range(X, plain), strict=True):
        assert np.array_equal(ours, theirs)
    lo, hi = value_range(X, plain)
    assert choose_qparams(lo, hi, granularity=words) == choose_qparams(lo, hi, granularity=plain)
    assert scale_count(linear("fc", 64, 4), words) == scale_count(linear("fc", 64, 4), plain)


def test_calibrators():
    assert calibrate(X, MinMax) == calibrate(X, "min-max") == calibrate(X, MinMax())
    assert calibrate(X, Percentile(np.float32(99))) == calibrate(X, Percentile(99))
    assert calibration_result(X, H, Entropy) == calibration_result(X, H, "entropy")


def test_whole_numbers_of_numpy():
    for number in (np.int64(4), np.uint8(4), np.int32(4)):
        assert IntFormat(number) == INT4 and type(IntFormat(number).bits) is int
        assert Switches(weight_bits=number) == Switches(weight_bits=4)
        assert PerGroup(np.int64(-1), number) == PerGroup(-1, 4)
        assert calibrate(X, batches=number) == calibrate(X, batches=4)
        assert tensor("uniform", n=number).size == 4
    assert HistogramObserver(np.int64(64)).bins == 64
    assert unpack(pack(np.zeros((2, 3), int), INT4), INT4, np.prod((2, 3))).shape == (6,)
    assert unpack(pack(np.zeros((2, 3), int), INT4), INT4, np.array([2, 3]).tolist()).shape == (2, 3)


def test_whole_numbers_of_numpy_in_torch():
    pytest.importorskip("torch")
    from qviz.pytorch.ptq_config import PTQConfig
    from qviz.pytorch.qat_config import QATConfig

    for kind in (PTQConfig, QATConfig):
        assert kind(weight_bits=np.int64(4), per_channel=np.bool_(True)) == kind(weight_bits=4)
        assert type(kind(weight_bits=np.int64(4)).weight_bits) is int  # as it must be to be saved
    assert QATConfig(lr=np.float64(0.5), epochs=np.int64(3)) == QATConfig(lr=0.5, epochs=3)


def test_whole_numbers_of_numpy_in_an_explorer():
    pytest.importorskip("ipywidgets")
    from qviz.widgets import QuantizeExplorer

    explorer = QuantizeExplorer(bits=np.int64(3))
    assert explorer.bits == 3 and "bits=3" in explorer.code
    explorer.bits = np.int32(5)
    assert type(explorer.bits) is int and explorer.last_error is None
    explorer.close()


FORMAT = "fmt must be an IntFormat or the name of one, such as 'int8' or 'uint4': got "
GRANULARITY = "granularity must be a granularity or words for one, such as PerChannel(0), 'per tensor', "
CALIBRATOR = (
    "calibrator must be a name in CALIBRATORS, such as 'mse', or a calibrator, an object with choose_range: got "
)
QPARAMS = "qparams must be a QParams, such as QParams(0.1, 0, 'int8') or what calibrate returns: got "


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: calibrate(X, "mse", "float8"), TypeError, FORMAT + "'float8'"),
        (lambda: calibrate(X, "mse", 8), TypeError, FORMAT + "8"),
        (lambda: calibrate(X, "mse", None), TypeError, FORMAT + "None"),
        (lambda: calibrate(X, "mse", "int32"), ValueError, "bits must be from 2 to 16: got 32"),
        (lambda: QParams(0.1, 0, "float16"), TypeError, FORMAT + "'float16'"),
        (lambda: pack([1], "nibble"), TypeError, FORMAT + "'nibble'"),
        (lambda: calibrate(X, granularity="per group"), TypeError, GRANULARITY),
        (lambda: calibrate(X, granularity="per tensor (axis 1)"), TypeError, GRANULARITY),
        (lambda: calibrate(X, granularity=0), TypeError, GRANULARITY),
        (lambda: calibrate(X, granularity="per group of 0"), ValueError, "group size must be from 1"),
        (lambda: QParams(0.1, 0, INT8, "per row"), TypeError, GRANULARITY),
        (lambda: calibrate(X, 3), TypeError, CALIBRATOR + "3"),
        (lambda: calibrate(X, None), TypeError, CALIBRATOR + "None"),
        (lambda: calibrate(X, IntFormat), TypeError, CALIBRATOR),
        (lambda: calibrate(X, "min max"), ValueError, "calibrator must be one of 'min-max', 'moving average'"),
        (lambda: quantize(X, (0.1, 0)), TypeError, QPARAMS + "(0.1, 0)"),
        (lambda: quantize(X, QParams), TypeError, QPARAMS),
        (lambda: fake_quantize(X, 0.1), TypeError, QPARAMS + "0.1"),
        (lambda: error_parts(X, None), TypeError, QPARAMS + "None"),
        (lambda: clipped_identity(X, {}), TypeError, QPARAMS + "{}"),
        (lambda: straight_through_slope(X, "int8"), TypeError, QPARAMS + "'int8'"),
        (lambda: quantize(P, X), TypeError, "x must be an array of real numbers: got a QParams"),
        (lambda: Percentile("99"), TypeError, "percentile must be a number above 0 and at most 100: got '99'"),
        (lambda: Percentile(None), TypeError, "percentile must be a number above 0 and at most 100: got None"),
        (
            lambda: HistogramObserver(averaging_constant="1"),
            TypeError,
            "averaging_constant must be a number from 0 to 1",
        ),
        (lambda: calibration_result(X, X, "mse"), TypeError, "seen must be a Histogram, as from observe(x)[0]: got "),
        (lambda: unpack(np.zeros(3, np.uint8), INT4, 1.5), TypeError, "shape must be a whole number of at least 0"),
        (lambda: unpack(np.zeros(3, np.uint8), INT4, (2, -1)), ValueError, "each length of shape must be at least 0"),
        (lambda: IntFormat(np.float64(4)), TypeError, "bits must be a whole number from 2 to 16: got "),
        (lambda: IntFormat(np.True_), TypeError, "bits must be a whole number from 2 to 16: got "),
    ],
)
def test_what_is_not_certain_gets_a_sentence(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()


def test_a_calibrator_that_needs_arguments_is_not_made():
    class Scaled:
        def __init__(self, share):
            self.share = share

        def choose_range(self, histogram, fmt, scheme):
            return histogram.min * self.share, histogram.max * self.share

    assert float(calibrate(X, Scaled(0.5), UINT8).hi) > 0
    with pytest.raises(TypeError, match=re.escape(CALIBRATOR)):
        calibrate(X, Scaled)


@pytest.mark.parametrize("name", CALIBRATORS)
def test_a_calibrator_asked_by_itself_takes_a_format_by_its_name(name):
    assert CALIBRATORS[name].choose_range(H, "int8") == CALIBRATORS[name].choose_range(H, INT8)
