"""Fake-quantize with the straight-through estimator: a staircase on the way forward, a slope of 1 on the way back.

The staircase is flat almost everywhere, so its true derivative is 0 and nothing would ever be learned. The estimator
pretends, on the way back only, that rounding was not there: the gradient passes unchanged where the value has a code,
and is 0 where it was clipped. That is the derivative of the clipped identity, not of the staircase.

Source: Bengio, Leonard, Courville 2013, "Estimating or propagating gradients through stochastic neurons", section 4;
for quantization Jacob et al. 2018, section 3. The rule at the clipped ends is that of torch.fake_quantize_*.
"""

import torch
from torch.ao import quantization

from .bridge import check_tensor


class _StraightThrough(torch.autograd.Function):
    """Forward: round, clip, scale back. Backward: the gradient where nothing was clipped."""

    @staticmethod
    def forward(ctx, x, scale, zero_point, quant_min, quant_max):
        codes = torch.round(x / scale) + zero_point
        ctx.save_for_backward((codes >= quant_min) & (codes <= quant_max))
        return (codes.clamp(quant_min, quant_max) - zero_point) * scale

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None, None


def straight_through(
    x: torch.Tensor, scale, zero_point, quant_min: int, quant_max: int, axis: int | None = None
) -> torch.Tensor:
    """Fake-quantize a tensor, and let gradients through as if it had only been clipped.

    Parameters
    ----------
    x : float tensor of any shape
        NaN stays NaN, and gets gradient 0.
    scale, zero_point : numbers or tensors, one of each, or one for each index along `axis`
    quant_min, quant_max : int
        The lowest and the highest code.
    axis : int or None
        Which axis the channels are; None is per tensor.

    Returns
    -------
    tensor of the shape and dtype of `x`

    Raises
    ------
    ValueError
        quant_min is not below quant_max, or there is not one scale and zero point for each channel.
    TypeError
        `x` does not hold floats: an integer has no gradient.

    Notes
    -----
    The values are those of qviz.numerics.fake_quantize. Those of torch.fake_quantize_per_tensor_affine are the same
    but for ties, where they may be one step apart, because torch multiplies by 1 / scale.

    Examples
    --------
    >>> x = torch.tensor([-9.0, -0.3, 0.3, 0.4, 9.0], requires_grad=True)
    >>> y = straight_through(x, 0.25, 0, -8, 7)
    >>> y.tolist()
    [-2.0, -0.25, 0.25, 0.5, 1.75]
    >>> y.sum().backward()
    >>> x.grad.tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    _check_codes(quant_min, quant_max)
    return _StraightThrough.apply(x, *_aligned(x, scale, zero_point, axis), quant_min, quant_max)


def clipped_identity(
    x: torch.Tensor, scale, zero_point, quant_min: int, quant_max: int, axis: int | None = None
) -> torch.Tensor:
    """Clip to what rounds to a code, and round nothing: the function whose derivative `straight_through` uses.

    Parameters, Raises : as for `straight_through`

    Examples
    --------
    >>> clipped_identity(torch.tensor([-9.0, 0.3, 9.0]), 0.25, 0, -8, 7).tolist()
    [-2.125, 0.30000001192092896, 1.875]
    """
    _check_codes(quant_min, quant_max)
    scale, zero_point = _aligned(x, scale, zero_point, axis)
    return x.clamp((quant_min - zero_point - 0.5) * scale, (quant_max - zero_point + 0.5) * scale)


class FakeQuantize(quantization.FakeQuantize):
    """Observe a tensor and fake-quantize it with `straight_through`: qviz's own in the place of torch's.

    Takes the arguments of torch.ao.quantization.FakeQuantize, and fits wherever that does: in a QConfig, as
    `FakeQuantize.with_args(observer=..., quant_min=0, quant_max=15)`, or standing alone.

    Parameters
    ----------
    observer : class of torch.ao.quantization observer
        Which range to keep.
    quant_min, quant_max : int
        The lowest and the highest code, within those of the dtype.
    **observer_kwargs : passed on to the observer, such as dtype, qscheme, ch_axis, averaging_constant

    Examples
    --------
    >>> fake = FakeQuantize(quantization.MinMaxObserver, quant_min=0, quant_max=15, dtype=torch.quint8)
    >>> fake(torch.tensor([-1.0, 0.3, 2.0])).tolist(), round(float(fake.scale), 3), int(fake.zero_point)
    ([-1.0, 0.4000000059604645, 2.0], 0.2, 5)
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` fake-quantized; observe it first, unless the observer is disabled."""
        if self.observer_enabled[0] == 1:
            self.activation_post_process(x.detach())
            self._keep(*self.calculate_qparams())
        if self.fake_quant_enabled[0] == 0:
            return x
        axis = self.ch_axis if self.is_per_channel else None
        return straight_through(x, self.scale, self.zero_point, self.quant_min, self.quant_max, axis)

    def _keep(self, scale, zero_point):
        self.scale.resize_(scale.shape).copy_(scale)
        self.zero_point.resize_(zero_point.shape).copy_(zero_point)


def _check_codes(quant_min, quant_max):
    if not quant_min < quant_max:
        raise ValueError(f"quant_min must be below quant_max: got {quant_min} and {quant_max}")


def _aligned(x, scale, zero_point, axis):
    """Return scale and zero point in the dtype of `x`, shaped to meet it."""
    if isinstance(x, torch.Tensor) and not torch.is_floating_point(x):
        raise TypeError(f"x must hold floats, since an integer has no gradient: got {x.dtype}; use x.float()")
    check_tensor(x)
    scale, zero_point = (torch.as_tensor(p).to(x.dtype) for p in (scale, zero_point))
    if axis is None:
        groups, shape = 1, ()
    elif -x.ndim <= axis < x.ndim:
        groups, shape = x.shape[axis], [-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]
    else:
        raise ValueError(f"axis must be from {-x.ndim} to {x.ndim - 1} for shape {tuple(x.shape)}: got {axis}")
    if scale.numel() != groups or zero_point.numel() != groups:
        raise ValueError(
            f"there must be {groups} scales and {groups} zero points for shape {tuple(x.shape)} and axis {axis}: "
            f"got {scale.numel()} and {zero_point.numel()}"
        )
    return scale.reshape(shape), zero_point.reshape(shape)
