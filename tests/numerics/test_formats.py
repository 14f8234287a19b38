import numpy as np
import pytest

from qviz.numerics import INT2, INT3, INT4, INT8, INT16, UINT2, UINT3, UINT4, UINT8, UINT16, IntFormat

# Written out by hand, so that the test does not repeat the formula: bits, unsigned top, signed bottom and top.
BY_HAND = [
    (2, 3, -2, 1), (3, 7, -4, 3), (4, 15, -8, 7), (5, 31, -16, 15), (6, 63, -32, 31), (7, 127, -64, 63),
    (8, 255, -128, 127), (9, 511, -256, 255), (10, 1023, -512, 511), (11, 2047, -1024, 1023),
    (12, 4095, -2048, 2047), (13, 8191, -4096, 4095), (14, 16383, -8192, 8191), (15, 32767, -16384, 16383),
    (16, 65535, -32768, 32767),
]  # fmt: skip


@pytest.mark.parametrize(("bits", "top", "low", "high"), BY_HAND)
def test_codes(bits, top, low, high):
    for narrow in (False, True):
        unsigned, signed = (IntFormat(bits, sign, narrow) for sign in (False, True))
        assert (unsigned.qmin, unsigned.qmax, unsigned.levels) == (narrow, top, top + 1 - narrow)
        assert (signed.qmin, signed.qmax, signed.levels) == (low + narrow, high, top + 1 - narrow)


def test_narrow_signed_is_symmetric():
    for bits in range(2, 17):
        narrow = IntFormat(bits, narrow=True)
        assert narrow.qmin == -narrow.qmax


@pytest.mark.parametrize("bits", range(2, 17))
def test_dtype_is_the_smallest_that_holds_all_codes(bits):
    for signed in (True, False):
        f = IntFormat(bits, signed)
        sizes = [np.dtype(f"{'' if signed else 'u'}int{size}") for size in (8, 16, 32)]
        fits = [d for d in sizes if np.iinfo(d).min <= f.qmin and f.qmax <= np.iinfo(d).max]
        assert f.dtype == fits[0]


def test_same_as_torch():
    torch = pytest.importorskip("torch")
    for ours, theirs in ((INT8, torch.qint8), (UINT8, torch.quint8)):
        info = torch.iinfo(theirs)
        assert (ours.qmin, ours.qmax) == (info.min, info.max)


def test_names():
    assert [str(f) for f in (INT2, INT3, INT4, INT8, INT16)] == ["int2", "int3", "int4", "int8", "int16"]
    assert [str(f) for f in (UINT2, UINT3, UINT4, UINT8, UINT16)] == ["uint2", "uint3", "uint4", "uint8", "uint16"]
    assert str(IntFormat(8, narrow=True)) == "int8 narrow"


def test_numpy_numbers_are_taken_and_become_plain():
    f = IntFormat(np.int64(4), np.bool_(True))
    assert f == INT4 and hash(f) == hash(INT4)
    assert type(f.bits) is int and type(f.signed) is bool and type(f.qmin) is int


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((1,), ValueError, "bits must be from 2 to 16: got 1"),
        ((17,), ValueError, "bits must be from 2 to 16: got 17"),
        ((8.0,), TypeError, "bits must be a whole number from 2 to 16: got 8.0"),
        ((True,), TypeError, "bits must be a whole number from 2 to 16: got True"),
        (("8",), TypeError, "bits must be a whole number from 2 to 16: got '8'"),
        ((8, 0), TypeError, "signed must be True or False: got 0"),
        ((8, True, "yes"), TypeError, "narrow must be True or False: got 'yes'"),
    ],
)
def test_refusals(arguments, error, text):
    with pytest.raises(error) as caught:
        IntFormat(*arguments)
    assert str(caught.value) == text
