"""What a check does with any answer: it never stops a notebook, changes nothing, and says one sentence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.lessons import check, checks
from qviz.lessons.answers import names_of, numbers_of, refuse_unchanged, result_of
from qviz.lessons.exercises import Hint, NotAttempted, exercise, numbers

ODD = [
    "", "text", [], {}, [[1, 2], [3]], object(), float("nan"), np.nan * np.ones(3), float("inf"), 1j, b"", True,
    np.array("a"), lambda: 1, lambda *_: 1, lambda *_: "x", lambda *_: 1 / 0, print, int, range(5), 10**400, {1, 2},
]  # fmt: skip


@pytest.mark.parametrize("number", numbers())
def test_an_odd_answer_gets_a_sentence(number):
    for odd in ODD:
        verdict = check(number, odd)
        assert not verdict
        assert verdict.state == "not attempted yet" or verdict.words.endswith((".", "?"))
        assert "Traceback" not in repr(verdict) and "\n" not in repr(verdict)


@pytest.mark.parametrize("number", numbers())
@settings(deadline=None)  # the machine may be shared
@given(answer=st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.lists(st.floats(), max_size=6)))
def test_no_answer_stops_a_notebook(number, answer):
    assert check(number, answer).state in ("right", "not yet", "not attempted yet")


@pytest.mark.parametrize("number", numbers())
def test_nothing_is_no_answer(number):
    for nothing in (None, ...):
        verdict = check(number, nothing)
        assert (verdict.state, bool(verdict), verdict.words) == ("not attempted yet", False, "")


def test_a_function_that_returns_nothing_is_no_answer():
    assert check("scale_and_zero_point.5", lambda lo, hi, qmin, qmax: None).state == "not attempted yet"


def test_an_unknown_number_is_told():
    with pytest.raises(ValueError, match=r"number must be one of benefits_and_trade_offs\.1, .*: got '99\.9'"):
        check("99.9", 1)


def test_a_number_is_given_once():
    with pytest.raises(ValueError, match=r"number must be new: 'calibration\.1' is taken"):
        exercise(1, "")(checks.calibration.best_percentile)


def test_the_answer_is_not_changed():
    codes = np.array([-3, -1, 0, 1, 3])
    assert check("what_is_quantization.1", codes)
    assert codes.tolist() == [-3, -1, 0, 1, 3]


def test_html_says_the_same_and_is_escaped():
    verdict = check("scale_and_zero_point.1", "<b>")
    assert "&lt;b&gt;" in verdict._repr_html_() and "<b>" not in verdict._repr_html_()
    assert (
        check("scale_and_zero_point.2", (4 / 15, 8)).state in check("scale_and_zero_point.2", (4 / 15, 8))._repr_html_()
    )


def test_the_readers_function_gets_copies():
    x = np.zeros(3)

    def spoil(a):
        a[:] = 1
        return a.sum()

    assert result_of(spoil, x) == 3
    assert not x.any()


def test_what_the_readers_function_raises_is_told():
    with pytest.raises(Hint, match=r"For 3 the function raises ZeroDivisionError: division by zero\."):
        result_of(lambda x: x / 0, 3)
    with pytest.raises(Hint, match="must be a function: got 3"):
        result_of(3, 1)
    with pytest.raises(NotAttempted):
        result_of(lambda x: (_ for _ in ()).throw(NotImplementedError), 3)


def test_unchanged_means_the_same_on_every_case():
    cases = [(1,), (2,)]
    with pytest.raises(NotAttempted):
        refuse_unchanged(lambda y: np.float64(y), lambda x: np.float64(x), cases)
    refuse_unchanged(lambda x: x if x == 1 else 0, lambda x: x, cases)
    for attempt in (lambda x: x / 1, float):
        with pytest.raises(Hint, match="changes nothing yet"):
            refuse_unchanged(attempt, lambda x: np.float64(x), cases)
    with pytest.raises(Hint, match="changes nothing yet"):
        refuse_unchanged(lambda x: x / 0, lambda x: [][x], cases)  # both fail


def test_a_function_that_returns_nothing_is_told_so():
    with pytest.raises(NotAttempted):
        result_of(lambda x: None, 1)
    for attempt in (lambda x: print(end=""), [].append):
        with pytest.raises(Hint, match="does it end with a return"):
            result_of(attempt, 1)


def test_reading_answers():
    with pytest.raises(Hint, match=r"must be two numbers: got 3 numbers\."):
        numbers_of([1, 2, 3], 2, "two numbers")
    with pytest.raises(Hint, match="one of them is not finite"):
        numbers_of([1, np.inf], 2, "two numbers")
    with pytest.raises(NotAttempted):
        names_of([], "ab", "names")
    with pytest.raises(Hint, match="'c' is not among a, b"):
        names_of("c", "ab", "names")
    with pytest.raises(Hint, match=r"in a list, such as \['a', 'b'\]: got 3"):
        names_of(3, "ab", "names")
