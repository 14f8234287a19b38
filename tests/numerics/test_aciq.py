import re

import numpy as np
import pytest

from qviz.numerics import ACIQ, INT4, INT8, UINT4, IntFormat, choose_qparams, fake_quantize, mse, observe

# Banner et al. 2019, section 3, gives 2 to 4 bits; the authors' code has the rest. Both cut off after two decimals.
LAPLACE = {1: 1.86, 2: 2.83, 3: 3.89, 4: 5.03, 5: 6.2, 6: 7.41, 7: 8.64, 8: 9.89}
GAUSSIAN = {1: 1.24, 2: 1.71, 3: 2.15, 4: 2.55, 5: 2.93, 6: 3.28, 7: 3.61, 8: 3.92}
TABLES = [("laplace", bits, a) for bits, a in LAPLACE.items()] + [("gaussian", bits, a) for bits, a in GAUSSIAN.items()]
N = 400_000


@pytest.mark.parametrize(("distribution", "bits", "table"), TABLES)
def test_as_published(distribution, bits, table):
    # 0.01: two decimals, cut off rather than rounded (3.897 is 3.89, and 5.029 is 5.03)
    assert ACIQ.multiple(distribution, bits) == pytest.approx(table, abs=0.0101)


@pytest.mark.parametrize("bits", range(1, 17))
def test_minimises_the_paper_s_expected_error(bits):
    """Equations 8 and 10, minimised by scipy rather than by their derivative."""
    optimize, special = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.special")
    rounding = 1 / (3 * 4.0**bits)

    def laplace(a):
        return 2 * np.exp(-a) + a * a * rounding

    def gaussian(a):
        return (a * a + 1) * special.erfc(a / 2**0.5) + a * a * rounding - (2 / np.pi) ** 0.5 * a * np.exp(-a * a / 2)

    for distribution, error in (("laplace", laplace), ("gaussian", gaussian)):
        found = optimize.minimize_scalar(error, bounds=(0.1, 25), method="bounded", options={"xatol": 1e-9}).x
        # The valley is flat: float64 tells errors apart only to the root of its precision. Worse for small errors.
        assert ACIQ.multiple(distribution, bits) == pytest.approx(found, rel=1e-4)


def draw(distribution, seed=0):
    rng = np.random.default_rng(seed)
    return rng.laplace(size=N) if distribution == "laplace" else rng.standard_normal(N)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize(("distribution", "spread"), [("laplace", 1.0), ("gaussian", 1.0)])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_range_from_data(distribution, spread, scale, bits):
    h = observe(draw(distribution) * scale)[0]
    expected = ACIQ.multiple(distribution, bits) * spread * scale
    for name in (distribution, "auto"):
        for scheme in ("affine", "symmetric"):
            lo, hi = ACIQ(name).choose_range(h, IntFormat(bits), scheme)
            # 400,000 samples: mean and spread are known to some 0.3 percent, and to a bin
            assert (-lo, hi) == pytest.approx((expected, expected), rel=0.01)


def test_shifted_data_moves_the_range():
    h = observe(draw("gaussian") + 10.0)[0]
    a = ACIQ.multiple("gaussian", 4)
    x = observe(draw("gaussian") * 2 + 1.0)[0]
    assert ACIQ("gaussian").choose_range(x, INT4) == pytest.approx((1 - 2 * a, 1 + 2 * a), rel=0.01)  # as above
    # Without values below zero: from the least to mean + distance, with one bit more, as in the authors' code
    assert ACIQ("gaussian").choose_range(h, INT4) == pytest.approx((h.min, 10 + ACIQ.multiple("gaussian", 5)), rel=0.01)
    # Symmetric has no bit more: its codes below zero are lost
    assert ACIQ("gaussian").choose_range(h, INT4, "symmetric")[1] == pytest.approx(10 + a, rel=0.01)


def test_one_sided_data_is_mirrored():
    x = np.maximum(draw("laplace"), 0)
    lo, hi = ACIQ("laplace").choose_range(observe(x)[0], UINT4)
    low, high = ACIQ("laplace").choose_range(observe(-x)[0], UINT4)
    # b of half a Laplace with half its mass at zero, about its mean 1/2: 2 (1/2)(1/2) + 2 (1/2) e**-1/2 (...) = 0.6065
    expected = 0.5 + ACIQ.multiple("laplace", 5) * np.exp(-0.5)
    assert lo == 0.0 and high == 0.0
    assert hi == pytest.approx(expected, rel=0.01) and -low == pytest.approx(expected, rel=0.01)  # as above


@pytest.mark.parametrize("distribution", ["laplace", "gaussian"])
@pytest.mark.parametrize("bits", [3, 4])
def test_near_the_best_range_there_is(distribution, bits):
    """What it is for: of its own distribution it knows the best range without a search."""
    x, fmt = draw(distribution), IntFormat(bits)
    lo, hi = ACIQ(distribution).choose_range(observe(x)[0], fmt, "symmetric")
    best = min(
        mse(x, fake_quantize(x, choose_qparams(-t, t, fmt, "symmetric"))) for t in np.linspace(0.2, 1.5, 60) * hi
    )
    # The paper takes 2**bits steps over the range, where there are 2**bits - 2: it clips too little, which
    # costs up to a sixth at 3 bits.
    assert mse(x, fake_quantize(x, choose_qparams(lo, hi, fmt, "symmetric"))) <= 1.17 * best


def test_never_beyond_what_was_seen():
    x = np.random.default_rng(0).uniform(-1, 1, 1000)
    assert ACIQ().choose_range(observe(x)[0], INT8) == (x.min(), x.max())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ACIQ("cauchy"), ValueError, "distribution must be one of 'laplace', 'gaussian', 'auto': got 'cauchy'"),
        (lambda: ACIQ.multiple("auto", 4), ValueError, "distribution must be one of 'laplace', 'gaussian': got 'auto'"),
        (lambda: ACIQ.multiple("laplace", 0), ValueError, "bits must be from 1 to 17: got 0"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()
