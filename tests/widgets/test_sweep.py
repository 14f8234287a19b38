"""Random settings of every explorer; `start.py test --thorough` tries many more than CI has time for."""

import os
import subprocess
import sys

import ipywidgets
import numpy as np
import pytest
from matplotlib.figure import Figure

from qviz.widgets import QuantizeExplorer


def test_random_states(explorer_type, sweep):
    sweep(explorer_type, states=int(os.environ.get("QVIZ_STATES", 100)), seed=1)


def test_explorers_do_without_pyplot():
    program = (
        "import pkgutil, sys, qviz.widgets as w\n"
        "for name in w.__all__:\n"
        "    if name not in ('Explorer', 'Gallery', 'open_link'):\n"
        "        kind = getattr(w, name)\n"
        "        explorer = kind(*(pkgutil.resolve_name(name)() for name in [kind.source] if name))\n"
        "        explorer.refresh()\n"
        "        explorer.close()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


KEPT = []


class FigureLeak(QuantizeExplorer):
    """An explorer with a new figure at each move."""

    def compute(self, state):
        KEPT.append(Figure())
        return super().compute(state)


class WidgetLeak(QuantizeExplorer):
    """An explorer with a new widget at each move."""

    def compute(self, state):
        KEPT.append(ipywidgets.HTML())
        return super().compute(state)


class MemoryLeak(QuantizeExplorer):
    """An explorer that keeps as much as a PNG file at each move."""

    def compute(self, state):
        KEPT.append(np.ones(10_000, np.uint8))
        return super().compute(state)


class Failing(QuantizeExplorer):
    """An explorer that cannot do 5 bits."""

    def compute(self, state):
        if state.bits == 5:
            raise ValueError("five is too many")
        return super().compute(state)


@pytest.mark.parametrize("kind", [FigureLeak, WidgetLeak, MemoryLeak, Failing])
def test_the_sweep_can_fail(kind, sweep):
    with pytest.raises(AssertionError):
        sweep(kind, states=40, seed=0)
    for thing in KEPT:
        if isinstance(thing, ipywidgets.Widget):
            thing.close()
    KEPT.clear()
