"""Validate the weights and layer inputs that the methods take."""

import numpy as np

from qviz.numerics import _check

LARGEST = 1e37  # largest magnitude accepted: sums of products of larger values may overflow


def weight_of(weight, name: str = "weight") -> np.ndarray:
    """Return weights (out, in, ...) as float32 or float64, finite and with at least one value."""
    w = _check.finite(_check.as_float(weight, name), name)
    if w.ndim < 2 or not w.size:
        raise ValueError(f"{name} must be (outputs, inputs, ...), with at least one value: got shape {w.shape}")
    return _not_huge(w, name)


def vector_of(values, length: int, name: str, what: str) -> np.ndarray:
    """Return (length,) finite values, one for each `what`, such as "output of weight"."""
    values = _check.finite(_check.as_float(values, name), name)
    if values.shape != (length,):
        raise ValueError(f"{name} must hold one value for each {what}, shape ({length},): got shape {values.shape}")
    return _not_huge(values, name)


def matrix_of(weight: np.ndarray) -> np.ndarray:
    """Return weights (out, in, ...) as float64 (out, k), one row for each output."""
    return weight.reshape(len(weight), -1).astype(np.float64)


def inputs_of(inputs, k: int, name: str = "inputs") -> np.ndarray:
    """Return inputs (samples, k) as float64, divided by their largest magnitude.

    No method here depends on the scale of the inputs, and normalized values cannot overflow when squared and summed.
    """
    x = _check.finite(_check.as_float(inputs, name), name)
    if x.ndim != 2 or x.shape[1] != k or not len(x):
        raise ValueError(
            f"{name} must be (samples, {k}), what a row of the weight is multiplied with: got shape {x.shape}"
        )
    x = x.astype(np.float64)
    return x / (np.abs(x).max() or 1.0)


def gram(inputs, k: int, name: str = "inputs") -> np.ndarray:
    """Return the mean of x x^T over samples, (k, k), up to a constant factor: half the Hessian of the squared error."""
    x = inputs_of(inputs, k, name)
    with np.errstate(under="ignore"):
        return x.T @ x / len(x)


def _not_huge(values: np.ndarray, name: str) -> np.ndarray:
    if np.abs(values).max(initial=0.0) > LARGEST:
        raise ValueError(f"{name} must hold no value beyond {LARGEST:.0e}: got {np.abs(values).max():.3g}; divide it")
    return values
