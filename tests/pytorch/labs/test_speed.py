"""How speed is measured: what runs, how often, with how many threads; never how fast."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import engines
from qviz.pytorch.labs import speed
from qviz.pytorch.measure import layer_names

needs_engine = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models here")


def test_a_stack_is_its_linear_layers():
    stack = speed.Stack((8, 6, 4))
    x = torch.randn(5, 8)
    first, second = (m for m in stack.steps if isinstance(m, torch.nn.Linear))
    assert torch.equal(stack(x), second(first(x)))
    assert torch.equal(stack(x), speed.Stack((8, 6, 4), between=True)(x))  # stubs do nothing yet
    assert not torch.equal(stack(x), speed.Stack((8, 6, 4), seed=1)(x))


def test_a_stack_leaves_the_random_state():
    before = torch.get_rng_state()
    speed.Stack((8, 4))
    assert torch.equal(before, torch.get_rng_state())


@needs_engine
@pytest.mark.parametrize(("between", "conversions"), [(False, 1), (True, 3)])
def test_int8_converts_once_or_around_every_layer(between, conversions):
    x = torch.randn(64, 16)
    stack = speed.Stack((16, 16, 16, 16), between).eval()
    integer = speed.quantized(stack, x)
    kinds = [type(step).__name__ for step in integer.steps]
    assert (kinds.count("Quantize"), kinds.count("DeQuantize"), kinds.count("Linear")) == (conversions, conversions, 3)
    assert len(layer_names(integer)) == 3
    with torch.inference_mode():
        real, rounded = stack(x).numpy(), integer(x).numpy()
    assert np.abs(rounded - real).max() < 0.05 * np.abs(real).max()  # three roundings of 8 bits: some per cent


@pytest.fixture
def recorded(monkeypatch):
    """Let nothing be timed: note what would be, and with how many threads."""
    calls = []

    def latency(model, x, *, repeats, threads=1):
        calls.append(
            (any("quantized" in type(m).__module__ for m in model.modules()), tuple(x.shape), repeats, threads)
        )
        return speed.Latency(1.0, 0.0, len(x), threads, repeats)

    monkeypatch.setattr(speed, "latency", latency)
    monkeypatch.setattr(speed, "copy_bandwidth", lambda: 10.0)
    return calls


@needs_engine
def test_every_case_is_timed_as_float_and_as_int8_with_one_thread(recorded):
    cases = list(speed.SpeedLab(repeats=7)(2, False))
    pairs = [(width, batch) for width in (16, 64, 256, 1024) for batch in (1, 16, 256)]
    assert [(case.width, case.batch) for case in cases] == pairs
    assert recorded == [(kind, (b, w), 7, 1) for w, b in pairs for kind in (False, True)]


@needs_engine
def test_the_ceilings_are_measured_once_and_the_calls_for_each_stack(recorded):
    lab = speed.SpeedLab()
    machine = lab.machine(3, False)
    operations = 2 * 1024 * 1024 * 256
    assert machine.real.peak == machine.integer.peak == operations / 1.0 / 1e6
    assert (machine.real.bandwidth, machine.real.call_ms) == (10.0, 1.0)
    assert machine.engine == engines.preferred()
    lab.machine(1, True)
    assert [shape for _, shape, _, _ in recorded] == [(256, 1024)] * 2 + [(1, 4)] * 4


@needs_engine
def test_the_digits_network_is_timed_in_float_and_in_int8(recorded):
    found = speed.DigitsSpeed(repeats=7)()
    assert recorded == [(kind, (32, 1, 8, 8), 7, 1) for kind in (False, True)]
    assert (found.real.repeats, found.engine) == (7, engines.preferred())


def test_without_kernels_nothing_is_timed(recorded, monkeypatch):
    """A simulated network runs in float32: its time is not that of int8."""
    monkeypatch.setattr(engines, "preferred", lambda: None)
    with pytest.raises(OSError, match="this build of torch has no kernels for integers on this machine"):
        speed.DigitsSpeed()()
    assert recorded == []


def test_threads_are_put_back():
    before = torch.get_num_threads()
    next(speed.SpeedLab(repeats=1)(1, False))
    assert torch.get_num_threads() == before
