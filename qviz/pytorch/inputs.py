"""The inputs of a network: a tensor, or batches of them as a DataLoader gives them."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from .ptq_config import check_inputs, check_labelled


def inputs_of(data, name: str, most: int | None = None, ids: bool = False) -> torch.Tensor:
    """Return inputs as one tensor: what every function does that takes them.

    Parameters
    ----------
    data : tensor (n, ...), or an iterable of such batches, as a DataLoader is
        Of a batch that is a tuple or list, such as (inputs, labels), the first part is used.
    name : str
        What the caller calls it.
    most : int or None
        Ask for no more batches once there are so many inputs.
    ids : bool
        Whether inputs may be whole numbers, such as those of words.

    Raises
    ------
    TypeError, ValueError
        It is something else, or a batch is not what `check_inputs` accepts.

    Examples
    --------
    >>> inputs_of([(torch.zeros(2, 3), torch.tensor([7, 1])), (torch.ones(1, 3), torch.tensor([4]))], "x").shape
    torch.Size([3, 3])
    """
    return _joined(data, name, most, ids)[0]


def labelled(x, y=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and labels as two tensors.

    Parameters
    ----------
    x : inputs as for `inputs_of`; with pairs of inputs and labels where `y` is None
    y : tensor (n,) of whole numbers, or None

    Raises
    ------
    TypeError, ValueError
        As for `check_labelled`; or there are no labels.

    Examples
    --------
    >>> labelled([(torch.zeros(2, 3), torch.tensor([7, 1]))])[1]
    tensor([7, 1])
    """
    x, of_batches = _joined(x, "x", None, False)
    if y is None and of_batches is None:
        raise TypeError(
            "y must be a tensor of whole numbers: got None; give labels, or batches of (inputs, labels) as x"
        )
    y = of_batches if y is None else y
    check_labelled(x, y)
    return x, y


def _joined(data, name: str, most: int | None, ids: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return all inputs, and all labels where each batch has some."""
    one = isinstance(data, torch.Tensor | np.ndarray | Mapping | str | bytes | memoryview)
    if one or not isinstance(data, Iterable):
        check_inputs(data, name, ids)
        return data, None
    xs, ys, count = [], [], 0
    for batch in data:
        x, *rest = batch if isinstance(batch, tuple | list) and batch else (batch,)
        try:
            check_inputs(x, "batch", ids)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name} must be a tensor, or batches of inputs: {error}") from None
        xs.append(x)
        ys += [y for y in rest[:1] if isinstance(y, torch.Tensor) and y.ndim == 1 and len(y) == len(x)]
        count += len(x)
        if most is not None and count >= most:
            break
    shapes = list(dict.fromkeys(tuple(x.shape[1:]) for x in xs))
    if len(shapes) != 1:
        got = " and ".join(map(str, shapes[:2])) or f"an empty {type(data).__name__}"
        raise ValueError(f"{name} must hold batches of inputs of one shape, at least one batch: got {got}")
    return torch.cat(xs), torch.cat(ys) if len(ys) == len(xs) else None
