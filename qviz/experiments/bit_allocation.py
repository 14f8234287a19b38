"""Mixed precision: the sensitivity of each layer, and how to allocate bits under a size budget.

All functions take tables as returned by `every_network`: four axes, one per layer, with one entry per bit width.
"""

import numpy as np

from qviz.numerics import _check

from .mixed_precision import BITS, FLOAT, LAYERS, WIDTHS, place, size_bytes


def alone(table: np.ndarray, layer: str) -> np.ndarray:
    """Return the entries of the networks in which only this layer is quantized, one for each of WIDTHS.

    Examples
    --------
    >>> from qviz.experiments.mixed_precision import every_network
    >>> alone(every_network().right, "conv2")[1:3]
    array([352, 355])
    """
    return _table(table)[_line(layer, lambda i: (place(FLOAT)[0], i))]


def all_but(table: np.ndarray, layer: str) -> np.ndarray:
    """Return the entries of the networks in which this layer is float32 and all other layers share one width.

    Examples
    --------
    >>> from qviz.experiments.mixed_precision import every_network
    >>> all_but(every_network().right, "conv2")[:3]
    array([147, 349, 352])
    """
    return _table(table)[_line(layer, lambda i: (i, place(FLOAT)[0]))]


def uniform(table: np.ndarray) -> np.ndarray:
    """Return the entries of the networks whose layers all have the same width.

    Examples
    --------
    >>> uniform(size_bytes())[:3].tolist()
    [10516, 15286, 20056]
    """
    return np.einsum("iiii->i", _table(table))


def take_bits(loss: np.ndarray, budget_bytes: int) -> list[tuple[int, ...]]:
    """Start at 8 bits everywhere, and repeatedly remove the bit with the smallest increase in loss per byte saved.

    Each step tries every layer with one bit less and looks up the loss of that network, so the sensitivity is measured
    again at the current network. The search is greedy: it need not end at the best network.

    Parameters
    ----------
    loss : (8, 8, 8, 8) array, less is better
    budget_bytes : int

    Returns
    -------
    list of bit widths, (conv1, conv2, fc1, fc2): every network of the search; the last one fits

    Raises
    ------
    ValueError
        No network fits, or the loss has the wrong shape or is not finite.

    Examples
    --------
    >>> from qviz.experiments.mixed_precision import every_network
    >>> take_bits(every_network("training").divergence, 30_000)
    [(8, 8, 8, 8), (8, 8, 7, 8), (8, 8, 6, 8), (8, 7, 6, 8), (8, 7, 5, 8)]
    """
    loss = _losses(loss, budget_bytes)
    size, way = size_bytes(), [place(BITS[-1])]
    while size[way[-1]] > budget_bytes:
        here = way[-1]
        tried = [(*here[:i], here[i] - 1, *here[i + 1 :]) for i in range(len(LAYERS)) if here[i] > 0]
        way.append(min(tried, key=lambda there: (loss[there] / 2 - loss[here] / 2) / (size[here] - size[there])))
    return [_bits(p) for p in way]


def best_that_fits(loss: np.ndarray, budget_bytes: int) -> tuple[int, ...]:
    """Return the bit widths of the best network that fits, among all 2,401 without a float32 layer.

    Parameters
    ----------
    loss : (8, 8, 8, 8) array, less is better; a tie goes to the smallest network
    budget_bytes : int

    Raises
    ------
    ValueError
        No network fits, or the loss has the wrong shape or is not finite.

    Examples
    --------
    >>> from qviz.experiments.mixed_precision import every_network
    >>> best_that_fits(every_network("training").divergence, 20_056)
    (5, 8, 3, 5)
    """
    loss = _losses(loss, budget_bytes)
    quantized = (slice(0, len(BITS)),) * len(LAYERS)
    size, loss = size_bytes()[quantized], loss[quantized]
    order = np.lexsort((size.ravel(), np.where(size <= budget_bytes, loss, np.inf).ravel()))
    return _bits(np.unravel_index(order[0], size.shape))


def _line(layer: str, at) -> tuple:
    """Return the index of a line through a table; `at(i)` gives the positions of the other layers and of this one."""
    if layer not in LAYERS:
        raise ValueError(f"layer must be one of {', '.join(map(repr, LAYERS))}: got {layer!r}")
    every = np.arange(len(WIDTHS))
    others, own = (np.broadcast_to(v, every.shape) for v in at(every))
    return tuple(own if name == layer else others for name in LAYERS)


def _bits(at) -> tuple[int, ...]:
    return tuple(WIDTHS[int(i)] for i in at)


def _table(table, name: str = "table") -> np.ndarray:
    """Validate that a table has one entry for each network."""
    table = _check.real_array(table, name)
    if table.shape != size_bytes().shape:
        raise ValueError(f"{name} must have one entry for each network, shape {size_bytes().shape}: got {table.shape}")
    return table


def _losses(loss, budget_bytes) -> np.ndarray:
    """Return the losses as float64, after checking that they are finite and that the smallest network fits."""
    loss = _table(_check.as_float(loss, "loss"), "loss").astype(np.float64)
    if not np.isfinite(loss).all():
        raise ValueError(
            f"loss must be finite for every network: got {(~np.isfinite(loss)).sum()} values that are NaN or infinite"
        )
    least = int(size_bytes()[place(BITS[0])])
    if not budget_bytes >= least:
        raise ValueError(f"budget_bytes must be at least {least:,}, the size at {BITS[0]} bits: got {budget_bytes}")
    return loss
