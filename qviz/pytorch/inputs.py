"""The inputs of a network: a tensor, several by name, or batches of either as a DataLoader gives them."""

import inspect
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import nn


class Inputs:
    """What a network with several inputs takes: a tensor for each argument of its `forward`, cut like one tensor.

    Parameters
    ----------
    parts : dict of tensors (n, ...) by the names of the arguments
        Of real numbers (float32), of whole numbers such as those of words, or booleans such as a mask.

    Raises
    ------
    TypeError, ValueError
        There is no part, a part is something else, or they are not equally long.

    Examples
    --------
    >>> pair = Inputs({"left": torch.zeros(5, 3), "right": torch.ones(5, 2)})
    >>> len(pair), [len(part) for part in pair.split(2)], pair[:2].parts["right"].shape
    (5, [2, 2, 1], torch.Size([2, 2]))
    """

    def __init__(self, parts: Mapping[str, torch.Tensor], name: str = "inputs"):
        for key, part in parts.items():
            if not isinstance(key, str):
                raise TypeError(f"{name} must have the names of forward's arguments as keys: got {key!r}")
            if not (isinstance(part, torch.Tensor) and part.dtype == torch.bool and part.ndim):
                _check_inputs(part, f"{name}[{key!r}]", ids=True)
        lengths = {key: len(part) for key, part in parts.items()}
        if len(set(lengths.values())) != 1:
            got = ", ".join(f"{key} {n}" for key, n in lengths.items()) or "an empty dict"
            raise ValueError(f"{name} must hold at least one tensor, all with as many rows: got {got}")
        self.parts = dict(parts)

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def __getitem__(self, index) -> "Inputs":
        return self._each(lambda part: part[index])

    def split(self, size: int) -> Iterator["Inputs"]:
        """Cut into runs of `size` rows."""
        return (self[top : top + size] for top in range(0, len(self), size))

    def double(self) -> "Inputs":
        """Return real numbers as float64, and the rest as it is."""
        return self._each(lambda part: part.double() if part.is_floating_point() else part)

    @property
    def shape(self) -> tuple:
        """The shape of each part, without names where errors and comparisons need none."""
        return tuple(tuple(part.shape) for part in self.parts.values())

    def _each(self, function) -> "Inputs":
        made = Inputs.__new__(Inputs)
        made.parts = {key: function(part) for key, part in self.parts.items()}
        return made


def run(model: nn.Module, x: torch.Tensor | Inputs):
    """Return what a network answers, whether it has one input or several."""
    return model(**x.parts) if isinstance(x, Inputs) else model(x)


def in_order(model: nn.Module, x: torch.Tensor | Inputs) -> tuple:
    """Return the inputs in the order of the arguments of the network's `forward`, as FX asks for an example.

    Examples
    --------
    >>> in_order(nn.Bilinear(1, 1, 1), Inputs({"input2": torch.ones(1, 1), "input1": torch.zeros(1, 1)}))
    (tensor([[0.]]), tensor([[1.]]))
    """
    return inspect.signature(model.forward).bind(**x.parts).args if isinstance(x, Inputs) else (x,)


def as_inputs(x, name: str, ids: bool = False) -> torch.Tensor | Inputs:
    """Return one checked tensor, or a dict of them as `Inputs`."""
    if isinstance(x, Mapping):
        return Inputs(x, name)
    if not isinstance(x, Inputs):
        _check_inputs(x, name, ids)
    return x


def inputs_of(data, name: str, most: int | None = None, ids: bool = False) -> torch.Tensor | Inputs:
    """Return inputs as one tensor, or one of each name: what every function does that takes them.

    Parameters
    ----------
    data : tensor (n, ...), dict of tensors by the names of forward's arguments, or an iterable of such batches, as a
        DataLoader is
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
        It is something else, or a batch is not finite and float32.

    Examples
    --------
    >>> inputs_of([(torch.zeros(2, 3), torch.tensor([7, 1])), (torch.ones(1, 3), torch.tensor([4]))], "x").shape
    torch.Size([3, 3])
    >>> inputs_of([{"ids": torch.tensor([[4, 2]]), "mask": torch.tensor([[True, False]])}], "x").parts["ids"]
    tensor([[4, 2]])
    """
    return _joined(data, name, most, ids)[0]


def labelled(x, y=None) -> tuple[torch.Tensor | Inputs, torch.Tensor]:
    """Return inputs and labels as two tensors.

    Parameters
    ----------
    x : inputs as for `inputs_of`; with pairs of inputs and labels where `y` is None
    y : tensor (n,) of whole numbers, or None

    Raises
    ------
    TypeError, ValueError
        Inputs or labels are something else, or not as many; or there are no labels.

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
    _check_labelled(x, y)
    return x, y


def _joined(data, name: str, most: int | None, ids: bool) -> tuple[torch.Tensor | Inputs, torch.Tensor | None]:
    """Return all inputs, and all labels where each batch has some."""
    one = isinstance(data, torch.Tensor | Inputs | np.ndarray | Mapping | str | bytes | memoryview)
    if one or not isinstance(data, Iterable):
        return as_inputs(data, name, ids), None
    xs, ys, count = [], [], 0
    for batch in data:
        x, *rest = batch if isinstance(batch, tuple | list) and batch else (batch,)
        try:
            x = as_inputs(x, "batch", ids)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name} must be a tensor, or batches of inputs: {error}") from None
        xs.append(x)
        ys += [y for y in rest[:1] if isinstance(y, torch.Tensor) and y.ndim == 1 and len(y) == len(x)]
        count += len(x)
        if most is not None and count >= most:
            break
    shapes = list(dict.fromkeys(_shape_of_one(x) for x in xs))
    if len(shapes) != 1:
        got = " and ".join(map(str, shapes[:2])) or f"an empty {type(data).__name__}"
        raise ValueError(f"{name} must hold batches of inputs of one shape, at least one batch: got {got}")
    return _cat(xs), torch.cat(ys) if len(ys) == len(xs) else None


def _shape_of_one(x: torch.Tensor | Inputs) -> tuple:
    """Return the shape of one input, by name where there are several."""
    return tuple((k, *part.shape[1:]) for k, part in x.parts.items()) if isinstance(x, Inputs) else tuple(x.shape[1:])


def _cat(xs: list) -> torch.Tensor | Inputs:
    """Join batches of the same inputs."""
    if not isinstance(xs[0], Inputs):
        return torch.cat(xs)
    return Inputs({key: torch.cat([x.parts[key] for x in xs]) for key in xs[0].parts})


def _check_inputs(x: torch.Tensor, name: str, ids: bool = False) -> None:
    """Refuse inputs that a float32 network cannot take, or that would spoil every range; `ids` may be whole numbers."""
    dtypes = (torch.float32, *((torch.int32, torch.int64) if ids else ()))
    if not isinstance(x, torch.Tensor) or x.dtype not in dtypes:
        got = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(f"{name} must be a float32 tensor: got {got}; use torch.as_tensor({name}).float()")
    if x.layout != torch.strided or x.is_meta:
        got = "a meta tensor, which holds no values" if x.is_meta else f"layout {x.layout}; use {name}.to_dense()"
        raise TypeError(f"{name} must be a dense tensor: got {got}")
    if x.ndim == 0:
        raise ValueError(f"{name} must hold inputs along its first axis: got a single number")
    bad = (~torch.isfinite(x)).nonzero()
    if len(bad):
        first = tuple(bad[0].tolist())
        raise ValueError(
            f"{name} must be finite: got {x[first]} at index {first}, and {len(bad)} such values in all; "
            "drop or replace them"
        )


def _check_labelled(x: torch.Tensor | Inputs, y: torch.Tensor) -> None:
    """Refuse inputs and labels that have no accuracy."""
    as_inputs(x, "x")
    if not isinstance(y, torch.Tensor) or y.is_floating_point():
        got = y.dtype if isinstance(y, torch.Tensor) else type(y).__name__
        raise TypeError(f"y must be a tensor of whole numbers: got {got}; use torch.as_tensor(y).long()")
    if y.ndim != 1:
        raise ValueError(f"y must have one axis, a label for each input: got shape {tuple(y.shape)}")
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(f"x and y must hold as many inputs as labels, at least one: got {len(x)} and {len(y)}")
