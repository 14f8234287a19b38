"""Layers in integers: by hand, against ONNX Runtime's kernel, and how the three ways differ."""

import numpy as np
import pytest

from qviz.numerics import INT8, UINT8, PerChannel, QParams
from qviz.numerics.integer_layer import ROUNDINGS, IntegerLayer


def layer(**changes):
    x, w, y = QParams(0.1, 10, UINT8), QParams([[0.5], [0.25]], [[1], [0]], INT8, PerChannel(0)), QParams(2.0, 3, UINT8)
    return IntegerLayer(**{"q_w": np.array([[4], [-8]]), "x": x, "w": w, "y": y, **changes})


def test_a_layer_by_hand():
    one = layer(bias=np.array([1.0, -2.04]))
    np.testing.assert_array_equal(one.scale, np.float32([0.05, 0.025]))
    np.testing.assert_array_equal(one.multiplier, np.float32([0.025, 0.0125]))
    assert one.bias_int32.tolist() == [20, -82]
    np.testing.assert_allclose(one.bias_steps, [20, -81.6], rtol=2e-7)  # float32
    total = one.accumulate([[110]]).total  # 100 * 3, 100 * -8
    assert total.tolist() == [[300, -800]]
    # (300 + 20) * 0.025 = 8, (-800 - 81.6) * 0.0125 = -11.02
    assert [one.run([[110]], way).tolist() for way in ("fbgemm", "int32 bias", "gemmlowp")] == [[[11, 0]]] * 3
    assert layer(bias=one.bias, relu=True).run([[110]]).tolist() == [[11, 3]]


def test_a_layer_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"bias must have one number for each of the 2 output channels: got \(1,\)"):
        layer(bias=np.ones(1)).run([[1]])
    with pytest.raises(ValueError, match="way must be one of 'fbgemm', 'int32 bias', 'gemmlowp': got 'float'"):
        layer().run([[1]], "float")
    for way in ROUNDINGS:
        for bias in (None, np.zeros(2)):
            with pytest.raises(TypeError, match="total must hold integers: got dtype float64; round it first"):
                layer(bias=bias).requantize(np.array([[2.9, 1.0]]), way)
    with pytest.raises(ValueError, match="sum and bias together must fit int32: got -1960 to 2147484255"):
        layer(bias=np.array([107374180.0, 0.0])).run([[255]], "gemmlowp")


def test_a_list_of_codes_is_taken():
    assert layer(q_w=[[4], [-8]]).run([[110]]).tolist() == layer().run([[110]]).tolist()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"q_w": [[4.0], [-8.0]]}, TypeError, "q_w must hold integers: got dtype float64"),
        ({"q_w": [[4], [-129]]}, ValueError, "q_w must hold codes of int8, from -128 to 127: got -129 to 4"),
        ({"x": 0.1}, TypeError, r"x must be a QParams, .*: got 0\.1"),
        (
            {"y": QParams([[2.0], [1.0]], [[3], [3]], UINT8, PerChannel(0))},
            ValueError,
            r"y must have one scale per tensor: got per channel \(axis 0\)",
        ),
        ({"bias": [np.nan, 0.0]}, ValueError, r"bias, as float32, must be finite: got 1 NaN, first at index \(0,\)"),
        ({"bias": [1e39, 0.0]}, ValueError, "bias, as float32, must be finite: got 1 infinite"),
        ({"bias": ["a", "b"]}, TypeError, "bias must be an array of real numbers: got dtype <U1"),
    ],
)
def test_what_is_no_layer(changes, error, message):
    with pytest.raises(error, match=message):
        layer(**changes)


@pytest.mark.parametrize("relu", [False, True])
def test_the_int32_bias_way_is_onnx_runtimes(relu):
    """QLinearConv takes the same int32 bias and multiplies in float32: code for code the same."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    rng, compared = np.random.default_rng(0), 0
    for _ in range(60):
        made, q_x = random_convolution(rng, relu)
        made_by_them = run_onnx(onnx, runtime, made, q_x)
        theirs = np.maximum(made_by_them, int(made.y.zero_point)) if relu else made_by_them
        np.testing.assert_array_equal(made.run(q_x, "int32 bias"), theirs)
        compared += theirs.size
    assert compared > 10_000


def random_convolution(rng, relu):
    """Return a convolution and its input; weights of 7 bits, so that no processor saturates in 16 bits."""
    out, channels, size, padding = (int(rng.integers(*ends)) for ends in ((1, 9), (1, 5), (1, 4), (0, 2)))
    q_x = rng.integers(0, 256, (2, channels, 6, 5)).astype(np.uint8)
    q_w = rng.integers(-64, 64, (out, channels, size, size)).astype(np.int8)
    scale = np.exp(rng.uniform(-6, 0, (out, 1))).astype(np.float32)
    x = QParams(np.float32(0.02), int(rng.integers(256)), UINT8)
    w = QParams(scale, np.zeros((out, 1), int), INT8, PerChannel(0))
    typical = 0.02 * float(np.median(scale)) * 74 * 37 * np.sqrt(q_w[0].size)
    y = QParams(np.float32(typical / 40), int(rng.integers(256)), UINT8)
    bias = (rng.normal(size=out) * typical).astype(np.float32)
    return IntegerLayer(q_w, x, w, y, bias, relu, padding=padding), q_x


def run_onnx(onnx, runtime, layer, q_x):
    arrays = {
        "x_scale": np.float32(layer.x.scale),
        "x_zero": np.uint8(layer.x.zero_point),
        "w": layer.q_w,
        "w_scale": layer.w.scale.reshape(-1).astype(np.float32),
        "w_zero": layer.w.zero_point.reshape(-1).astype(np.int8),
        "y_scale": np.float32(layer.y.scale),
        "y_zero": np.uint8(layer.y.zero_point),
        "bias": layer.bias_int32,
    }
    node = onnx.helper.make_node("QLinearConv", ["x", *arrays], ["y"], pads=[layer.padding] * 4)
    kind = onnx.TensorProto.UINT8
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [onnx.helper.make_tensor_value_info("x", kind, q_x.shape)],
        [onnx.helper.make_tensor_value_info("y", kind, None)],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    return runtime.InferenceSession(model.SerializeToString()).run(None, {"x": q_x})[0]


def test_the_three_ways_differ_near_ties_only():
    """Why they differ, counted: the bias was rounded, the product was rounded twice, a tie went another way."""
    rng, apart, compared = np.random.default_rng(0), {"int32 bias": 0, "gemmlowp": 0}, 0
    for _ in range(300):
        made, q_x = random_convolution(rng, relu=False)
        beside = (-1, 1, 1)
        bias, whole = made.bias_steps.astype(np.float64).reshape(beside), made.bias_int32.reshape(beside)
        multiplier = made.multiplier.astype(np.float64).reshape(beside)
        steps = (made.accumulate(q_x).total + bias) * multiplier
        to_a_tie = np.abs(np.abs(steps - np.rint(steps)) - 0.5)
        slack = np.abs(steps) * 2.0**-22  # two roundings of float32
        reach = {"int32 bias": np.abs(whole - bias) * multiplier + slack}
        # high_mul rounds to a whole number of 2**exponent steps
        reach["gemmlowp"] = reach["int32 bias"] + np.ldexp(0.5, made.fixed_multiplier.exponent).reshape(beside)
        codes = made.run(q_x).astype(int)
        compared += codes.size
        for way, near in reach.items():
            difference = np.abs(made.run(q_x, way) - codes)
            assert difference.max() <= 1
            assert (to_a_tie <= near)[difference > 0].all()
            apart[way] += int(difference.sum())
    assert 0 < apart["int32 bias"] < apart["gemmlowp"] < compared / 50
