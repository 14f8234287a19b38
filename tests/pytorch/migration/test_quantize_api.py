"""torchao's quantize_ against qviz's numerics, torch.ao's codes, and arithmetic in NumPy's integers."""

import logging
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

from torch import nn

from qviz.numerics import INT8, choose_qparams, quantize
from qviz.pytorch import bridge, digits_model
from qviz.pytorch.migration import executed_operations, quantize_api, torchao_env
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.size_and_latency import size_bytes

TRAIN, _, X, Y = digits_model.digits_tensors()
FLOAT = digits_model.digits_cnn()


def linear(weight):
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = torch.tensor(weight, dtype=torch.float32)
    return nn.Sequential(layer)


def codes_of(model):
    return model[0].weight.qdata.numpy()


def at_a_tie(w, scale, zero_point):
    """Where w / scale lies within float32's error of the middle of two codes: torchao multiplies by 1 / scale."""
    steps = w.astype(np.float64) / scale
    return np.abs(np.abs(steps - np.floor(steps)) - 0.5) < 1e-6 * (np.abs(steps) + 1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 8),
    st.sampled_from([None, 2, 4, 16]),
    st.sampled_from(sorted(quantize_api.SCHEMES)),
    st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_codes_are_qvizs_on_the_same_grid(seed, bits, group_size, scheme, size):
    w = (np.random.default_rng(seed).standard_normal((5, 16)) * size).astype(np.float32)
    q = quantize_api.quantize_weights(linear(w), bits, group_size, scheme)
    p = quantize_api.weight_qparams(q[0].weight)
    mine, theirs = quantize(w, p), codes_of(q)
    groups = np.repeat(p.scale, w.size // p.scale.size).reshape(w.shape)
    different = mine != theirs
    assert not (different & ~at_a_tie(w, groups, 0)).any()
    assert np.abs(mine.astype(int) - theirs)[different].max(initial=0) <= 1
    assert (p.fmt.qmin, p.fmt.qmax) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group_size", [None, 8])
def test_scales_by_hand(bits, group_size):
    w = np.random.default_rng(bits).standard_normal((4, 16)).astype(np.float32)
    runs = w.reshape(-1, group_size or 16)
    lo, hi = np.minimum(runs.min(1), 0), np.maximum(runs.max(1), 0)
    by_hand = {
        "symmetric": np.maximum(-lo, hi) / ((2**bits - 1) / 2),
        "symmetric unclipped": np.maximum(lo / -(2.0 ** (bits - 1)), hi / (2.0 ** (bits - 1) - 1)),
        "affine": (hi - lo) / (2**bits - 1),
    }
    for scheme, scale in by_hand.items():
        p = quantize_api.weight_qparams(quantize_api.quantize_weights(linear(w), bits, group_size, scheme)[0].weight)
        np.testing.assert_allclose(p.scale.ravel(), scale, rtol=3e-7)  # they are float32
        zero = np.rint(-(2 ** (bits - 1)) - lo / scale) if scheme == "affine" else np.zeros_like(scale)
        np.testing.assert_array_equal(p.zero_point.ravel(), zero)


def test_a_tie_goes_to_the_even_code():
    """Scale 1/4 by construction, and every second weight exactly halfway."""
    w = np.r_[31.875, np.arange(-8, 9) / 8].astype(np.float32)[None]
    q = quantize_api.quantize_weights(linear(w))
    assert float(q[0].weight.scale) == 0.25
    np.testing.assert_array_equal(codes_of(q)[0, 1:], np.rint(np.arange(-8, 9) / 2))


def test_a_layer_of_zeros_gets_the_least_scale():
    zeros = np.zeros((2, 4), np.float32)
    int8 = quantize_api.quantize_int8_weights(linear(zeros))[0].weight
    intx = quantize_api.quantize_weights(linear(zeros))[0].weight
    assert (int8.scale == torch.finfo(torch.float32).eps).all() and not int8.qdata.any()
    assert (intx.scale == torch.finfo(torch.float32).smallest_normal).all() and not intx.qdata.any()


def test_int8_codes_and_scales_are_those_of_torch_ao():
    old = quantize_model(FLOAT, PTQConfig(method="torch min-max"), TRAIN)
    new = quantize_api.quantize_int8_weights(FLOAT)
    for name in ("fc1", "fc2"):
        theirs, mine = old.get_submodule(name).weight(), new.get_submodule(name).weight
        assert torch.equal(theirs.int_repr(), mine.qdata)
        assert torch.equal(theirs.q_per_channel_scales().float(), mine.scale.flatten())


def test_only_linear_layers_are_taken_and_the_model_is_not_changed():
    before = {name: tensor.clone() for name, tensor in FLOAT.state_dict().items()}
    for make in (quantize_api.quantize_int8_weights, quantize_api.quantize_weights, quantize_api.quantize_dynamic):
        assert quantize_api.quantized_layers(make(FLOAT)) == ["fc1", "fc2"]
    assert all(torch.equal(before[name], tensor) for name, tensor in FLOAT.state_dict().items())


def test_a_convolution_has_a_scale_for_each_channel_and_place():
    q = quantize_api.quantize_weights(FLOAT, 8, layers=["conv2"])
    weight = q.conv2.weight
    assert weight.scale.shape == (32, 1, 3, 3)
    by_hand = FLOAT.conv2.weight.detach().abs().amax(1, keepdim=True) / 127.5
    torch.testing.assert_close(weight.scale, by_hand)
    assert digits_model.accuracy(q, X, Y) * len(Y) >= 353  # of 355: two images may move


def test_four_bits_take_as_many_bytes_as_eight():
    four, eight = (size_bytes(quantize_api.quantize_weights(FLOAT, bits)) for bits in (4, 8))
    assert abs(four - eight) < 100
    q = quantize_api.quantize_weights(FLOAT, 4)
    assert q.fc1.weight.qdata.element_size() == 1 and q.fc1.weight.qdata.numel() == FLOAT.fc1.weight.numel()


def test_the_packed_form_has_no_kernel_in_the_wheel():
    ao = torchao_env.load()
    packing = ao.quant_api.IntxPackingFormat.OPAQUE_TORCHAO_AUTO
    config = ao.Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, intx_packing_format=packing)
    with pytest.raises(AssertionError, match="kernel library is not loaded"):
        ao.quantize_(digits_model.digits_cnn(), config)


def by_integers(x, layer, lo, hi):
    """A linear layer in NumPy: affine int8 inputs of these ranges, int32 sums, float32 at the end."""
    p = choose_qparams(0.0, 1.0, INT8)  # only its format counts
    scale = ((hi - lo) / 255).astype(np.float32).astype(np.float64)
    zero = np.clip(np.rint(p.fmt.qmin - lo / scale), -128, 127)
    q_x = np.clip(np.rint(x / scale) + zero, -128, 127).astype(np.int64)
    q_w = layer.weight.qdata.numpy().astype(np.int64)
    sums = (q_x - zero.astype(np.int64)) @ q_w.T
    return sums * scale * layer.weight.scale.double().numpy().ravel() + layer.bias.detach().double().numpy()


def test_dynamic_is_integer_arithmetic_with_a_range_for_each_row():
    x = np.random.default_rng(0).uniform(-1, 3, (20, 512)).astype(np.float32)
    model = quantize_api.quantize_dynamic(nn.Sequential(digits_model.digits_cnn().fc1))
    lo, hi = np.minimum(x.min(1, keepdims=True), 0), np.maximum(x.max(1, keepdims=True), 0)
    output, ran = executed_operations.run(model, torch.tensor(x))
    assert [p.numbers for p in executed_operations.products(ran)] == ["integers"]
    # a step of one of 512 inputs at a tie: at most scale_x * 127 * scale_w
    steps = float((hi - lo).max()) / 255 * 127 * float(model[0].weight.scale.max())
    wrong = np.abs(output.numpy() - by_integers(x, model[0], lo, hi))
    assert wrong.max() < steps and np.median(wrong) < 1e-5


def test_static_takes_the_ranges_that_calibration_saw():
    model = quantize_api.quantize_static(FLOAT, TRAIN[:64])
    seen = {}
    probe = digits_model.digits_cnn()
    for name in ("fc1", "fc2"):
        probe.get_submodule(name).register_forward_pre_hook(lambda m, i, n=name: seen.__setitem__(n, i[0].numpy()))
    with torch.no_grad():
        probe(TRAIN[:64])
    for name, x in seen.items():
        weight, p = model.get_submodule(name).weight, choose_qparams(float(x.min()), float(x.max()), INT8)
        np.testing.assert_allclose(float(weight.act_quant_scale), float(p.scale), rtol=1e-6)
        assert int(weight.act_quant_zero_point) == int(p.zero_point)


def test_static_needs_data():
    with pytest.raises(ValueError, match=r"calibration_x must hold at least one input: got shape \(0, 1, 8, 8\)"):
        quantize_api.quantize_static(FLOAT, TRAIN[:0])


def test_nothing_of_the_process_is_changed():
    torchao_env.load_pt2e()
    config, logger = torch._inductor.config, logging.getLogger("torchao")
    state = (config.coordinate_descent_tuning, config.force_fuse_int_mm_with_mul, list(logger.filters))
    before = warnings.filters[:]
    for make in (quantize_api.quantize_int8_weights, quantize_api.quantize_dynamic):
        make(FLOAT)
    quantize_api.quantize_static(FLOAT, TRAIN[:32])
    assert (config.coordinate_descent_tuning, config.force_fuse_int_mm_with_mul, list(logger.filters)) == state
    assert warnings.filters == before


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"bits": 1}, "bits must be from 2 to 8: got 1"),
        ({"bits": 4.0}, "bits must be a whole number from 2 to 8: got 4.0"),
        ({"scheme": "asymmetric"}, "scheme must be one of 'symmetric', 'symmetric unclipped', 'affine'"),
        ({"group_size": 100}, "group_size must be at least 2 and divide the 512 inputs of 'fc1': got 100"),
        ({"group_size": 1}, "at least 2"),
        ({"layers": ["fc3"]}, "layers must name linear or convolution layers of the model: got 'fc3'"),
        ({"layers": ["conv1"]}, "single input channel: got 'conv1'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, text):
    with pytest.raises((TypeError, ValueError), match=text):
        quantize_api.quantize_weights(FLOAT, **arguments)


def test_numpy_whole_numbers_are_taken():
    q = quantize_api.quantize_weights(FLOAT, np.int64(4), np.int32(32))
    plain = quantize_api.quantize_weights(FLOAT, 4, 32)
    assert torch.equal(q.fc1.weight.qdata, plain.fc1.weight.qdata)


def test_why_groups_of_one_are_refused():
    """A fault of torchao 0.18: when it is mended, so may be the refusals here."""
    ao = torchao_env.load()
    with pytest.raises(RuntimeError, match="invalid for input of size 1"):
        ao.quantize_(digits_model.digits_cnn(), ao.IntxWeightOnlyConfig(granularity=ao.PerGroup(1)))


def test_a_float_weight_has_no_qparams():
    with pytest.raises(TypeError, match="one that quantize_ made: got Parameter"):
        quantize_api.weight_qparams(FLOAT.fc1.weight)


def test_per_tensor_scales_are_read_too():
    ao, model = torchao_env.load(), digits_model.digits_cnn()
    ao.quantize_(model, ao.Int8WeightOnlyConfig(granularity=ao.PerTensor(), set_inductor_config=False))
    p = quantize_api.weight_qparams(model.fc1.weight)
    np.testing.assert_array_equal(quantize(bridge.to_array(FLOAT.fc1.weight), p), model.fc1.weight.qdata.numpy())
