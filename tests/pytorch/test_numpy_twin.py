"""Integers against the fbgemm kernel, bit for bit: random layers by the thousand, and the whole network."""

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.ao.nn import quantized
from torch.ao.nn.intrinsic import quantized as fused

from qviz.networks import integer_cnn
from qviz.numerics import INT8, UINT8, IntFormat, PerChannel, PerTensor, QParams
from qviz.numerics.integer_layer import ROUNDINGS, IntegerLayer
from qviz.numerics.requantize import add_float_bias
from qviz.pytorch import conversion, digits_model, engines, qat
from qviz.pytorch.numpy_twin import codes_of, integer_cnn_of, integer_layer, side_by_side
from qviz.pytorch.ptq import PTQConfig, quantize_model

needs_fbgemm = pytest.mark.skipif("fbgemm" not in engines.supported(), reason="this build of torch has no fbgemm")

# Without VNNI the kernel adds two products in 16 bits: weights of 7 bits never saturate there, 2 * 255 * 64 < 2**15.
WEIGHTS = INT8 if engines.has_vnni() else IntFormat(7)
LAYERS = {"linear": 4000, "conv2d": 2000}

settings.register_profile("integer", deadline=None, derandomize=True)
settings.load_profile("integer")


@contextmanager
def fbgemm():
    with engines.using("fbgemm"), engines.quiet():
        yield


def kernel(layer, q_x):
    """Run a layer on the current engine, from the same integers."""
    kind, steps = "linear", ()
    if layer.q_w.ndim == 4:
        kind, steps = "conv2d", ([layer.stride] * 2, [layer.padding] * 2, [1, 1], 1)
    bias = None if layer.bias is None else torch.from_numpy(layer.bias)
    packed = getattr(torch.ops.quantized, f"{kind}_prepack")(tensor(layer.q_w, layer.w), bias, *steps)
    run = getattr(torch.ops.quantized, f"{kind}_relu" if layer.relu else kind)
    return run(tensor(q_x, layer.x), packed, float(layer.y.scale), int(layer.y.zero_point)).int_repr().numpy()


def tensor(codes, qparams):
    """Return a quantized tensor of torch with these codes."""
    codes, scale, zero_point = (torch.from_numpy(np.array(a)) for a in (codes, qparams.scale, qparams.zero_point))
    if qparams.granularity == PerTensor():
        return torch._make_per_tensor_quantized_tensor(codes, scale.item(), zero_point.item())
    return torch._make_per_channel_quantized_tensor(codes, scale.flatten(), zero_point.flatten(), 0)


def random_layer(kind, rng):
    """Return a layer and its input; most outputs lie within 0..255, some layers saturate."""
    out, padding, stride = int(rng.integers(1, 20)), 0, 1
    if kind == "linear":
        shapes = (int(rng.integers(1, 6)), depth := int(rng.integers(1, 70))), (out, depth)
    else:
        channels, size, padding, stride = (int(rng.integers(*ends)) for ends in ((1, 5), (1, 4), (0, 3), (1, 4)))
        shapes = (2, channels, *rng.integers(size, 7, 2)), (out, channels, size, int(rng.integers(1, size + 1)))
    q_x = rng.integers(0, 256, shapes[0]).astype(np.uint8)
    q_w = rng.integers(WEIGHTS.qmin, WEIGHTS.qmax + 1, shapes[1]).astype(np.int8)
    x, w = random_qparams(UINT8, 0, rng), random_qparams(WEIGHTS, out if rng.integers(2) else 0, rng)
    typical = float(x.scale) * float(np.median(w.scale)) * 74 * 74 * np.sqrt(q_w[0].size)
    y = QParams(np.float32(typical * 10 ** rng.uniform(-4, 0)), int(rng.integers(256)), UINT8)
    bias = None if rng.integers(4) == 0 else (rng.normal(size=out) * typical).astype(np.float32)
    return IntegerLayer(q_w, x, w, y, bias, bool(rng.integers(2)), stride, padding), q_x


def random_qparams(fmt, groups, rng):
    """Return any scale and any zero point, per tensor where `groups` is 0."""
    shape, granularity = ((groups, 1), PerChannel(0)) if groups else ((), PerTensor())
    scale = np.exp(rng.uniform(-9, 2, shape)).astype(np.float32)
    return QParams(scale, rng.integers(fmt.qmin, fmt.qmax + 1, shape), fmt, granularity)


@needs_fbgemm
@pytest.mark.parametrize("kind", LAYERS)
@fbgemm()
def test_thousands_of_random_layers_equal_the_kernel(kind):
    rng, compared, ends = np.random.default_rng(8), 0, 0
    for _ in range(LAYERS[kind]):
        layer, q_x = random_layer(kind, rng)
        mine = layer.run(q_x)
        np.testing.assert_array_equal(mine, kernel(layer, q_x), err_msg=f"{layer}")
        compared += mine.size
        ends += int(((mine == 0) | (mine == 255)).sum())
    assert compared > 100_000
    assert 0.1 < ends / compared < 0.9  # much saturates, and much does not


@needs_fbgemm
@settings(max_examples=150)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 20)),
    codes=st.sampled_from(["random", "highest", "lowest", "opposite"]),
    scales=st.tuples(*[st.floats(-18, 12)] * 3),
    zero_points=st.tuples(st.integers(0, 255), st.integers(WEIGHTS.qmin, WEIGHTS.qmax), st.integers(0, 255)),
    bias=st.none() | st.floats(-1e6, 1e6, width=32),
    relu=st.booleans(),
)
@fbgemm()
def test_any_shape_and_value_equals_the_kernel(shape, codes, scales, zero_points, bias, relu):
    n, depth, out = shape
    rng = np.random.default_rng(0)
    q_x = rng.integers(0, 256, (n, depth)).astype(np.uint8)
    q_w = rng.integers(WEIGHTS.qmin, WEIGHTS.qmax + 1, (out, depth)).astype(np.int8)
    if codes != "random":
        q_x[:] = 0 if codes == "lowest" else 255
        q_w[:] = WEIGHTS.qmin if codes in ("lowest", "opposite") else WEIGHTS.qmax
    fmts = (UINT8, WEIGHTS, UINT8)
    x, w, y = (QParams(np.float32(2.0**s), z, f) for s, z, f in zip(scales, zero_points, fmts, strict=True))
    layer = IntegerLayer(q_w, x, w, y, None if bias is None else np.full(out, bias, np.float32), relu)
    np.testing.assert_array_equal(layer.run(q_x), kernel(layer, q_x))


@needs_fbgemm
@settings(max_examples=150)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9)),
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel_size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    per_channel=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    bias=st.none() | st.floats(-1e3, 1e3, width=32),
    relu=st.booleans(),
)
@fbgemm()
def test_any_convolution_equals_the_kernel(shape, image, kernel_size, stride, padding, per_channel, seed, bias, relu):
    n, channels, out = shape
    assume(all(k <= size + 2 * padding for k, size in zip(kernel_size, image, strict=True)))
    rng = np.random.default_rng(seed)
    q_x = rng.integers(0, 256, (n, channels, *image)).astype(np.uint8)
    q_w = rng.integers(WEIGHTS.qmin, WEIGHTS.qmax + 1, (out, channels, *kernel_size)).astype(np.int8)
    x, w, y = (random_qparams(f, out * per_channel * (f is WEIGHTS), rng) for f in (UINT8, WEIGHTS, UINT8))
    bias = None if bias is None else np.full(out, bias, np.float32)
    layer = IntegerLayer(q_w, x, w, y, bias, relu, stride, padding)
    np.testing.assert_array_equal(layer.run(q_x), kernel(layer, q_x))


@needs_fbgemm
@fbgemm()
def test_beyond_int32_the_largest_outputs_become_the_lowest_code():
    one = QParams(1.0, 0, UINT8)
    layer = IntegerLayer(np.full((1, 8), 64, np.int8), one, QParams(1.0, 0, INT8), QParams(2.0**-14, 7, UINT8))
    q_x = np.array([[255] * 8, [0] * 7 + [1]], np.uint8)  # 130560 * 2**14 is 2.1e9, almost 2**31; 64 * 2**14
    assert kernel(layer, q_x).tolist() == layer.run(q_x).tolist() == [[255], [255]]
    finer = IntegerLayer(layer.q_w, one, layer.w, QParams(2.0**-15, 7, UINT8))
    assert kernel(finer, q_x).tolist() == finer.run(q_x).tolist() == [[0], [255]]


def next_to_ties(kind, per_channel, rng):
    """Return a layer and its input, with a bias that puts every output next to a tie: float32's last bit decides."""
    out, depth, shape = 500, 2, (1, 1) if kind == "conv2d" else ()
    q_x = rng.integers(0, 256, (1, depth, *shape)).astype(np.uint8)
    q_w = rng.integers(-60, 60, (out, depth, *shape)).astype(np.int8)
    x, w = random_qparams(UINT8, 0, rng), random_qparams(WEIGHTS, out if per_channel else 0, rng)
    y = QParams(np.float32(float(x.scale) * float(np.median(w.scale)) * 10 ** rng.uniform(0, 2)), 128, UINT8)
    bare = IntegerLayer(q_w, x, w, y)
    total, ties = bare.accumulate(q_x).total.reshape(-1), rng.integers(-100, 100, out) + 0.5
    return replace(bare, bias=((ties / bare.multiplier - total) * bare.scale).astype(np.float32)), q_x


def apart(layer, q_x, way):
    """Return how far from the kernel a way may put each value, in steps of the output, and how far that is from a tie.

    A bias rounded to a whole number moves the sum by up to half, and so the value by up to half the multiplier.
    gemmlowp also rounds before it shifts to the right. fbgemm rounds the sum and the product to float32, and scales
    are multiplied there in float32: 2**-22 of the value in all.
    """
    beside = (-1, *[1] * (layer.q_w.ndim - 2))
    exact, multiplier = (a.astype(np.float64).reshape(beside) for a in (layer.bias_steps, layer.multiplier))
    steps = (layer.accumulate(q_x).total + exact) * multiplier
    reach = np.abs(layer.bias_int32.reshape(beside) - exact) * multiplier + np.abs(steps) * 2.0**-22
    if way == "gemmlowp":
        exponent = layer.fixed_multiplier.exponent.reshape(beside)
        reach = reach + np.where(exponent < 0, np.ldexp(0.5, exponent), 0)
    return reach, np.abs(np.abs(steps - np.rint(steps)) - 0.5)


@needs_fbgemm
@pytest.mark.parametrize("way", ["int32 bias", "gemmlowp"])
@pytest.mark.parametrize("kind", LAYERS)
@fbgemm()
def test_where_the_other_ways_answer_otherwise_than_the_kernel(kind, way):
    """Only next to a tie, and by one step while the multiplier is at most 1.

    Two values that lie d apart have codes at most floor(d) + 1 apart. A rounded bias moves a value by up to half the
    multiplier: less than one step while the multiplier is below 2, and up to 103 of them where it is 206.
    """
    rng, different, compared = np.random.default_rng(1), Counter(), Counter()
    layers = [random_layer(kind, rng) for _ in range(LAYERS[kind] // 4)]
    ties = [next_to_ties(kind, per_channel, rng) for per_channel in (False, True) for _ in range(4)]
    for i, (layer, q_x) in enumerate(layers + ties):
        difference = np.abs(kernel(layer, q_x).astype(int) - layer.run(q_x, way))
        reach, to_a_tie = apart(layer, q_x, way)
        assert (to_a_tie <= reach)[difference > 0].all()
        assert (difference <= np.floor(reach) + 1).all()
        small = np.broadcast_to(layer.multiplier.reshape(-1, *[1] * (q_x.ndim - 2)) <= 1, difference.shape)
        assert difference[small].max(initial=0) <= 1
        which = "random" if i < len(layers) else f"next to ties, {layer.w.granularity}"
        different[which] += int((difference > 0).sum())
        compared[which] += difference.size
    # With VNNI: 3 and 6 of 29,228 random outputs of linear layers, 229 and 512 of 142,198 of convolutions, in the order
    # of the ways; and 48 to 62 % of those next to ties.
    assert 0 < different.pop("random") < compared["random"] / 100
    assert len(different) == 2 and all(0.2 < n / compared[which] < 0.8 for which, n in different.items())


@needs_fbgemm
@pytest.mark.parametrize("kind", LAYERS)
@fbgemm()
def test_a_multiplier_above_1_makes_many_steps_of_half_a_bias(kind):
    """By hand: a bias of half a step of the sum, times 206, is 103 steps of the output. Rounded to an int32 it is 0."""
    shape = (1, 1, 1, 1) if kind == "conv2d" else (1, 1)
    x, w, y = QParams(1.0, 0, UINT8), QParams(1.0, 0, INT8), QParams(1 / 206, 0, UINT8)
    layer = IntegerLayer(np.zeros(shape, np.int8), x, w, y, np.float32([0.5]))
    q_x = np.zeros(shape, np.uint8)
    assert (kernel(layer, q_x).item(), layer.run(q_x).item()) == (103, 103)
    assert [layer.run(q_x, way).item() for way in ("int32 bias", "gemmlowp")] == [0, 0]


@needs_fbgemm
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere another compiler built the kernel: see add_float_bias")
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
@fbgemm()
def test_the_order_of_the_roundings(kind, per_channel):
    """Random layers hardly ever tell orders apart: the wrong one agreed in all of them. Ties do."""
    rng, different = np.random.default_rng(3), dict.fromkeys(("divided", "reciprocal", "fused", "float64"), 0)
    for _ in range(100):
        layer, q_x = next_to_ties(kind, per_channel, rng)
        theirs = kernel(layer, q_x)
        np.testing.assert_array_equal(layer.run(q_x), theirs)
        total, bias, scale = layer.accumulate(q_x).total.reshape(-1).astype(np.float32), layer.bias, layer.scale
        sums = {
            "divided": total + bias / scale,
            "reciprocal": total + bias * (np.float32(1) / scale),
            "fused": add_float_bias(layer.accumulate(q_x).total.reshape(-1), bias, scale, per_channel=False),
            "float64": total.astype(np.float64) + bias.astype(np.float64) / scale,
        }
        for order, values in sums.items():
            codes = np.clip(np.rint(values * layer.multiplier) + 128, 0, 255)
            different[order] += int((codes != theirs.reshape(-1)).sum())
    right = "divided" if per_channel else "fused"
    assert [order for order, n in different.items() if n == 0] == [right]


@pytest.mark.parametrize(
    "config",
    [
        PTQConfig(),
        PTQConfig(per_channel=False, weight_scheme="affine"),
        PTQConfig(scheme="symmetric"),
        PTQConfig(4, 4, method="mse"),
    ],
    ids=["default", "affine weights", "symmetric", "4 bits"],
)
@needs_fbgemm
def test_the_whole_network_equals_fbgemm_in_every_layer(config):
    train_x, _, x, _ = digits_model.digits_tensors()
    model = quantize_model(digits_model.digits_cnn(), config, train_x, "fbgemm")
    if not engines.has_vnni() and config.activation_bits == 8:
        pytest.skip("without VNNI the kernel saturates in 16 bits")
    assert_same_codes(model, x)


@needs_fbgemm
def test_a_network_after_quantization_aware_training_too():
    _, _, x, _ = digits_model.digits_tensors()
    run = qat.train_qat(digits_model.digits_cnn(), qat.QATConfig(4, 4, epochs=0))
    assert_same_codes(conversion.convert(run.model, engine="fbgemm"), x)


@needs_fbgemm
def test_the_network_names_the_same_digits_without_a_single_float():
    """gemmlowp's way has an int32 bias and an integer multiplier; a few codes differ, and no prediction."""
    train_x, _, x, _ = digits_model.digits_tensors()
    model = quantize_model(digits_model.digits_cnn(), PTQConfig(), train_x, "fbgemm")
    if not engines.has_vnni():
        pytest.skip("without VNNI the kernel saturates in 16 bits")
    with fbgemm(), torch.no_grad():
        theirs, named = codes_of(model, x), model(x).argmax(1).numpy()
    net = integer_cnn_of(model)
    for way in ROUNDINGS:
        mine = net.run(x.numpy(), way)
        np.testing.assert_array_equal(mine["logits"].argmax(axis=1), named)
        assert len(named) == 359
        for name, codes in mine.items():
            difference = np.abs(codes.astype(int) - theirs[name])
            assert difference.max() <= (way != "fbgemm")  # one step at most, for all that went before


def assert_same_codes(model, x):
    """Compare all codes of all layers, and the logits."""
    with fbgemm(), torch.no_grad():
        theirs, logits = codes_of(model, x), model(x)
    net = integer_cnn_of(model)
    for name, mine in net.run(x.numpy()).items():
        np.testing.assert_array_equal(mine, theirs[name], err_msg=name)
    np.testing.assert_array_equal(net.logits(x.numpy()), logits.numpy())


@needs_fbgemm
def test_side_by_side_counts_what_differs():
    x = digits_model.digits_tensors()[2][:20]
    both = side_by_side(x, PTQConfig(6, 7))
    assert both.engine == "fbgemm"
    assert str(both).splitlines()[-1].split() == ["logits", "200", "0"]
    off = {name: codes + (name == "logits") for name, codes in both.theirs.items()}
    assert str(replace(both, theirs=off)).splitlines()[-1].split() == ["logits", "200", "200"]


def test_without_an_engine_numpy_runs_alone(monkeypatch):
    monkeypatch.setattr(engines, "preferred", lambda: None)
    x = digits_model.digits_tensors()[2][:20]
    both = side_by_side(x)
    assert (both.engine, both.theirs) == (None, {})
    np.testing.assert_array_equal(both.mine["logits"], integer_cnn().run(x.numpy())["logits"])
    assert "NumPy runs alone" in str(both)


@pytest.mark.parametrize(
    "make",
    [
        lambda: fused.LinearLeakyReLU(2, 2, negative_slope=0.1),
        lambda: fused.LinearTanh(2, 2),
        lambda: fused.ConvAdd2d(1, 2, 3),
        lambda: fused.ConvAddReLU2d(1, 2, 3),
        lambda: quantized.dynamic.Linear(2, 2),
        lambda: fused.dynamic.LinearReLU(2, 2),
    ],
)
def test_what_torch_derives_from_these_layers_is_refused(make):
    """Each is a quantized Linear or Conv2d to isinstance, and gives out something else: its sum would be wrong."""
    with engines.using(), engines.quiet():
        module = make()
    assert isinstance(module, quantized.Linear | quantized.Conv2d)
    with pytest.raises(TypeError, match=f"alone or with a ReLU: got .*{type(module).__name__}$"):
        integer_layer(module, QParams(1.0, 0, UINT8))


@pytest.mark.parametrize("kind", [quantized.Linear, fused.LinearReLU, quantized.Conv2d, fused.ConvReLU2d])
def test_the_four_layers_are_taken(kind):
    with engines.using(), engines.quiet():
        module = kind(2, 3, 1) if issubclass(kind, quantized.Conv2d) else kind(2, 3)
    layer = integer_layer(module, QParams(1.0, 0, UINT8))
    assert (layer.relu, len(layer.q_w)) == ("ReLU" in kind.__name__, 3)


def test_other_modules_are_refused():
    with pytest.raises(TypeError, match=r"Linear or Conv2d of torch, alone or with a ReLU: got torch\.nn\..*\.Linear"):
        integer_layer(torch.nn.Linear(2, 2), QParams(1.0, 0, UINT8))
    with pytest.raises(TypeError, match="got DigitsCNN; use quantize_model or convert first"):
        integer_cnn_of(digits_model.digits_cnn())
    with engines.using(), engines.quiet():
        grouped = torch.ao.nn.quantized.Conv2d(2, 2, 3, groups=2)
    with pytest.raises(ValueError, match="no groups and no dilation: got QuantizedConv2d"):
        integer_layer(grouped, QParams(1.0, 0, UINT8))
