import numpy as np
import pytest

from qviz.numerics import sqnr_db
from qviz.numerics.codecs import CODECS, compare_formats
from qviz.tensors import tensor
from qviz.widgets import NumberFormatsExplorer
from qviz.widgets.number_formats import GROUPS, State, chunks, compute


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = NumberFormatsExplorer()
    yield explorer
    explorer.close()


def test_every_format_is_one_step_of_the_slider():
    assert State().format == "NVFP4" and set(NumberFormatsExplorer.format.control.options) == set(CODECS)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", ["FP16", "MXFP4", "int4", "NF4 double", "k-means 2 bit", "Q4_0", "Q4_K", "ternary"])
def test_the_group_at_a_place_is_what_the_codec_made_of_it(name, group):
    x = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    found = compare_formats(x, GROUPS[group], "even", [name])
    for place, start in ((1, 0), (3, 512), (12, 2816), (60, 2816)):  # there are 12 places
        result = compute(State(format=name, group=group, rule="even", place=place), x, x.size, found)
        n = found[name].groups.shape[1]
        assert result.group == start // n and np.isin(result.values_hat, result.levels).all()
        assert np.array_equal(result.values, x[start : start + min(n, 256)])
        x_hat = found[name].codec.fake_quantize(x, None if name.startswith("Q") else GROUPS[group])
        assert np.array_equal(result.values_hat, x_hat[start : start + result.values.size])
        low, high = result.ends
        assert low <= x[start : start + 256].min() < low / 2 and high / 2 < x[start : start + 256].max() <= high


def test_a_large_tensor_is_measured_in_part():
    x = np.arange(100_000.0)
    part = chunks(x)
    assert part.size == 32_768 and part[0] == 0 and part[-1] == 99_999
    assert (np.diff(part.reshape(-1, 256), axis=1) == 1).all()
    assert np.array_equal(chunks(x[:32_768]), x[:32_768])


def test_readout_counts_the_bits(explorer):
    x = tensor("fc1 weights", n=None)
    assert explorer.readout.splitlines()[0] == (
        "fc1 weights as NVFP4, blocks of 16: 4 bits for the code + 0.501 for scales = 4.501 bits per value"
    )
    explorer.set(format="Q4_K", group="64")
    codec = CODECS["Q4_K"]
    first, second, third, _ = explorer.readout.splitlines()
    assert first.startswith("fc1 weights as Q4_K, blocks of 256, which are its own: 4 bits for the code + 0.5")
    assert f"SQNR = {sqnr_db(x, codec.fake_quantize(x)):.2f} dB" in second
    assert third.startswith("block 1 of 128: its 256 values use ")
    explorer.format = "BF16"
    assert "BF16, each value by itself: 16 bits for the code + 0 for scales" in explorer.readout


@pytest.mark.parametrize("name", CODECS)
def test_one_value_is_followed_into_its_code_and_back(name):
    """The code is the codec's own; where a product is given, it comes to the level, to the digits that are shown."""
    x = np.random.default_rng(1).standard_normal(600).astype(np.float32)
    found = compare_formats(x, names=[name])
    for place, value in ((1, 1), (1, 9), (2, 256), (3, 30)):
        result = compute(State(format=name, place=place, value=value), x, x.size, found)
        m, at = found[name], 256 * (place - 1) + result.marked
        assert result.marked == min(value, result.values.size) - 1
        codes = m.codec.encode(m.groups, m.params)
        assert result.code == codes.ravel()[at] and result.values[result.marked] == x[at]
        if result.product:
            assert eval(result.product.replace("x", "*")) == pytest.approx(m.values.ravel()[at], rel=2e-2, abs=2e-3)
    assert bool(result.product) == (not name.startswith(("FP16", "BF16", "k-means", "ternary", "binary")))


def test_the_marked_value_is_one_of_those_shown(explorer):
    explorer.set(format="Q4_K", value=200)
    explorer.format = "NVFP4"
    assert explorer.value == 16 and "value 16: " in explorer.readout
    assert explorer._canvas.panels["line"].mark.get_visible()


def test_readout_names_what_is_better(explorer):
    explorer.format = "int4"
    found = explorer.result.found
    limit = found["int4"].bits_per_value
    best = max((name for name, m in found.items() if m.bits_per_value <= limit), key=lambda name: found[name].sqnr_db)
    assert f"best format with at most {limit:.4g} bits: {best}, {found[best].sqnr_db:.2f} dB" in explorer.readout
    explorer.format = best
    assert "bits has a higher SQNR" in explorer.readout


def test_a_large_tensor_says_so(explorer):
    explorer.data = "photograph"
    assert "measured on 32,768 of 98,304 values" in explorer.readout


def test_formats_are_measured_once_for_a_tensor_and_its_groups(explorer, monkeypatch):
    from qviz.widgets import number_formats

    calls = []
    monkeypatch.setattr(
        number_formats, "compare_formats", lambda *args: calls.append(args) or compare_formats(*args, names=["int4"])
    )
    explorer.set(format="int4", data="digits")
    explorer.place = 5
    assert len(calls) == 1
    explorer.rule = "ceil"
    assert len(calls) == 2


@pytest.mark.parametrize(
    "x",
    [np.zeros(300), np.ones(5), np.array([2.0]), np.full(70, 1e-40), np.linspace(-1e37, 1e37, 600), np.arange(4.0)],
    ids=["zeros", "constant", "one value", "subnormal", "large", "whole numbers"],
)
def test_hard_tensors(explorer, x):
    explorer.data = x
    for name in ("FP16", "NVFP4", "k-means 4 bit", "Q2_K", "ternary"):
        for group in ("as the format says", "whole tensor"):
            explorer.set(format=name, group=group, place=64)
            assert explorer.last_error is None


def test_the_pictures_words_say_the_same(explorer):
    explorer.format = "MXFP4"
    words = explorer._canvas.description
    assert "MXFP4 has 4.25 bits per value" in words and "levels used by 32 values" in words and "are exact" in words
