"""Packed codes: hand-worked bytes, the way back, and a reference that writes the bits as text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import IntFormat
from qviz.numerics.packing import pack, packed_bytes, unpack

formats = st.builds(IntFormat, st.integers(2, 16), st.booleans(), st.booleans())


@st.composite
def codes_and_format(draw):
    fmt = draw(formats)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9))
    return draw(hnp.arrays(fmt.dtype, shape, elements=st.integers(fmt.qmin, fmt.qmax))), fmt


def as_text(codes, fmt):
    """Write every code as binary digits, lowest first, cut the line into eights, and read those as bytes."""
    line = "".join(format(int(code) - fmt.qmin, f"0{fmt.bits}b")[::-1] for code in np.ravel(codes))
    return [int(line[i : i + 8][::-1], 2) for i in range(0, len(line), 8)]


@given(codes_and_format())
def test_the_way_back_and_the_bytes(case):
    codes, fmt = case
    packed = pack(codes, fmt)
    assert packed.tolist() == as_text(codes, fmt)
    assert packed.nbytes == packed_bytes(codes.size, fmt) == -(-codes.size * fmt.bits // 8)
    back = unpack(packed, fmt, codes.shape)
    assert back.dtype == fmt.dtype
    np.testing.assert_array_equal(back, codes)


def test_by_hand():
    """Three bits: codes -4, 3, 0, less -4: 0 = 000, 7 = 111, 4 = 100; the first byte is 00 111 000, the second 1."""
    assert pack([-4, 3, 0], IntFormat(3)).tolist() == [0b00_111_000, 0b1]


def test_eight_bits_are_the_codes_themselves():
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pack(codes, IntFormat(8, signed=False)), codes)


def test_a_strided_and_a_read_only_array():
    codes = np.arange(-8, 8, dtype=np.int8).reshape(4, 4).T[::2]
    codes.flags.writeable = False
    np.testing.assert_array_equal(unpack(pack(codes, IntFormat(4)), IntFormat(4), codes.shape), codes)


@pytest.mark.parametrize(
    ("codes", "error", "text"),
    [
        ([8], ValueError, "codes must hold codes of int4, from -8 to 7: got 8 to 8"),
        ([-9, 0], ValueError, "codes must hold codes of int4, from -8 to 7: got -9 to 0"),
        ([0.5], TypeError, "codes must hold integers: got dtype float64; call quantize first"),
    ],
)
def test_what_is_no_code_is_refused(codes, error, text):
    with pytest.raises(error, match=text):
        pack(codes, IntFormat(4))


@pytest.mark.parametrize(("packed", "dtype"), [([300], "int64"), ([3.7], "float64"), (b"ab", r"\|S2")])
def test_what_is_no_array_of_bytes_is_refused(packed, dtype):
    with pytest.raises(TypeError, match=f"packed must be a uint8 array, as from pack: got dtype {dtype}"):
        unpack(np.array(packed), IntFormat(4), 2)


@pytest.mark.parametrize("count", [2, 5])
def test_the_wrong_number_of_bytes_is_refused(count):
    with pytest.raises(ValueError, match=rf"packed must be {-(-count // 2)} bytes for {count} codes of int4"):
        unpack(np.zeros(2, np.uint8), IntFormat(4), count)
