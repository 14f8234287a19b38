"""Each row of the table in the docstring of qviz.numerics, for every function that takes an array."""

import re

import numpy as np
import pytest

from qviz.numerics import (
    CALIBRATORS,
    INT8,
    SCHEMES,
    UINT4,
    UINT8,
    HistogramObserver,
    IntFormat,
    PerChannel,
    PerGroup,
    QParams,
    calibrate,
    choose_qparams,
    cosine,
    dequantize,
    error_parts,
    fake_quantize,
    kl_divergence,
    mse,
    observe,
    quantize,
    sqnr_db,
    value_range,
)

P = QParams(0.5, 3, UINT4)  # from -1.5 to 6
CODES = {"quantize": quantize, "fake_quantize": fake_quantize}
DECIDERS = {
    "value_range": lambda x, p: value_range(x),
    "observe": lambda x, p: observe(x),
    "error_parts": error_parts,
    **{f"calibrate {name}": lambda x, p, name=name: calibrate(x, name) for name in CALIBRATORS},
}
FINITE_ONLY = {
    **DECIDERS,
    "observer": lambda x, p: HistogramObserver().update(x),
    "mse": lambda x, p: mse(x, x),
    "sqnr_db": lambda x, p: sqnr_db(x, x),
    "cosine": lambda x, p: cosine(x, x),
    "kl_divergence": lambda x, p: kl_divergence(x, x),
}
EVERY = {**CODES, **FINITE_ONLY}


def each(functions):
    return pytest.mark.parametrize("function", functions.values(), ids=functions)


@each(CODES)
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2, 5)])
def test_empty_stays_empty(function, shape):
    x = np.zeros(shape, np.float32)
    assert function(x, P).shape == shape
    assert function(x, P).dtype == (np.uint8 if function is quantize else np.float32)
    assert dequantize(x.astype(int), P).shape == shape


@each(DECIDERS)
def test_empty_decides_nothing(function):
    with pytest.raises(
        ValueError, match=re.escape("x must hold at least one value") + ".*" + re.escape("shape (3, 0)")
    ):
        function(np.zeros((3, 0)), P)


def test_empty_differs_in_nothing():
    assert mse([], []) == 0.0
    assert sqnr_db([], []) == np.inf
    assert cosine([], []) == 1.0
    assert HistogramObserver().update([]).count == 0


@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fmt", [IntFormat(2), IntFormat(4), IntFormat(8, narrow=True), IntFormat(16)], ids=str)
class TestConstant:
    def test_zero(self, name, scheme, fmt):
        p = calibrate(np.zeros(100, np.float32), name, fmt, scheme)
        assert float(p.scale) == 1.0
        np.testing.assert_array_equal(fake_quantize(np.zeros(3), p), np.zeros(3))

    @pytest.mark.parametrize("value", [1.0, -1.0, 3.7, -1e-20, 1e30])
    def test_other(self, name, scheme, fmt, value):
        for n in (1, 1000):
            p = calibrate(np.full(n, value, np.float32), name, fmt, scheme)
            # -1 has no better neighbour than 1 / 1 in 2 bits. Elsewhere the end of the range is the value itself, but
            # for the float32 arithmetic (1e-6), and for the MSE search, which may prefer another level within a bin.
            assert float(fake_quantize(np.float32(value), p)) == pytest.approx(value, rel=1e-6)


@each(EVERY)
def test_nan_is_refused_with_its_place(function):
    x = np.ones((2, 3), np.float32)
    x[0, 2] = x[1, 1] = np.nan
    with pytest.raises(ValueError, match=re.escape("got 2 NaN, first at index (0, 2)")):
        function(x, P)


def test_nan_is_found_in_any_block():
    x = np.zeros(200_000, np.float32)
    x[150_000] = np.nan
    for function in (quantize, fake_quantize):
        with pytest.raises(ValueError, match=re.escape("x must not hold NaN, which no code represents: got 1 NaN")):
            function(x, P)


@each(CODES)
def test_infinity_becomes_the_nearest_end(function):
    got = function([-np.inf, 0.0, np.inf], P)
    np.testing.assert_array_equal(got, [0, 3, 15] if function is quantize else [-1.5, 0, 6])


@each(FINITE_ONLY)
def test_infinity_is_refused_elsewhere(function):
    with pytest.raises(ValueError, match=re.escape("must be finite: got 1 NaN and 1 infinite, first at index (1,)")):
        function([1.0, np.inf, np.nan], P)


@pytest.mark.parametrize(
    ("dtype", "real"),
    [
        ("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("g", "f8"), ("?", "f4"), ("i1", "f4"), ("u1", "f4"), ("i2", "f4"),
        ("u2", "f4"), ("i4", "f8"), ("u4", "f8"), ("i8", "f8"), ("u8", "f8"), (">f2", "f4"), (">f4", "f4"),
        (">f8", "f8"), (">i2", "f4"), (">i8", "f8"),
    ],
)  # fmt: skip
def test_dtypes(dtype, real):
    x = np.array([0, 1, 1, 0, 1], dtype)
    plain = np.array([0, 1, 1, 0, 1], real)
    fake = fake_quantize(x, P)
    assert fake.dtype == np.dtype(real) and fake.dtype.isnative
    np.testing.assert_array_equal(fake, fake_quantize(plain, P))
    np.testing.assert_array_equal(quantize(x, P), quantize(plain, P))
    assert observe(x) == observe(plain)
    assert error_parts(x, P) == error_parts(plain, P)
    assert mse(x, plain) == 0.0
    assert calibrate(x, "mse") == calibrate(plain, "mse")


def test_16_bit_integers_are_exact_in_float32():
    x = np.arange(-(2**15), 2**15, dtype=np.int16)
    p = QParams(1.0, 0, IntFormat(16))
    np.testing.assert_array_equal(fake_quantize(x, p), x)
    np.testing.assert_array_equal(quantize(x, p), x)


@each(EVERY)
@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.array([1.0, None]), "must be an array of real numbers: got dtype object; convert it to float32 first"),
        ([1j], "must be an array of real numbers: got dtype complex128; take .real, .imag or abs()"),
        (["1.0"], "must be an array of real numbers: got dtype <U3; convert it to float32 first"),
        (np.array(["2020-01-01"], "M8[D]"), "must be an array of real numbers: got dtype datetime64[D]"),
        ([[1.0], [1.0, 2.0]], "must be an array of real numbers: setting an array element with a sequence"),
    ],
    ids=["object", "complex", "text", "date", "ragged"],
)
def test_other_dtypes_are_refused(function, x, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        function(x, P)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CALIBRATORS)
def test_subnormals_become_zero(name, scheme):
    x = np.array([-3e-45, 0.0, 1e-41, 5e-42], np.float32)
    p = calibrate(x, name, INT8, scheme)
    assert float(p.scale) == float(np.finfo(np.float32).tiny)
    np.testing.assert_array_equal(fake_quantize(x, p), np.zeros(4))


def test_a_subnormal_among_others_is_rounded_like_them():
    p = choose_qparams(-1.0, 1.0, INT8, "symmetric")
    np.testing.assert_array_equal(quantize(np.array([1e-45, 1.0], np.float32), p), [0, 127])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize(("power", "dtype"), [(126, np.float32), (1023, np.float64), (-90, np.float32)])
def test_the_unit_does_not_matter(name, scheme, power, dtype):
    """Multiplied by a power of two, 1e38, 1e308 or 1e-27, all stays exactly the same."""
    small = np.random.default_rng(0).laplace(size=10_000)
    small = (small / np.abs(small).max()).astype(dtype)
    p, of_small = (calibrate(values, name, INT8, scheme) for values in (np.ldexp(small, power), small))
    assert float(p.scale) == float(np.ldexp(of_small.scale, power)) and p.zero_point == of_small.zero_point
    np.testing.assert_array_equal(quantize(np.ldexp(small, power), p), quantize(small, of_small))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize(("largest", "dtype"), [(1e38, np.float32), (1.7e308, np.float64)])
def test_large_numbers(name, scheme, largest, dtype):
    shape = np.random.default_rng(0).uniform(-1, 1, 10_000)
    x = (shape * largest).astype(dtype)
    fake = fake_quantize(x, calibrate(x, name, INT8, scheme))
    assert np.isfinite(fake).all()
    if name != "entropy":  # which may clip much of a uniform tensor
        assert 45 < sqnr_db(x, fake) < 49  # 8 bits of a uniform signal have 48 dB; it is neither squared nor summed
        assert cosine(x, fake) == pytest.approx(1.0, abs=1e-4)  # -45 dB of noise


def test_a_squared_error_beyond_float64_is_infinite():
    x = np.array([1.7e308, -1.7e308])
    assert mse(x, -x) == np.inf
    parts = error_parts(x, QParams(1.0, 0))
    assert parts.clipping == parts.total == np.inf and parts.rounding == 0.0


def test_a_level_beyond_the_largest_float_is_infinite():
    """The lowest value is 0.4 steps below zero, so that zero gets the lowest code and the highest level moves up."""
    for largest in (1.0, np.finfo(np.float64).max):
        p = choose_qparams(-0.4 / 255 * largest, largest, UINT8)
        assert p.zero_point == 0 and p.hi > largest
        assert fake_quantize(largest, p) == p.hi == p.levels[-1] == dequantize(255, p, np.float64)
    assert p.hi == np.inf


@pytest.mark.parametrize("scale", [1e300, 1e-60])
def test_a_scale_beyond_float32_needs_float64(scale):
    p = QParams(scale, 0)
    text = f"scale must fit float32, the dtype of the arithmetic: got {scale}; use float64"
    for function in (quantize, fake_quantize):
        with pytest.raises(ValueError, match=re.escape(text)):
            function(np.float32(1.0), p)
    with pytest.raises(ValueError, match=re.escape(text)):
        dequantize([1], p)
    assert fake_quantize(5 * scale, p) == dequantize(quantize(5 * scale, p), p, np.float64) == 5 * scale


@each(CODES)
def test_0d(function):
    got = function(np.float32(1.1), P)
    assert got.shape == () and got == (5 if function is quantize else 1.0)
    assert dequantize(np.int64(5), P).shape == ()


@each(DECIDERS)
def test_0d_decides_as_one_value(function):
    function(2.5, P)


@pytest.mark.parametrize("granularity", [PerChannel(0), PerGroup(-1, 1)])
def test_0d_has_no_axis(granularity):
    with pytest.raises(ValueError, match="needs an array with at least one axis: got a 0-d value; use PerTensor"):
        quantize(1.0, QParams(1.0, 0, INT8, granularity))
    with pytest.raises(ValueError, match="needs an array with at least one axis: got a 0-d value; use PerTensor"):
        calibrate(1.0, granularity=granularity)


@pytest.mark.parametrize("granularity", [PerChannel(3), PerGroup(3, 1), PerGroup(0, 4)])
def test_what_does_not_fit_the_shape_is_refused_everywhere(granularity):
    x = np.ones((6, 2, 2))
    for function in (quantize, fake_quantize, error_parts):
        with pytest.raises(ValueError, match=r"axis must be from|must divide axis"):
            function(x, QParams(1.0, 0, INT8, granularity))
    for function in (value_range, observe):
        with pytest.raises(ValueError, match=r"axis must be from|must divide axis"):
            function(x, granularity)


def views(x):
    """Return the same numbers in other memory."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    locked = x.copy()
    locked.flags.writeable = False
    backwards = x[::-1, ::-1].copy()[::-1, ::-1]
    return {"Fortran": np.asfortranarray(x), "strided": wide[:, ::2], "backwards": backwards, "read-only": locked}


@pytest.mark.parametrize("granularity", [None, PerChannel(0), PerChannel(1), PerGroup(0, 3), PerGroup(1, 2)], ids=str)
def test_memory_order_and_locks_do_not_show(granularity):
    x = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    options = {} if granularity is None else {"granularity": granularity}
    p = calibrate(x, "percentile", **options)
    for view in views(x).values():
        assert calibrate(view, "percentile", **options) == p
        np.testing.assert_array_equal(quantize(view, p), quantize(x, p))
        np.testing.assert_array_equal(fake_quantize(view, p), fake_quantize(x, p))
        assert error_parts(view, p) == error_parts(x, p)


@each(EVERY)
def test_no_function_writes_to_its_input(function):
    x = np.random.default_rng(0).uniform(0, 1, 100_000).astype(np.float32)
    before = x.copy()
    result = function(x, P)
    np.testing.assert_array_equal(x, before)
    assert not (isinstance(result, np.ndarray) and np.shares_memory(result, x))


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
@pytest.mark.parametrize("kind", ["meta", "nested"])
def test_tensors_without_one_dense_array_are_refused_with_advice_that_fits(kind):
    torch = pytest.importorskip("torch")
    x = torch.ones(3, device="meta") if kind == "meta" else torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    with pytest.raises(TypeError, match=r"x must be an array of real numbers: .*; pass a dense tensor with values"):
        calibrate(x)
