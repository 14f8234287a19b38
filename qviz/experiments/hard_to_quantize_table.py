"""Every setting of the remedies, measured in advance, because adaptive rounding takes too long for an explorer.

`tools/make_remedies.py` writes the table; a test measures some of its rows again.
"""

from functools import cache
from itertools import product

import numpy as np

from qviz.data._files import load_shipped
from qviz.data.images import digits
from qviz.networks.topology import LAYERS

from .hard_to_quantize import BITS, NETWORKS, ROUNDINGS, Outcome, Remedies, measure

OFF_ON = (False, True)
FILE = "hard_to_quantize.npz"


@cache
def all_settings() -> tuple[Remedies, ...]:
    """Return all 672 settings, in the order of the table's rows.

    Examples
    --------
    >>> len(all_settings()), print(all_settings()[-1])
    scales per channel, better ranges, equalization, bias correction, GPTQ
    (672, None)
    """
    return tuple(Remedies(*choices) for choices in product(NETWORKS, BITS, *[OFF_ON] * 4, ROUNDINGS))


def looked_up(remedies: Remedies) -> Outcome:
    """Look up the result of `measure` in the table, where decibels and divergence are stored as float32.

    Examples
    --------
    >>> print(looked_up(Remedies(weight_bits=2, per_channel=True, better_ranges=True, equalized=True)))
     79.1% right (74.9% to 83.3%), logits   5.1 dB, divergence 0.5338
    """
    table, row = _table(), _rows()[remedies]
    decibels, n = table["decibels"][row].astype(np.float64), len(LAYERS)
    return Outcome(
        right=np.unpackbits(table["right"][row], count=len(digits().test)).astype(bool),
        sqnr_db=float(decibels[-1]),
        divergence=float(table["divergence"][row]),
        weights_db=decibels[:n],
        outputs_db=decibels[n:],
    )


def make_table() -> dict[str, np.ndarray]:
    """Measure every setting; this takes about ten minutes."""
    outcomes = [measure(remedies) for remedies in all_settings()]
    return {
        "right": np.packbits([outcome.right for outcome in outcomes], axis=1),
        "decibels": np.float32([np.concatenate([o.weights_db, o.outputs_db]) for o in outcomes]),
        "divergence": np.float32([outcome.divergence for outcome in outcomes]),
    }


@cache
def _table() -> dict[str, np.ndarray]:
    return load_shipped(FILE)


@cache
def _rows() -> dict[Remedies, int]:
    return {remedies: row for row, remedies in enumerate(all_settings())}
