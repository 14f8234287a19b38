"""CalibratorObserver: torch's own numbers where both do the same, any of qviz's calibrators in torch's flows."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.ao import quantization

from qviz.numerics import CALIBRATORS, MSE, IntFormat, PerChannel, calibrate
from qviz.pytorch import bridge, engines
from qviz.pytorch.observer import CalibratorObserver


def values(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.3


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed", [False, True])
def test_min_max_affine_is_torchs_own(bits, signed):
    mine = CalibratorObserver("min-max", bits, signed=signed)
    theirs = quantization.MinMaxObserver(dtype=mine.dtype, quant_min=mine.quant_min, quant_max=mine.quant_max)
    for seed in range(3):
        mine(values(100, seed)), theirs(values(100, seed))
    (scale, zero_point), (expected, expected_zero) = mine.calculate_qparams(), theirs.calculate_qparams()
    assert zero_point.tolist() == expected_zero.tolist()
    # torch subtracts and divides in float32, qviz in float64, rounded once: one unit in the last place
    np.testing.assert_array_max_ulp(scale.numpy(), expected.numpy(), maxulp=1)
    assert scale.dtype == expected.dtype and scale.shape == expected.shape


@pytest.mark.parametrize("bits", range(2, 9))
def test_min_max_symmetric_differs_from_torchs_as_decision_3_says(bits):
    mine = CalibratorObserver("min-max", bits, "symmetric", signed=True)
    theirs = quantization.MinMaxObserver(
        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=mine.quant_min, quant_max=mine.quant_max
    )
    mine(values(100)), theirs(values(100))
    ratio = float(mine.calculate_qparams()[0]) / float(theirs.calculate_qparams()[0])
    assert ratio == pytest.approx(((2**bits - 1) / 2) / (2 ** (bits - 1) - 1), rel=1e-6)


def test_per_channel_min_max_is_torchs_own():
    mine = CalibratorObserver("min-max", 8, "affine", signed=True, ch_axis=0)
    theirs = quantization.PerChannelMinMaxObserver(dtype=torch.qint8, qscheme=torch.per_channel_affine, ch_axis=0)
    mine(values((5, 3, 2))), theirs(values((5, 3, 2)))
    (scale, zero_point), (expected, expected_zero) = mine.calculate_qparams(), theirs.calculate_qparams()
    assert zero_point.tolist() == expected_zero.tolist()
    np.testing.assert_array_max_ulp(scale.numpy(), expected.numpy(), maxulp=1)


def test_the_moving_average_is_torchs_own():
    mine, theirs = CalibratorObserver("moving average"), quantization.MovingAverageMinMaxObserver()
    for seed in range(5):
        mine(values(50, seed)), theirs(values(50, seed))
    # five steps of torch's recurrence in float32
    np.testing.assert_allclose(mine.calculate_qparams()[0], theirs.calculate_qparams()[0], rtol=1e-6)


@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize("ch_axis", [None, 1])
def test_every_calibrator_decides_as_in_numerics(name, ch_axis):
    x = values((40, 3))
    observer = CalibratorObserver(name, 4, ch_axis=ch_axis)
    observer(x)
    expected = calibrate(x.numpy(), name, IntFormat(4, signed=False), "affine", *([PerChannel(1)] if ch_axis else []))
    assert observer.qparams() == expected
    assert bridge.qparams_of(observer).zero_point.tolist() == expected.zero_point.tolist()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_symmetric_activations_are_signed_codes_moved_up(bits):
    x = values(200)
    observer = CalibratorObserver("mse", bits, "symmetric")
    observer(x)
    signed = calibrate(x.numpy(), "mse", IntFormat(bits), "symmetric")
    p = observer.qparams()
    assert int(p.zero_point) == 2 ** (bits - 1) and (p.fmt.qmin, p.fmt.qmax) == (0, 2**bits - 1)
    assert (float(p.scale), float(p.lo), float(p.hi)) == (float(signed.scale), float(signed.lo), float(signed.hi))


def test_nothing_seen():
    observer = CalibratorObserver()
    observer(torch.zeros(0))
    with pytest.raises(ValueError, match="run the prepared model on calibration data before convert"):
        observer.calculate_qparams()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"calibrator": "minmax"}, "calibrator must be one of 'min-max', .*: got 'minmax'"),
        ({"scheme": "signed"}, "scheme must be one of 'affine', 'symmetric': got 'signed'"),
        ({"bits": 9}, "at most 8 bits: got uint9"),
        ({"bits": 1}, "bits must be from 2 to 16"),
    ],
)
def test_mistakes_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        CalibratorObserver(**keywords)


def test_it_returns_its_input_and_is_copied_with_what_it_saw():
    observer, x = CalibratorObserver(MSE(candidates=20), bits=3), values(50)
    assert observer(x) is x
    twin = copy.deepcopy(observer)
    assert twin.qparams() == observer.qparams()
    twin(values(50) * 9)
    assert twin.qparams() != observer.qparams()
    assert "MSE(candidates=20), affine, uint3, per tensor" in repr(observer)


@pytest.mark.parametrize("ch_axis", [None, 0])
def test_torchs_convert_takes_its_numbers(ch_axis):
    weight = CalibratorObserver.with_args(calibrator="mse", bits=4, scheme="symmetric", signed=True, ch_axis=ch_axis)
    stub, linear = quantization.QuantStub(), torch.nn.Linear(4, 3)
    model = torch.nn.Sequential(stub, linear).eval()
    model.qconfig = quantization.QConfig(CalibratorObserver.with_args(calibrator="percentile", bits=4), weight)
    with engines.using(), engines.quiet():
        prepared = quantization.prepare(model)
        prepared(values((30, 4)))
        converted = quantization.convert(prepared)
    expected = prepared[1].activation_post_process.qparams()
    assert converted[1].scale == pytest.approx(float(expected.scale), rel=1e-7)
    assert converted[1].zero_point == int(expected.zero_point)
    direct = weight()
    direct(linear.weight)
    with engines.quiet():
        wanted = bridge.quantize_tensor(linear.weight, direct.qparams()).int_repr()
    assert torch.equal(converted[1].weight().int_repr(), wanted)
    assert -8 <= wanted.min() and wanted.max() <= 7


@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize("batches", [1, 3])
def test_channels_decided_at_once_get_the_scales_of_each_alone(name, batches):
    """Bit for bit, for channels of very different sizes and of one sign, seen in one batch or in several."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((8, 40), generator=generator) * 10.0 ** torch.arange(-4, 4)[:, None]
    x[2], x[3] = x[2].abs(), -x[3].abs()
    together = CalibratorObserver(name, 4, "symmetric", signed=True, ch_axis=0)
    for batch in range(batches):
        together((1 + batch) * x)
    scales = together.qparams().scale.ravel().copy()
    for scale, observer in zip(scales, list(together.observers), strict=True):
        together.observers = [observer]
        assert float(together.qparams().scale) == scale
