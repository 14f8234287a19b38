"""Trainings done beforehand, so that a page which compares sixteen of them need not wait half a minute.

`tools/make_trainings.py` writes the file; a test trains some of them anew, and a page compares one that it
trains itself.
"""

from dataclasses import astuple, dataclass, replace
from functools import cache

import numpy as np

from qviz.data._files import load_shipped

from .. import digits_model
from ..qat import train_qat
from ..qat_config import QATConfig
from .qat_lab import QATLab, QATResult

FILE = "trainings.npz"
FORMATS = ((8, 8), (4, 8), (4, 4), (3, 4), (2, 4))
SEEDS = (0, 1, 2)
CONTROL = QATConfig(2, 4)  # what a training without rounding is compared with
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


@dataclass(frozen=True)
class Control:
    """What as many epochs without rounding come to: accuracies on the test images, 0 to 1.

    Attributes
    ----------
    float_accuracy : float: of the float network, trained for as long as `CONTROL` says
    rounded_accuracy : float: of that network, rounded to the bits of `CONTROL` afterwards
    """

    float_accuracy: float
    rounded_accuracy: float


def control(again: bool = False) -> Control:
    """Return what training without rounding, and rounding afterwards, comes to: the stored result, or a new one.

    Parameters
    ----------
    again : bool
        Train once more, which takes some seconds, instead of reading the file.

    Examples
    --------
    >>> done = control()
    >>> done.float_accuracy > 0.98, done.rounded_accuracy < 0.7
    (True, True)
    """
    if not again:
        return Control(*map(float, load_shipped(FILE)["control"]))
    network = digits_model.digits_cnn()
    digits_model.train(network, epochs=CONTROL.epochs, lr=CONTROL.lr, seed=CONTROL.seed)
    rounded = train_qat(network, replace(CONTROL, epochs=0)).history[0].accuracy
    return Control(digits_model.accuracy(network, *digits_model.digits_tensors()[2:]), rounded)


def packed(results, without_rounding: Control) -> dict[str, np.ndarray]:
    """Return what the file holds of results, in the order of `settings`, and of the control."""
    columns = {name: np.array([getattr(result, name) for result in results]) for name in _ARRAYS}
    return {**columns, "weights": np.int64(results[0].weights), "control": np.array(astuple(without_rounding))}


def _result(config: QATConfig, row: int, columns: dict) -> QATResult:
    """Return one row of the file."""
    curves = {name: columns[name][row] for name in _ARRAYS[:3]}
    figures = {name: float(columns[name][row]) for name in _ARRAYS[3:]}
    return QATResult(config, **curves, **figures, weights=int(columns["weights"]), engine="stored", complete=True)
