"""torch's numbers and qviz's: taken over unchanged, and the same codes and values on both sides."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st
from torch.ao.nn import quantized
from torch.ao.quantization import (
    FakeQuantize,
    HistogramObserver,
    MinMaxObserver,
    PerChannelMinMaxObserver,
)

from qviz.numerics import (
    INT4,
    INT8,
    INT16,
    UINT4,
    UINT8,
    IntFormat,
    PerChannel,
    PerGroup,
    QParams,
    calibrate,
    fake_quantize,
    quantize,
)
from qviz.pytorch import bridge, engines


@pytest.fixture(autouse=True)
def quiet():
    with engines.quiet():
        yield


def values(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_tensors_and_arrays_share_no_memory():
    tensor = torch.arange(3.0)
    back = bridge.to_array(tensor)
    back[1] = 7
    assert tensor.tolist() == [0, 1, 2]


def test_a_quantized_tensor_becomes_its_real_values():
    q = torch.quantize_per_tensor(torch.tensor([0.3, 9.0]), 0.5, 3, torch.quint8)
    assert bridge.to_array(q).tolist() == [0.5, 9.0]


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("narrow", [True, False])
def test_every_format_is_found_by_its_ends(bits, signed, narrow):
    fmt = IntFormat(bits, signed, narrow)
    found = bridge.format_of(fmt.qmin, fmt.qmax)
    assert (found.qmin, found.qmax) == (fmt.qmin, fmt.qmax)


def test_other_ends_are_refused():
    with pytest.raises(ValueError, match="ends of an integer format, such as -8 and 7: got -100 and 100"):
        bridge.format_of(-100, 100)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(torch.qint8, -128, 127), (torch.qint8, -8, 7), (torch.quint8, 0, 255), (torch.quint8, 0, 127)],
)
@pytest.mark.parametrize("qscheme", [torch.per_tensor_affine, torch.per_tensor_symmetric])
@pytest.mark.parametrize("kind", [MinMaxObserver, HistogramObserver])
def test_numbers_of_an_observer_are_taken_over_unchanged(kind, qscheme, dtype, low, high):
    observer = kind(dtype=dtype, qscheme=qscheme, quant_min=low, quant_max=high)
    observer(values(1000))
    scale, zero_point = observer.calculate_qparams()
    p = bridge.qparams_of(observer)
    assert (float(p.scale), int(p.zero_point)) == (float(scale), int(zero_point))
    assert (p.fmt.qmin, p.fmt.qmax) == (low, high)


def test_decision_3_torch_divides_a_symmetric_range_by_half_the_steps():
    x = torch.tensor([-1.0, 0.25])
    observer = MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)
    observer(x)
    assert float(bridge.qparams_of(observer).scale) == pytest.approx(1 / 127.5, rel=1e-7)
    assert float(calibrate(x.numpy(), scheme="symmetric").scale) == pytest.approx(1 / 127, rel=1e-7)


def test_per_channel_numbers():
    observer = PerChannelMinMaxObserver(ch_axis=1, dtype=torch.qint8, qscheme=torch.per_channel_symmetric)
    observer(values((3, 4)))
    p = bridge.qparams_of(observer)
    assert p.granularity == PerChannel(1) and p.scale.shape == (4, 1)
    assert p.scale.ravel().tolist() == observer.calculate_qparams()[0].tolist()


def test_a_fake_quantize_module_a_layer_and_a_tensor():
    fake = FakeQuantize(MinMaxObserver, quant_min=0, quant_max=15)
    fake(values(10))
    assert bridge.qparams_of(fake).fmt == UINT4
    layer = quantized.Linear(3, 2)
    layer.scale, layer.zero_point = 0.25, 7
    assert bridge.qparams_of(layer) == QParams(0.25, 7, UINT8)
    assert bridge.qparams_of(quantized.Quantize(0.5, 3, torch.quint8)) == QParams(0.5, 3, UINT8)
    q = torch.quantize_per_channel(values((2, 3)), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8)
    p = bridge.qparams_of(q)
    assert p.fmt == INT8 and p.granularity == PerChannel(0) and p.zero_point.ravel().tolist() == [0, 1]


@pytest.mark.parametrize("source", [3, torch.zeros(2), torch.nn.Linear(2, 2), None])
def test_what_has_no_qparams_is_refused(source):
    with pytest.raises(TypeError, match="source must be an observer"):
        bridge.qparams_of(source)


def test_a_tensor_of_another_width_is_refused():
    with pytest.raises(TypeError, match=r"quint8 or qint8: got torch\.qint32"):
        bridge.qparams_of(torch.quantize_per_tensor(values(3), 0.1, 0, torch.qint32))


# torch multiplies by 1 / scale where qviz divides: on a tie the two may be one code apart (decision 1). Scales that are
# powers of two make both exact.
exponents = st.integers(-6, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.booleans(), exponents, st.integers(0, 1000), st.data())
def test_codes_and_values_are_those_of_torch(bits, signed, exponent, seed, data):
    fmt, scale = IntFormat(bits, signed), 2.0**exponent
    zero_point = data.draw(st.integers(fmt.qmin, fmt.qmax))
    p, x = QParams(scale, zero_point, fmt), values(200, seed) * 4
    mine = fake_quantize(x.numpy(), p)
    theirs = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, fmt.qmin, fmt.qmax)
    assert np.array_equal(mine, theirs.numpy())
    q = bridge.quantize_tensor(x, p)
    assert np.array_equal(q.int_repr().numpy(), quantize(x.numpy(), p))
    assert np.array_equal(bridge.to_array(q), mine)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.floats(1e-3, 10), st.integers(0, 1000))
def test_with_any_scale_only_ties_differ(bits, scale, seed):
    fmt, x = IntFormat(bits), values(500, seed).numpy()
    scale = float(np.float32(scale))
    mine = fake_quantize(x, QParams(scale, 0, fmt))
    theirs = torch.fake_quantize_per_tensor_affine(torch.tensor(x), scale, 0, fmt.qmin, fmt.qmax).numpy()
    steps = np.abs(mine - theirs) / scale
    tie = np.abs(np.abs(x / scale) % 1 - 0.5) < 1e-4
    assert (steps[~tie] < 1e-3).all() and (steps < 1.001).all()


@pytest.mark.parametrize("fmt", [INT8, INT4])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_per_channel_codes_are_those_of_torch(fmt, axis):
    x = values((3, 4, 5))
    p = calibrate(x.numpy(), "percentile", fmt, "symmetric", PerChannel(axis))
    theirs = torch.fake_quantize_per_channel_affine(
        x, torch.tensor(p.scale.ravel(), dtype=torch.float32), torch.tensor(p.zero_point.ravel(), dtype=torch.int32),
        axis % 3, fmt.qmin, fmt.qmax,
    )  # fmt: skip
    q = bridge.quantize_tensor(x, p)
    assert (q.int_repr().numpy() == quantize(x.numpy(), p)).all()
    np.testing.assert_allclose(q.dequantize().numpy(), theirs.numpy(), rtol=1e-6)  # scales in float32 there


def test_what_torch_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="at most 8 bits: got int16"):
        bridge.quantize_tensor(values(3), QParams(0.1, 0, INT16))
    with pytest.raises(ValueError, match="per tensor or per channel: got per group of 2"):
        bridge.quantize_tensor(values(2), QParams(0.1, 0, INT8, PerGroup(0, 2)))


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_hand_built_linear_layer_runs_with_our_qparams(per_channel):
    """fbgemm against the same sums in int64: q = round((x - zx) @ (w - zw) * sx * sw / sy) + zy."""
    x, w, bias = values((20, 6)), values((4, 6), 1), torch.zeros(4)
    px = calibrate(x.numpy(), "min-max", UINT8)
    pw = calibrate(w.numpy(), "min-max", INT8, "symmetric", *([PerChannel(0)] if per_channel else []))
    py = calibrate((x @ w.T).numpy(), "min-max", UINT8)
    with engines.using():
        layer = quantized.Linear(6, 4)
        layer.set_weight_bias(bridge.quantize_tensor(w, pw), bias)
        layer.scale, layer.zero_point = float(py.scale), int(py.zero_point)
        got = layer(bridge.quantize_tensor(x, px)).int_repr().numpy()
    qx = quantize(x.numpy(), px).astype(np.int64) - px.zero_point
    sums = qx @ (quantize(w.numpy(), pw).astype(np.int64)).T
    exact = sums * (px.scale * pw.scale.ravel() / py.scale) + py.zero_point
    assert np.abs(got - np.clip(np.rint(exact), 0, 255)).max() <= (np.abs(exact % 1 - 0.5) < 1e-4).any()
