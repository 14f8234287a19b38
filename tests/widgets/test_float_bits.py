import pytest

from qviz.plots.float_bits import formula
from qviz.widgets import FloatBitsExplorer
from qviz.widgets.float_bits import FORMATS, State, compute


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = FloatBitsExplorer()
    yield explorer
    explorer.close()


def bits_of(code):
    return {f"bit{i}": bool(code >> i & 1) for i in range(8)}


@pytest.mark.parametrize("name", FORMATS)
def test_bits_make_the_code(name):
    fmt = FORMATS[name]
    for code in range(2**fmt.bits):
        result = compute(State(format=name, **bits_of(code)))
        assert result.code == code and repr(result.fields) == repr(fmt.fields(code))  # NaN is not equal to itself


def test_bits_that_a_format_has_not_do_nothing():
    assert compute(State(format="FP4 E2M1", **bits_of(0b1111_0101))).code == 0b0101


@pytest.mark.parametrize("name", FORMATS)
def test_the_formula_comes_to_the_value(name):
    fmt = FORMATS[name]
    for code in range(2**fmt.bits):
        kind, text = fmt.fields(code).kind, formula(fmt, code)
        if kind in ("NaN", "infinity"):
            assert text.removeprefix("-") == kind
        else:
            left, right = text.replace("^", "**").replace("x", "*").split(" = ")
            assert eval(left) == fmt.values[code] == pytest.approx(float(right), rel=1e-9)  # ten digits are shown


@pytest.mark.parametrize(
    ("format", "code", "words"),
    [
        ("FP8 E4M3", 0b0_1111_110, ("normal: ", "= 448")),
        ("FP8 E4M3", 0b0_1111_111, ("NaN: ", "NaN")),
        ("FP8 E4M3, IEEE", 0b1_1111_000, ("infinity: ", "-infinity")),
        ("FP8 E5M2", 0b0_00000_01, ("subnormal: ", "(0 + 1/4)")),
        ("FP4 E2M1", 0b1_00_0, ("zero: ", "bits 4 to 7 are not used", "= -0")),
    ],
)
def test_readout(explorer, format, code, words):
    explorer.set(format=format, **bits_of(code))
    assert all(word in explorer.readout for word in words) and explorer.last_error is None


def test_boxes_are_those_of_the_fields(explorer):
    panel = explorer._canvas.panels["bits"]
    explorer.set(format="FP6 E3M2", **bits_of(0b0_101_10))
    assert [box.get_visible() for box in panel.boxes] == [False] * 2 + [True] * 6
    colors = [box.get_facecolor()[:3] for box in panel.boxes[2:]]
    assert len(set(colors[1:4])) == 1 and len(set(colors[4:])) == 1 and len(set(colors)) == 3
    assert "010110 in E3M2 is normal" in panel.description


def test_infinity_stands_at_the_end_and_nan_nowhere(explorer):
    line = explorer._canvas.panels["line"]
    explorer.set(format="FP8 E5M2", **bits_of(0b0_11111_00))
    assert line.mark.get_xdata()[0] == line.ax.get_xlim()[1] and line.mark.get_visible()
    explorer.bit0 = True
    assert not line.mark.get_visible()
