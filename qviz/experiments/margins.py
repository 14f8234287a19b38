"""Why a network keeps its answers under quantization, and when it loses them: margins against noise."""

import numpy as np

from qviz.numerics import _check


def answer_margins(logits) -> np.ndarray:
    """Return by how much the largest logit of each input exceeds the second largest.

    An answer changes only when an error of the logits is larger than its margin.

    Parameters
    ----------
    logits : (n, classes) real array, at least two classes

    Returns
    -------
    (n,) float64 array, in the units of the logits, at least 0

    Raises
    ------
    TypeError
        A logit is not a real number.
    ValueError
        Not two axes, fewer than two classes, or a NaN or infinity.

    Examples
    --------
    >>> answer_margins([[1.0, 4.0, 2.5], [7.0, 7.0, 0.0]])
    array([1.5, 0. ])
    """
    ordered = np.sort(_logits(logits), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def right_under_noise(logits, labels, rms: float, repeats: int = 100) -> float:
    """Return the share of right answers when random noise is added to the logits.

    The noise is normal and independent for each logit. It says what an error of this size costs if it has nothing to
    do with the input; the error of a quantized network may be better or worse than that.

    Parameters
    ----------
    logits : (n, classes) real array
    labels : (n,) integers, 0 to classes - 1
    rms : float
        Root mean square of the noise, at least 0, in the units of the logits.
    repeats : int
        Draws of the noise, from a seeded generator, that are averaged.

    Returns
    -------
    float, 0 to 1

    Raises
    ------
    TypeError, ValueError
        As for `answer_margins`; labels that are no whole numbers or not one for each row; a negative `rms`.

    Examples
    --------
    >>> right_under_noise([[1.0, 4.0], [3.0, 0.0]], [1, 1], rms=0.0)
    0.5
    """
    logits = _logits(logits)
    labels = _check.as_array(labels, "labels")
    if labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be {len(logits)} whole numbers, one for each row of logits: "
            f"got shape {labels.shape}, dtype {labels.dtype}"
        )
    if not 0 <= _check.real_number(rms, "rms") < np.inf:
        raise ValueError(f"rms must be at least 0 and finite: got {rms}")
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(_check.whole_number(repeats, "repeats", 1)):
        noisy = logits + rms * rng.standard_normal(logits.shape)
        right += int((noisy.argmax(axis=1) == labels).sum())
    return right / (repeats * len(logits))


def _logits(logits) -> np.ndarray:
    """Return (n, classes) finite logits in float64."""
    logits = _check.finite(_check.as_float(logits, "logits"), "logits").astype(np.float64)
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise ValueError(
            f"logits must have shape (n, classes), with at least one row and two classes: got {logits.shape}"
        )
    return logits
