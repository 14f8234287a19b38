"""Every explorer that qviz.widgets offers is found here, so that none escapes the sweeps."""

import functools
import gc
import pkgutil
import re
import tracemalloc

import ipywidgets
import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel
from matplotlib.figure import Figure

import qviz.data
import qviz.widgets
from qviz.widgets import Explorer
from qviz.widgets.controls import Slider, Toggle

EXPLORERS = [
    kind
    for name in qviz.widgets.__all__
    if isinstance(kind := getattr(qviz.widgets, name), type) and issubclass(kind, Explorer) and kind is not Explorer
]
EXPECTED = (  # what a reader may ask for and cannot have: one sentence each
    r"no data of your own yet\.",
    r"lo must not be above hi",
    r"group size must divide axis",
)
TOGETHER = 20  # states in a row that only sliders move: new axes take ten times as long to draw
# bytes a state: one that leaked its PNG file would cost 10 to 40 kB, one that leaked its picture 1.3 MB
LEAK = 6_000
ROUNDS = 4  # how often the last states come again while that is counted


def pytest_generate_tests(metafunc):
    if "explorer_type" in metafunc.fixturenames:
        metafunc.parametrize("explorer_type", EXPLORERS, ids=lambda kind: kind.__name__)


@pytest.fixture(scope="module", autouse=True)
def old_things_rest():
    """Keep what is there already, such as all of torch, out of every count and collection of these tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def kernel():
    """Return the client of a new kernel."""
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def shown():
    """Return a function that makes an explorer; each is closed at the end."""
    made = []

    def show(kind, **settings):
        made.append(kind(*source_of(kind), **settings))
        return made[-1]

    yield show
    for explorer in made:
        explorer.close()


@pytest.fixture
def build():
    """Return a function that makes an explorer, which is then to be closed."""
    return lambda kind, **settings: kind(*source_of(kind), **settings)


@pytest.fixture
def small_data(monkeypatch):
    """Let the named tensors be short and the test images few, where there are many pictures to paint."""
    whole = qviz.tensor
    monkeypatch.setattr(qviz.widgets.explorer, "tensor", lambda name, **options: whole(name, **{"n": 3000, **options}))
    monkeypatch.setattr(qviz.widgets.SwitchesExplorer, "MOST_IMAGES", 20)


@pytest.fixture
def extremes_of():
    """Return a function: the values of a control that a sweep must try."""
    return extremes


@pytest.fixture
def is_expected():
    """Return a function: whether an error is one that a reader may meet."""
    return expected


@pytest.fixture
def alive():
    """Return a function that counts the figures and the widgets."""
    return count_alive


@pytest.fixture
def sweep(shown, small_data):
    """Return a function that moves an explorer at random, and sees that all goes well and nothing piles up."""

    def run(kind, states, seed):
        explorer = shown(kind)
        if "data" in explorer._controls:
            explorer.set(data=np.random.default_rng(0).standard_normal((16, 128)))

        def moved(settings):
            explorer.set(**settings)
            assert explorer.last_error is None or expected(explorer.last_error), (explorer.code, explorer.last_error)

        drawn = list(random_states(explorer, states, seed))
        for settings in drawn:
            moved(settings)
        # The last states again and again: a cache holds them all by the second time, so what still grows is a leak.
        alive, memory = None, []
        for _ in range(ROUNDS):
            for settings in drawn[-TOGETHER:]:
                moved(settings)
            alive = alive or count_alive()
            assert count_alive() == alive
            if not tracemalloc.is_tracing():
                tracemalloc.start()  # what is traced takes three times as long
            memory.append(tracemalloc.get_traced_memory()[0])
        assert np.diff(memory).min() < LEAK * TOGETHER

    yield run
    tracemalloc.stop()


def source_of(kind):
    """Return what an explorer takes first: nothing, or its source, made once for all tests."""
    return [made_once(kind.source)] if kind.source and not kind.source_optional else []


@functools.cache
def made_once(name):
    return pkgutil.resolve_name(name)()


def extremes(control):
    if isinstance(control, Slider):
        return [control.low, control.high]
    return [False, True] if isinstance(control, Toggle) else list(control.options)


def random_states(explorer, states, seed):
    """Yield settings of all controls."""
    rng = np.random.default_rng(seed)
    axes = {name for name, (control, _) in explorer._controls.items() if not isinstance(control, Slider)} | {"outliers"}
    for i in range(states):
        drawn = {name: random_value(control, rng) for name, (control, _) in explorer._controls.items()}
        if i % TOGETHER == 0:
            kept = {name: value for name, value in drawn.items() if name in axes}
        yield drawn | kept


def random_value(control, rng):
    if isinstance(control, Slider):
        steps = round((control.high - control.low) / control.step)
        number = control.low + control.step * int(rng.integers(steps + 1))
        return round(number, control.digits) if control.digits else int(number)
    values = extremes(control)
    return values[int(rng.integers(len(values)))]


def expected(error):
    return isinstance(error, ValueError) and any(re.match(text, str(error)) for text in EXPECTED)


def count_alive():
    # The type is asked, not the object: some libraries leave things about that warn when they are looked at.
    gc.collect()
    return (
        sum(issubclass(type(thing), Figure) for thing in gc.get_objects()),
        len(ipywidgets.widgets.widget._instances),
    )
