import re

import numpy as np
import pytest

from qviz.numerics import (
    INT2,
    INT4,
    INT8,
    MSE,
    SCHEMES,
    UINT4,
    IntFormat,
    calibrate,
    choose_qparams,
    error_of_ranges,
    error_parts,
    fake_quantize,
    mse,
    observe,
)


def error_of(x, qparams) -> float:
    return mse(x, fake_quantize(x, qparams))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bits", [4, 8])
def test_no_worse_than_torch(ao, x, bits, scheme):
    """torch's HistogramObserver always searches for 256 levels, so that it loses clearly at 4 bits."""
    torch = pytest.importorskip("torch")
    fmt = IntFormat(bits)
    observer = ao(
        "HistogramObserver", dtype=torch.qint8, qscheme=getattr(torch, f"per_tensor_{scheme}"),
        quant_min=fmt.qmin, quant_max=fmt.qmax,
    )  # fmt: skip
    observer(torch.from_numpy(x))
    scale, zero_point = observer.calculate_qparams()
    theirs = torch.fake_quantize_per_tensor_affine(
        torch.from_numpy(x), float(scale), int(zero_point), fmt.qmin, fmt.qmax
    ).numpy()
    assert error_of(x, calibrate(x, "mse", fmt, scheme)) <= mse(x, theirs)


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_symmetric_equals_brute_force(x, bits):
    h, fmt = observe(x)[0], IntFormat(bits)
    reach = np.abs(x).max() * np.arange(1, 1001) / 1000
    brute = sum(error_of_ranges(h, -reach, reach, fmt, "symmetric")).min()
    _, hi = MSE().choose_range(h, fmt, "symmetric")
    found = sum(error_of_ranges(h, [-hi], [hi], fmt, "symmetric"))[0]
    # Both stop at a thousandth of the reach or so; near the valley's bottom that costs less than half a percent.
    assert found <= brute * 1.005


@pytest.mark.parametrize("fmt", [INT2, INT4, INT8, UINT4], ids=str)
def test_affine_equals_brute_force(x, fmt):
    h = observe(x)[0]
    share = np.arange(1, 101) / 100
    lo, hi = (ends.ravel() for ends in np.meshgrid(share * min(h.min, 0), share * max(h.max, 0)))
    brute = sum(error_of_ranges(h, lo, hi, fmt)).min()
    found = sum(error_of_ranges(h, *np.array(MSE().choose_range(h, fmt))[:, None], fmt))[0]
    # As above; and at 2 bits the zero point jumps, so that there are many small valleys.
    assert found <= brute * (1.02 if fmt.bits == 2 else 1.01)


def test_a_far_outlier_does_not_hide_the_valley():
    """At 4 bits one value in 100,000 at 1000 sigma is worth clipping: the best range ends at 1/100 of it or so."""
    x = np.concatenate([np.random.default_rng(0).standard_normal(100_000) * 0.1, [-300.0, 1000.0]])
    for scheme in SCHEMES:
        p = calibrate(x, "mse", IntFormat(4), scheme)
        reach = np.abs(x).max() * np.geomspace(1e-4, 1, 4000)
        brute = sum(error_of_ranges(observe(x)[0], -reach, reach, INT4, "symmetric")).min()
        assert error_of(x, p) <= brute * 1.02  # the same half percent, twice that for two ends, and the model


def test_no_worse_than_min_max(x):
    for bits in range(2, 17):
        for scheme in SCHEMES:
            fmt = IntFormat(bits)
            errors = [error_of(x, calibrate(x, name, fmt, scheme)) for name in ("mse", "min-max")]
            # 20,000 values differ from the smooth curve that the histogram is taken for by some 1/sqrt(20,000). And it
            # knows a value only to its bin, which matters where steps are as narrow: beyond 10 bits.
            assert errors[0] <= errors[1] * (1.007 if bits <= 10 else 1.1)


def test_gaussian_optimum():
    """Max 1960, table 2: the best uniform quantizer of a Gaussian has these steps and errors for 4, 8 and 16 levels.

    His levels lie at half steps around zero, ours have one at zero and one more below than above, so that a few percent
    remain, fewer with more levels.
    """
    x = np.random.default_rng(0).standard_normal(400_000)
    for bits, step, distortion, slack in ((3, 0.5860, 0.03744, 0.05), (4, 0.3352, 0.01154, 0.02)):
        p = calibrate(x, "mse", IntFormat(bits), "affine")
        assert float(p.scale) == pytest.approx(step, rel=slack)
        assert error_of(x, p) == pytest.approx(distortion, rel=2 * slack)


def test_one_sided_data_keeps_its_end_at_zero():
    x = np.random.default_rng(0).exponential(size=10_000)
    for sign in (1, -1):
        lo, hi = MSE().choose_range(observe(sign * x)[0], INT4)
        assert (lo if sign > 0 else hi) == 0.0 and 0 < max(-lo, hi) < x.max()


def test_clipping_is_weighed_against_rounding(x):
    """At the optimum a little more or less range makes one part fall and the other rise."""
    h = observe(x)[0]
    _, hi = MSE().choose_range(h, INT4, "symmetric")
    wide, narrow = (error_parts(x, choose_qparams(-hi * f, hi * f, INT4, "symmetric")) for f in (1.1, 0.9))
    assert wide.clipping <= narrow.clipping
    assert wide.total > 0 and narrow.total > 0


def test_more_candidates_are_never_much_worse(x):
    h = observe(x)[0]
    errors = [sum(error_of_ranges(h, *np.array(MSE(n).choose_range(h, INT4))[:, None], INT4))[0] for n in (4, 12, 48)]
    assert max(errors[1:]) <= errors[0] * 1.005 and errors[2] <= errors[1] * 1.005  # half a percent, as above


@pytest.mark.parametrize(
    ("candidates", "error", "text"),
    [
        (3, ValueError, "candidates must be from 4 to 100: got 3"),
        (10.0, TypeError, "candidates must be a whole number from 4 to 100: got 10.0"),
    ],
)
def test_refusals(candidates, error, text):
    with pytest.raises(error, match=re.escape(text)):
        MSE(candidates)
