"""The bytes of a layer: hand-worked, and equal to what NumPy holds once everything is really packed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.networks.layer_shapes import LayerShape, StoredBytes, linear, scale_count, stored_bytes
from qviz.numerics import INT4, IntFormat, PerChannel, PerGroup, PerTensor, calibrate, quantize
from qviz.numerics.packing import pack

CONV = LayerShape("conv", (16, 8, 3, 3), 64, 512)


def test_by_hand():
    """1,152 weights of 4 bits are 576 bytes; 16 scales of 16 bits 32, 16 zero points 16, 16 biases 64."""
    assert stored_bytes(CONV, INT4, PerChannel(0), "affine") == StoredBytes(576, 32, 16, 64)
    assert stored_bytes(CONV, INT4, PerChannel(0)) == StoredBytes(576, 32, 0, 64)
    assert stored_bytes(CONV, None) == StoredBytes(4608, 0, 0, 64)
    assert stored_bytes(CONV, IntFormat(16), PerTensor(), "affine") == StoredBytes(2304, 2, 2, 64)
    assert (stored_bytes(CONV, None) + stored_bytes(CONV, INT4)).total == 4672 + 642


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.integers(2, 16),
    st.sampled_from([PerTensor(), PerChannel(0), PerChannel(1), PerGroup(1, 1)]),
    st.sampled_from(["affine", "symmetric"]),
)
def test_as_many_bytes_as_really_quantized_and_packed(shape, bits, granularity, scheme):
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    fmt = IntFormat(bits)
    p = calibrate(weights, "min-max", fmt, scheme, granularity)
    found = stored_bytes(linear("fc", shape[1], shape[0]), fmt, granularity, scheme)
    assert found.codes == pack(quantize(weights, p), fmt).nbytes
    assert found.scales == p.scale.astype(np.float16).nbytes
    zero_points = np.asarray(p.zero_point).astype(fmt.dtype)
    assert (zero_points == 0).all() if scheme == "symmetric" else found.zero_points == zero_points.nbytes
    assert found.biases == 4 * shape[0]


@pytest.mark.parametrize(("size", "expected"), [(72, 16), (36, 32), (40, 32), (71, 32), (100, 16), (1, 1152)])
def test_groups_do_not_run_over_the_end_of_an_output(size, expected):
    assert scale_count(CONV, PerGroup(1, size)) == expected


@pytest.mark.parametrize(("axis", "expected"), [(0, 16), (1, 8), (-1, 3), (-4, 16)])
def test_channels_of_any_axis_are_counted(axis, expected):
    assert scale_count(CONV, PerChannel(axis)) == expected
    w = np.random.default_rng(0).standard_normal(CONV.weight)
    assert calibrate(w, "min-max", INT4, "symmetric", PerChannel(axis)).scale.size == expected


@pytest.mark.parametrize(
    ("granularity", "text"),
    [
        (
            PerGroup(0, 4),
            r"groups must run along the inputs of an output, axis 1 or -1: got axis 0 for weights of shape",
        ),
        (PerGroup(2, 3), "axis 1 or -1: got axis 2"),
        (PerChannel(4), r"axis must be from -4 to 3 for shape \(16, 8, 3, 3\): got 4"),
    ],
)
def test_what_cannot_be_counted_is_refused(granularity, text):
    with pytest.raises(ValueError, match=text):
        stored_bytes(CONV, INT4, granularity)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="scheme must be one of 'affine', 'symmetric': got 'both'"):
        stored_bytes(CONV, INT4, scheme="both")


def test_counts_of_a_convolution():
    assert (CONV.weights, CONV.biases, CONV.outputs, CONV.multiplications) == (1152, 16, 1024, 73728)
