"""A thousand random settings of every explorer, the first half.

Two files, because the suite gives each file to one process.
"""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from qviz.widgets import QuantizeExplorer


def test_random_states(explorer_type, sweep):
    sweep(explorer_type, states=500, seed=1)


def test_explorers_do_without_pyplot():
    program = (
        "import sys, qviz.widgets as w\n"
        "for name in w.__all__:\n"
        "    if name != 'Explorer':\n"
        "        explorer = getattr(w, name)()\n"
        "        explorer.bits = 3\n"
        "        explorer.close()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


class Leaking(QuantizeExplorer):
    """An explorer with a new figure and a copy of its picture at each move."""

    kept: list = []  # noqa: RUF012

    def compute(self, state):
        self.kept.append((Figure(), np.ones(20_000)))
        return super().compute(state)


class Failing(QuantizeExplorer):
    """An explorer that cannot do 5 bits."""

    def compute(self, state):
        if state.bits == 5:
            raise ValueError("five is too many")
        return super().compute(state)


@pytest.mark.parametrize("kind", [Leaking, Failing])
def test_the_sweep_can_fail(kind, sweep):
    with pytest.raises(AssertionError):
        sweep(kind, states=40, seed=0)
    Leaking.kept.clear()
