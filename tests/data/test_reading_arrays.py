"""read_array on what is already in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.data import read_array

NUMBERS = st.one_of(hnp.integer_dtypes(endianness="?"), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes())


@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_back_equal_in_native_order(array):
    out = read_array(array)
    np.testing.assert_array_equal(out, array)
    assert out.dtype == array.dtype.newbyteorder("=")
    assert out.dtype.isnative
    assert out.flags.writeable


def test_result_is_a_copy():
    mine = np.zeros(3)
    theirs = read_array(mine)
    theirs[:] = 1
    assert not mine.any()


def test_lists_scalars_and_views():
    assert read_array([[1, 2.5]]).tolist() == [[1, 2.5]]
    assert read_array(7).shape == ()
    assert read_array(np.arange(6).reshape(2, 3).T[::-1]).tolist() == [[2, 5], [1, 4], [0, 3]]


def test_torch_tensors(reference):
    torch = reference("torch")
    values = torch.tensor([[1.5, -2.0], [0.0, 3.25]], requires_grad=True)
    assert read_array(values).tolist() == [[1.5, -2.0], [0.0, 3.25]]
    assert read_array(values.half()).dtype == np.float16
    out = read_array(values.bfloat16())
    assert out.dtype == np.float32
    assert out.tolist() == [[1.5, -2.0], [0.0, 3.25]]
    assert read_array(torch.arange(3, dtype=torch.int8)).dtype == np.int8


def test_torch_tensors_that_numpy_cannot_hold(reference):
    torch = reference("torch")
    values = torch.tensor([[1.5, 0.0], [0.0, -2.0]])  # float8 holds each of them
    for tensor in (values.to(torch.float8_e4m3fn), values.to(torch.float8_e5m2), values.to_sparse()):
        out = read_array(tensor)
        assert out.dtype == np.float32 and out.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (np.array([1, None]), r"got dtype object; .*astype\('float32'\)"),
        (np.array([1j]), r"got dtype complex128; take .real, .imag or abs\(\)"),
        (np.array([True]), r"got dtype bool; convert with .astype\('uint8'\)"),
        (np.array(["a"]), "must hold real numbers .* got dtype <U1"),
        (np.array(["2020-01-01"], "datetime64[D]"), "got dtype datetime64"),
        (np.zeros(2, [("a", "f4"), ("b", "f4")]), r"take one field, such as x\['a'\]"),
        (np.ma.array([1, 2], mask=[0, 1]), "must not be a masked array"),
        ({"a": np.zeros(2)}, r"got a dict of arrays; pass source\[name\]"),
        (b"\x00\x01", "got bytes; try np.frombuffer"),
        ([[1, 2], [3]], "source must be an array of real numbers: setting .*; check that its rows are equally long"),
        (None, "source must be an array of real numbers: got None; pass an array, a list or a tensor"),
        ((i for i in range(3)), "got a generator; pass an array"),
    ],
)
def test_what_is_not_numbers_is_refused(source, text):
    with pytest.raises(TypeError, match=text):
        read_array(source)


def test_an_open_file_is_refused_and_left_usable(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(2))
    with path.open("rb") as stream:
        with pytest.raises(TypeError, match="got a BufferedReader"):
            read_array(stream)
        assert stream.read(6) == b"\x93NUMPY"


def test_size_is_limited():
    assert read_array(np.zeros(10, np.uint8), max_bytes=10).shape == (10,)
    with pytest.raises(ValueError, match="at most max_bytes = 9 bytes: it takes 10; pass a part of it, or raise"):
        read_array(np.zeros(10, np.uint8), max_bytes=9)


def test_a_key_needs_a_file():
    with pytest.raises(ValueError, match=r"key is only for .npz and .safetensors files: got 'a' with an array"):
        read_array([1], "a")


@pytest.mark.parametrize("limit", [-1, 1.5, None, True])
def test_max_bytes_must_be_a_whole_number(limit):
    with pytest.raises((TypeError, ValueError), match=r"max_bytes must be (a whole number of )?at least 0: got"):
        read_array([1], max_bytes=limit)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_small_floats_of_other_libraries_become_float32(name, reference):
    values = [0.0, -1.5, 3.5, 0.0625]
    for made in (
        reference("torch").tensor(values).to(getattr(reference("torch"), name)),
        np.array(values, getattr(reference("ml_dtypes"), name)),
    ):
        out = read_array(made)
        assert out.dtype == np.float32 and out.tolist() == values
