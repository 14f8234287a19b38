"""Random settings of every explorer, the second half: of these the memory is traced too, once the caches are full."""

import os


def test_random_states(explorer_type, sweep):
    sweep(explorer_type, states=int(os.environ.get("QVIZ_STATES", 500)), seed=2, trace=True)
