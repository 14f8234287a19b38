"""Between torch's numbers and qviz's: tensors and arrays, quant_min and quant_max and formats, qparams.

torch's numbers are taken over unchanged, also where torch chooses others than qviz would (decision 3 of the house):
for the symmetric scheme torch's observers divide by (qmax - qmin) / 2, qviz by qmax.

fbgemm multiplies activations in uint8 (quint8) by weights in int8 (qint8). Fewer bits are a narrower quant_min and
quant_max in the same container. A symmetric activation has signed codes in qviz, and the same codes moved up by half
the range in torch: the same real values.
"""

import numpy as np
import torch

from qviz.numerics import IntFormat, PerChannel, PerTensor, QParams, _check
from qviz.numerics.qparams import as_qparams

CONTAINERS = {torch.quint8: (0, 255), torch.qint8: (-128, 127)}


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as a NumPy array of its own; of a quantized tensor the real values.

    Examples
    --------
    >>> to_array(torch.ones(2, requires_grad=True))
    array([1., 1.], dtype=float32)
    """
    return _check.as_array(tensor, "tensor").copy()


def format_of(quant_min: int, quant_max: int) -> IntFormat:
    """Return the format whose codes reach from torch's quant_min to quant_max.

    Raises
    ------
    ValueError
        No format of 2 to 16 bits does.

    Examples
    --------
    >>> print(format_of(0, 127), format_of(-8, 7), format_of(-127, 127), sep=", ")  # the first is reduce_range
    uint7, int4, int8 narrow
    """
    candidates = (IntFormat(b, s, n) for b in range(2, 17) for s in (True, False) for n in (False, True))
    for fmt in candidates:
        if (fmt.qmin, fmt.qmax) == (quant_min, quant_max):
            return fmt
    raise ValueError(
        "quant_min and quant_max must be the ends of an integer format, such as -8 and 7: "
        f"got {quant_min} and {quant_max}"
    )


def from_torch(scale, zero_point, quant_min: int, quant_max: int, axis: int | None = None) -> QParams:
    """Take over torch's scale and zero point, unchanged.

    Parameters
    ----------
    scale, zero_point : numbers, or tensors of one value or of one a channel
    quant_min, quant_max : int
    axis : int or None
        Which axis the channels are; None is per tensor.

    Returns
    -------
    QParams

    Raises
    ------
    ValueError
        These are not the codes of a format, or torch's numbers are not those of an affine map.

    Examples
    --------
    >>> p = from_torch(torch.tensor([0.5, 0.25]), torch.tensor([0, 0]), -128, 127, axis=0)
    >>> p.granularity, p.hi.ravel()
    (PerChannel(axis=0), array([63.5 , 31.75]))
    """
    scale, zero_point = _check.as_float(scale, "scale"), _check.real_array(zero_point, "zero_point")
    for name, values in (("scale", scale), ("zero_point", zero_point)):
        if axis is None and values.size != 1:
            raise ValueError(f"{name} must be one number where there is no axis: got shape {values.shape}")
    shape = () if axis is None else (-1, 1)
    return QParams(
        scale.astype(np.float64).reshape(shape),
        zero_point.reshape(shape),
        format_of(quant_min, quant_max),
        PerTensor() if axis is None else PerChannel(axis),
    )


def qparams_of(source) -> QParams:
    """Read the qparams off an observer, a fake-quantize module, a quantized layer or a quantized tensor of torch.

    A tensor or layer says nothing of a narrower range: its format is that of its container.

    Raises
    ------
    TypeError
        It is none of these.

    Examples
    --------
    >>> from torch.ao.quantization import MinMaxObserver
    >>> observer = MinMaxObserver(quant_min=0, quant_max=15)
    >>> _ = observer(torch.tensor([-1.0, 2.0]))
    >>> p = qparams_of(observer)
    >>> print(p.fmt, round(float(p.scale), 6), p.zero_point)
    uint4 0.2 5
    """
    if isinstance(source, torch.Tensor) and source.is_quantized:
        return _of_tensor(source)
    if hasattr(source, "calculate_qparams") and hasattr(source, "quant_min"):
        scale, zero_point = source.calculate_qparams()
        axis = source.ch_axis if "per_channel" in str(source.qscheme) else None
        return from_torch(scale, zero_point, source.quant_min, source.quant_max, axis)
    if isinstance(source, torch.nn.Module) and hasattr(source, "scale") and hasattr(source, "zero_point"):
        return from_torch(source.scale, source.zero_point, *CONTAINERS[getattr(source, "dtype", torch.quint8)])
    raise TypeError(
        f"source must be an observer, a fake-quantize module, a quantized layer or a quantized tensor: "
        f"got {type(source).__name__}"
    )


def check_tensor(x, name: str = "x") -> torch.Tensor:
    """Return `x` if it is a dense tensor of floats."""
    dense = isinstance(x, torch.Tensor) and x.layout == torch.strided and not (x.is_quantized or x.is_meta)
    if not dense or x.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        got = f"{x.dtype}, {x.layout}" if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(f"{name} must be a dense tensor of floats: got {got}; use torch.as_tensor({name}).float()")
    return x


def quantize_tensor(x: torch.Tensor, qparams: QParams) -> torch.Tensor:
    """Quantize a real tensor to a quantized tensor of torch with qviz's qparams, in qint8 or quint8.

    torch does the arithmetic; codes are then clipped to the format, which may be narrower than its container.

    Raises
    ------
    ValueError
        The format has more than 8 bits, or groups within a channel.

    Examples
    --------
    >>> from qviz.numerics import UINT4
    >>> from qviz.pytorch.engines import quiet
    >>> with quiet():
    ...     q = quantize_tensor(torch.tensor([-1.0, 0.3, 9.0]), QParams(0.1, 5, UINT4))
    >>> q.int_repr()
    tensor([ 0,  8, 15], dtype=torch.uint8)
    """
    if check_tensor(x).dtype != torch.float32 or x.isnan().any():
        what = "NaN" if x.isnan().any() else x.dtype
        raise ValueError(f"x must hold float32, and no NaN, which no integer stands for: got {what}")
    scale, zero_point, fmt = (
        torch.tensor(as_qparams(qparams).scale).flatten(),
        torch.tensor(qparams.zero_point).flatten(),
        qparams.fmt,
    )
    dtype = container_of(fmt)
    if isinstance(qparams.granularity, PerTensor):
        codes = torch.quantize_per_tensor(x, float(scale), int(zero_point), dtype).int_repr()
        return torch._make_per_tensor_quantized_tensor(codes.clamp(fmt.qmin, fmt.qmax), float(scale), int(zero_point))
    if not isinstance(qparams.granularity, PerChannel):
        raise ValueError(f"torch has scales per tensor or per channel: got {qparams.granularity}")
    axis = qparams.granularity.axis % x.ndim
    codes = torch.quantize_per_channel(x, scale, zero_point, axis, dtype).int_repr().clamp(fmt.qmin, fmt.qmax)
    return torch._make_per_channel_quantized_tensor(codes, scale, zero_point, axis)


def container_of(fmt: IntFormat) -> torch.dtype:
    """Return the quantized dtype of torch that holds the codes of a format: qint8 or quint8."""
    if fmt.bits > 8:
        raise ValueError(f"torch's engines multiply integers of at most 8 bits: got {fmt}")
    return torch.qint8 if fmt.signed else torch.quint8


def _of_tensor(q: torch.Tensor) -> QParams:
    limits = CONTAINERS.get(q.dtype)
    if limits is None:
        raise TypeError(f"a quantized tensor must be quint8 or qint8: got {q.dtype}")
    if q.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return from_torch(q.q_scale(), q.q_zero_point(), *limits)
    return from_torch(q.q_per_channel_scales(), q.q_per_channel_zero_points(), *limits, axis=q.q_per_channel_axis())
