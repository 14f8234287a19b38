"""When quantization changes a prediction: margins of the logits against noise."""

import numpy as np

from qviz.numerics import _check


def answer_margins(logits) -> np.ndarray:
    """Return the margin of each prediction: the largest logit minus the second largest.

    A prediction changes only if the errors change the difference of two logits by more than the margin.

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
        There are not two axes, there are fewer than two classes, or a logit is NaN or infinite.

    Examples
    --------
    >>> answer_margins([[1.0, 4.0, 2.5], [7.0, 7.0, 0.0]])
    array([1.5, 0. ])
    """
    ordered = np.sort(_logits(logits), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def right_under_noise(logits, labels, rms: float, repeats: int = 100) -> float:
    """Return the accuracy when random noise is added to the logits.

    The noise is normal and independent for each logit. It shows what an error of this size costs if it does not depend
    on the input; the error of a quantized network may cost more or less.

    Parameters
    ----------
    logits : (n, classes) real array
    labels : (n,) integers, 0 to classes - 1
    rms : float
        Root mean square of the noise, at least 0, in the units of the logits.
    repeats : int
        Number of noise draws to average over, from a seeded generator.

    Returns
    -------
    float, 0 to 1

    Raises
    ------
    TypeError, ValueError
        As for `answer_margins`; or the labels are not integers or not one per row; or `rms` is negative.

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
