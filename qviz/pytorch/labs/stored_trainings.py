"""Trainings done beforehand, so that a page which compares fifteen of them need not wait half a minute.

`tools/make_trainings.py` writes the file; a test trains some of them anew, and a page compares one that it
trains itself.
"""

from functools import cache

import numpy as np

from qviz.data._files import load_shipped

from ..qat_config import QATConfig
from .qat_lab import QATLab, QATResult

FILE = "trainings.npz"
FORMATS = ((8, 8), (4, 8), (4, 4), (3, 4), (2, 4))
SEEDS = (0, 1, 2)
_ARRAYS = ("losses", "accuracies", "crossings", "float_accuracy", "converted_accuracy", "agreement")


def settings() -> tuple[QATConfig, ...]:
    """Return what is stored: five formats with three seeds each, and 2 bits for both weights and activations.

    Examples
    --------
    >>> len(settings()), settings()[0].name, settings()[-1].name
    (16, 'W8A8', 'W2A2')
    """
    return (*(QATConfig(w, a, seed=seed) for w, a in FORMATS for seed in SEEDS), QATConfig(2, 2, seed=1))


@cache
def stored_trainings() -> tuple[QATResult, ...]:
    """Return the results of trainings that ship with qviz, one for each of `settings`.

    Examples
    --------
    >>> last = stored_trainings()[-1]
    >>> last.config.name, last.done, last.engine
    ('W2A2', 10, 'stored')
    """
    columns = load_shipped(FILE)
    return tuple(_result(config, row, columns) for row, config in enumerate(settings()))


def trained_anew(config: QATConfig) -> QATResult:
    """Train once more what is stored: some seconds."""
    return QATLab().train(**{name: getattr(config, name) for name in ("weight_bits", "activation_bits", "seed")})


def packed(results) -> dict[str, np.ndarray]:
    """Return what the file holds of results, in the order of `settings`."""
    columns = {name: np.array([getattr(result, name) for result in results]) for name in _ARRAYS}
    return {**columns, "weights": np.int64(results[0].weights)}


def _result(config: QATConfig, row: int, columns: dict) -> QATResult:
    """Return one row of the file."""
    curves = {name: columns[name][row] for name in _ARRAYS[:3]}
    figures = {name: float(columns[name][row]) for name in _ARRAYS[3:]}
    return QATResult(config, **curves, **figures, weights=int(columns["weights"]), engine="stored", complete=True)
