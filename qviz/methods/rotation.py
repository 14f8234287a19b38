"""Hadamard rotations: spread an outlier over all inputs with an orthogonal matrix that the next layer undoes.

Ashkboos, Mohtashami, Croci, Li, Cameron, Jaggi, Alistarh, Hoefler and Hensman, "QuaRot: Outlier-Free 4-Bit Inference in
Rotated LLMs", NeurIPS 2024, arXiv 2404.00456. The constructions are Sylvester's (1867) and Paley's (1933, lemma 2).
"""

import numpy as np

from qviz.numerics import _check

from ._inputs import weight_of

LARGEST = 1 << 14


def hadamard(n: int) -> np.ndarray:
    """Return a Hadamard matrix: n x n of 1 and -1, whose rows are orthogonal.

    Sylvester's doubling gives powers of two. Paley's construction gives p + 1 for a prime p that is 3 modulo 4: 12, 20,
    24, 32, 44 ... Combined they also give, for instance, 12 * 2^k and 20 * 2^k.

    Parameters
    ----------
    n : int
        1, 2, or a multiple of 4 that the two constructions cover.

    Returns
    -------
    float64 array (n, n)

    Raises
    ------
    ValueError
        There is no Hadamard matrix of this order, or these constructions do not cover it.
    TypeError
        `n` is not a whole number.

    Examples
    --------
    >>> hadamard(4).astype(int)
    array([[ 1,  1,  1,  1],
           [ 1, -1,  1, -1],
           [ 1,  1, -1, -1],
           [ 1, -1, -1,  1]])
    """
    n = _check.whole_number(n, "n", 1, LARGEST)
    doublings = 0
    while n % 2 == 0 and not _is_paley(n):
        n, doublings = n // 2, doublings + 1
    if n != 1 and not _is_paley(n):
        whole = n << doublings
        raise ValueError(f"n must be 2^k or (p + 1) 2^k for a prime p = 3, 7, 11, 19, ...: got {whole}; pad the inputs")
    matrix = _paley(n - 1) if n > 1 else np.ones((1, 1))
    for _ in range(doublings):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def random_hadamard(n: int, seed: int = 0) -> np.ndarray:
    """Return a random orthogonal matrix: a Hadamard matrix with random row signs, divided by sqrt(n).

    Parameters
    ----------
    n : int, as for `hadamard`
    seed : int, at least 0

    Returns
    -------
    float64 array (n, n), whose inverse is its transpose

    Raises
    ------
    ValueError, TypeError
        As for `hadamard`.

    Examples
    --------
    >>> r = random_hadamard(8)
    >>> np.allclose(r @ r.T, np.eye(8)), float(np.abs(r).max().round(4))
    (True, 0.3536)
    """
    matrix = hadamard(n)
    signs = np.random.default_rng(_check.whole_number(seed, "seed", 0)).choice([-1.0, 1.0], len(matrix))
    return signs[:, np.newaxis] * matrix / np.sqrt(len(matrix))


def rotate_inputs(weight, rotation) -> np.ndarray:
    """Return the weights that give the same outputs when the inputs are x @ rotation instead of x.

    (x R) (W R)^T = x R R^T W^T = x W^T, because R R^T is the identity. The rotation spreads an outlier in x over all
    inputs, and a large column of W over all columns.

    Parameters
    ----------
    weight : array (out, in)
    rotation : array (in, in), orthogonal, such as `random_hadamard(in)`

    Returns
    -------
    array, shape and dtype of `weight`

    Raises
    ------
    ValueError
        `rotation` is not orthogonal or does not fit, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> x, w = np.array([[8.0, 0.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> r = random_hadamard(4)
    >>> np.abs(x @ r), x @ w.T, (x @ r) @ rotate_inputs(w, r).T
    (array([[4., 4., 4., 4.]]), array([[8.]]), array([[8.]]))
    """
    w = weight_of(weight)
    r = _check.finite(_check.as_float(rotation, "rotation"), "rotation").astype(np.float64)
    if w.ndim != 2 or r.shape != (w.shape[1],) * 2:
        raise ValueError(f"rotation must be (in, in) for weight (out, in): got shapes {r.shape} and {w.shape}")
    if np.abs(r).max() > 2 or np.abs(r @ r.T - np.eye(len(r))).max() > 1e-5:  # rounding to float32 alone gives 1e-6
        raise ValueError("rotation must be orthogonal, so that the next layer undoes it: its rows are not orthonormal")
    return (w.astype(np.float64) @ r).astype(w.dtype)


def _is_paley(n: int) -> bool:
    """Return whether n - 1 is a prime that is 3 modulo 4; powers of two are left to Sylvester's construction."""
    p = n - 1
    return n > 4 and n & (n - 1) != 0 and p % 4 == 3 and all(p % d for d in range(3, int(p**0.5) + 1, 2))


def _paley(p: int) -> np.ndarray:
    """Return Paley's matrix of order p + 1, built from the quadratic residues modulo p."""
    squares = np.full(p, -1.0)
    squares[np.arange(1, p) ** 2 % p] = 1.0
    squares[0] = 0.0
    q = squares[(np.arange(p)[:, None] - np.arange(p)) % p]
    skew = np.block([[np.zeros((1, 1)), np.ones((1, p))], [-np.ones((p, 1)), q]])
    return skew + np.eye(p + 1)
