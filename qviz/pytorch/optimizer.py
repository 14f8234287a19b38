"""AdamW, as torch computes it, without loading torch's compiler.

An Optimizer of torch loads torch._dynamo when it is made, only to keep it from tracing it: 70 MB and most of a second,
in each kernel that trains. The function that such an optimizer calls at the end asks for nothing of the kind.
"""

import math
from collections.abc import Iterable

import torch
from torch.optim.adamw import adamw


class AdamW:
    """Adam with decoupled weight decay, and a learning rate that may fall along half a cosine.

    The weights come out as those of torch.optim.AdamW and CosineAnnealingLR do, bit for bit.

    Parameters
    ----------
    parameters : iterable of tensors; those that need no gradient stay as they are
    lr : float
        Learning rate.
    weight_decay : float
        0 makes it Adam.

    Notes
    -----
    Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2; the cosine is equation 5 of their
    "SGDR", 2017.

    Examples
    --------
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
    >>> optimizer = AdamW([w], lr=0.25)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.75, -0.75]
    """

    def __init__(self, parameters: Iterable[torch.Tensor], lr: float, weight_decay: float = 0.0):
        self.lr, self.weight_decay = lr, weight_decay
        self._parameters = [p for p in parameters if p.requires_grad]
        self._state = {p: (torch.zeros_like(p), torch.zeros_like(p), torch.tensor(0.0)) for p in self._parameters}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter that has a gradient."""
        moved = [p for p in self._parameters if p.grad is not None]
        means, squares, steps = ([self._state[p][part] for p in moved] for part in range(3))
        adamw(
            moved, [p.grad for p in moved], means, squares, [], steps, foreach=False, amsgrad=False, maximize=False,
            lr=self.lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=self.weight_decay,
        )  # fmt: skip

    def set_cosine_lr(self, epoch: int, epochs: int) -> None:
        """Lower the learning rate after an epoch, 1 to `epochs`, from the last one's to this one's on the cosine."""
        before, after = (1 + math.cos(math.pi * e / epochs) for e in (epoch - 1, epoch))
        self.lr *= after / before
