"""What a network is trained on, seen as batches: a reader's own data, and the loss that judges it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from .inputs import Inputs, as_inputs, inputs_of, labelled, run
from .layer_support import first_line

BATCH = 64
OBSERVED = 1024  # inputs that the observers see before training


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Data of one's own to train on.

    Parameters
    ----------
    train : pair of tensors (n, ...), or an iterable of such pairs, as a DataLoader is
        Inputs and targets. A pair is shuffled, and given out in batches of 64; an iterable is gone through once for
        each epoch, in its own order. Several inputs are a dict of tensors by the names of forward's arguments.
    test : the same, or None
        With whole numbers as targets: what the accuracy after each epoch is measured on. None for no accuracy (NaN).
    loss : function of the network's output and the targets, to one number
        The default is cross-entropy, for targets that are class numbers.

    Raises
    ------
    TypeError, ValueError
        `train` holds no such pairs, or the test targets are no class numbers.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 100)[:, None]
    >>> data = TrainingData((x, 2 * x), loss=torch.nn.functional.mse_loss)
    >>> [len(inputs) for inputs, targets in data.batches(torch.Generator().manual_seed(0))]
    [64, 36]
    """

    train: tuple[torch.Tensor, torch.Tensor] | Iterable[tuple[torch.Tensor, torch.Tensor]]
    test: tuple[torch.Tensor, torch.Tensor] | Iterable[tuple[torch.Tensor, torch.Tensor]] | None = None
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = field(default_factory=lambda: cross_entropy)

    def __post_init__(self):
        if isinstance(self.train, Iterator):
            raise TypeError(
                f"train must be gone through once for each epoch: got {type(self.train).__name__}, which ends after "
                "one; give a DataLoader, a list of batches, or a pair of tensors"
            )
        pair = self.train if _is_pair(self.train) else next(iter(self.train), None)
        if not _is_pair(pair):
            got = "no batch" if pair is None else type(pair).__name__
            raise TypeError(f"train must hold pairs of tensors, inputs and targets: got {got}; give (x, y)")
        count = len(inputs_of(pair[0], "train"))
        if count == 0 or count != len(pair[1]):
            raise ValueError(f"train must hold a target for each input, at least one: got {count} and {len(pair[1])}")
        if not callable(self.loss):
            raise TypeError(f"loss must be a function of output and targets: got {type(self.loss).__name__}")
        if self.test is not None:
            object.__setattr__(self, "test", labelled(*self.test) if _is_pair(self.test) else labelled(self.test))

    def batches(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield pairs of inputs and targets, one epoch of them."""
        if not _is_pair(self.train):
            for x, y in self.train:
                yield as_inputs(x, "train", ids=True) if isinstance(x, Mapping) else x, y
            return
        x, y = as_inputs(self.train[0], "train", ids=True), self.train[1]
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            yield x[batch], y[batch]

    @property
    def inputs(self) -> torch.Tensor:
        """The first 1,024 inputs, for the observers."""
        x = self.train[0] if _is_pair(self.train) else self.train
        return inputs_of(x, "train", OBSERVED)[:OBSERVED]

    def check_loss(self, model: nn.Module) -> None:
        """Refuse a loss that fails on what the network answers, or is not one number with a gradient.

        Raises
        ------
        ValueError
        """
        x, y = next(self.batches(torch.Generator().manual_seed(0)))
        try:
            value = self.loss(run(model, x), y)
        except Exception as error:
            raise ValueError(f"loss must take the network's output and its targets: it fails on the first batch: "
                             f"{first_line(error)}") from None  # fmt: skip
        if not isinstance(value, torch.Tensor) or value.ndim or not value.requires_grad:
            got = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            raise ValueError(f"loss must return one number that has a gradient: got {got}; average over the batch")


def _is_pair(data) -> bool:
    """Whether it is one pair of inputs and targets, and no list of batches."""
    if not (isinstance(data, tuple | list) and len(data) == 2):
        return False
    return isinstance(data[0], torch.Tensor | Mapping | Inputs) and isinstance(data[1], torch.Tensor)
