"""GPTQ: round one column of weights at a time, and let the columns not yet rounded compensate for the error.

Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", ICLR 2023, arXiv 2210.17323: algorithm 1.
"""

import numpy as np

from qviz.numerics import _check

from ._inputs import gram, matrix_of, weight_of
from .grid import as_grid

ORDERS = ("given", "activation")
BLOCK = 128


def gptq(weight, inputs, grid, *, order: str = "given", damping: float = 0.01, block: int = BLOCK) -> np.ndarray:
    """Round weights to their grid so that the layer's outputs stay close to those of `weight`.

    The error of a layer is the mean of |(W - Q) x|^2 over its inputs x. After one column of Q is rounded, the optimal
    update of the remaining columns has a closed form: the rounding error times a row of the inverse Hessian. Single
    weights end up further from their original values, but the outputs stay closer.

    Parameters
    ----------
    weight : array (out, in, ...), such as (64, 512) or (32, 16, 3, 3)
    inputs : array (samples, k)
        Layer inputs; k is the number of weights in a row of `weight`.
    grid : QParams of the weights, a format such as "int4", or a Grid
        The quantization levels, fixed beforehand. Any granularity works, such as `PerGroup(1, 64)`.
    order : {"given", "activation"}
        Order in which columns are rounded: as given, or by decreasing size of their inputs ("act order").
    damping : float
        Fraction of the mean diagonal of the Hessian that is added to the diagonal, at least 0; the authors use 0.01.
    block : int
        Columns that are updated together. It affects the speed and, in the last bits only, the result.

    Returns
    -------
    array, shape and dtype of `weight`

    Raises
    ------
    ValueError
        A shape does not fit, a value is NaN or infinite, or the Hessian is singular and `damping` is 0.
    TypeError
        An argument has the wrong type.

    Notes
    -----
    The weights of an input that is zero in all samples are rounded to nearest, because the samples say nothing about
    them. (The authors' code sets them to zero, which is wrong as soon as other data has a nonzero input there.)

    Examples
    --------
    Two inputs that are always equal: rounding both weights of 0.4 down loses 0.8, so one of them goes up.

    >>> from qviz.numerics import QParams
    >>> gptq([[0.4, 0.4]], [[1.0, 1.0], [2.0, 2.0]], QParams(1.0, 0, "int4"))
    array([[0., 1.]])
    """
    w = weight_of(weight)
    rows = matrix_of(w)
    grid = as_grid(grid, w)
    hessian = gram(inputs, rows.shape[1])
    _check.one_of(order, ORDERS, "order")
    damping = _check.real_number(damping, "damping", "of at least 0")
    if not 0 <= damping < np.inf:
        raise ValueError(f"damping must be a number of at least 0: got {damping}; 0.01 is usual")
    block = _check.whole_number(block, "block", 1)
    columns = np.arange(rows.shape[1])
    if order == "activation":
        columns = np.argsort(-np.diag(hessian), kind="stable")
    factor = _factor(hessian[np.ix_(columns, columns)], damping)
    result = np.empty_like(rows)
    result[:, columns] = _rounded(rows[:, columns], factor, grid, columns, block)
    return result.reshape(w.shape).astype(w.dtype)


def _factor(hessian: np.ndarray, damping: float) -> np.ndarray:
    """Return upper triangular U with U^T U the inverse of the damped Hessian; row j spreads the error of column j."""
    diagonal = np.diag(hessian).copy()
    diagonal += damping * diagonal.mean()
    diagonal[diagonal == 0] = 1.0  # an input that is always zero has no error to spread
    damped = hessian.copy()
    np.fill_diagonal(damped, diagonal)
    try:
        lower = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]  # damped = R R^T with R upper triangular
        return np.linalg.inv(lower)  # so its inverse is U^T U with U = R^-1, upper triangular as well
    except np.linalg.LinAlgError:
        raise ValueError(
            "damping must be above 0 for these inputs, because their Hessian is singular: got 0; use 0.01"
        ) from None


def _rounded(rows: np.ndarray, factor: np.ndarray, grid, columns: np.ndarray, block: int) -> np.ndarray:
    """Round the columns of (out, k) weights in turn; update columns of the same block at once, later ones after it."""
    free = np.ascontiguousarray(rows.T)  # transposed, so that a column of weights is contiguous
    done = np.empty_like(free)
    for start in range(0, len(free), block):
        end = min(start + block, len(free))
        errors = np.empty((end - start, free.shape[1]))
        for j in range(start, end):
            done[j] = grid.nearest(free[j][:, np.newaxis], columns[j : j + 1])[:, 0]
            error = errors[j - start] = (free[j] - done[j]) / factor[j, j]
            free[j + 1 : end] -= np.outer(factor[j, j + 1 : end], error)
        free[end:] -= factor[start:end, end:].T @ errors
    return done.T
