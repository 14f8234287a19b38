"""What an integer kernel does with a bias that is no whole number of steps of its sum."""

import torch
from torch.ao.nn.quantized import Linear

from qviz.numerics import INT8, UINT8, QParams

from ..bridge import quantize_tensor
from ..engines import quiet, using

SCALE_X, SCALE_W, PARTS = 0.5, 0.25, 4


def bias_in_kernel(steps: float, engine: str | None = None) -> float:
    """Add a bias to a sum of 0 in an integer linear layer, and return what comes out.

    The output's scale is a quarter of a step of the sum, so that fractions of a step would be seen.

    Parameters
    ----------
    steps : float, 0 to 60
        The bias, in steps of `scale_x * scale_w`.
    engine : str or None
        None is the preferred one.

    Returns
    -------
    float: in the same steps, to a quarter

    Raises
    ------
    ValueError
        `steps` is beyond what 8 bits of output hold, or the engine is not supported here.

    Notes
    -----
    fbgemm divides a float bias by `scale_x * scale_w` and adds it unrounded (pytorch/pytorch pull request 26057);
    qnnpack rounds it to int32 first.

    Examples
    --------
    >>> bias_in_kernel(3.0)
    3.0
    """
    if not 0 <= steps <= 60:
        raise ValueError(f"steps must be from 0 to 60: got {steps}")
    with using(engine), quiet(), torch.random.fork_rng(devices=[]):  # a new layer draws weights, which are not kept
        layer = Linear(1, 1)
        weight = quantize_tensor(torch.ones(1, 1), QParams(SCALE_W, 0, INT8))
        layer.set_weight_bias(weight, torch.tensor([steps * SCALE_X * SCALE_W]))
        layer.scale, layer.zero_point = SCALE_X * SCALE_W / PARTS, 0
        return layer(quantize_tensor(torch.zeros(1, 1), QParams(SCALE_X, 0, UINT8))).int_repr().item() / PARTS
