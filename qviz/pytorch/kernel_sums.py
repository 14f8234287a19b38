"""The 32-bit sums of fbgemm's linear kernel, on this processor as it is."""

import numpy as np
import torch

from qviz.numerics.saturation import operands

from . import engines


def kernel_sums(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Let fbgemm's linear kernel multiply and add codes, on this processor as it is.

    Parameters
    ----------
    activations : uint8 (n, k)
    weights : int8 (m, k)

    Returns
    -------
    int64 (n, m)
        The 32-bit sums: with both scales 1, the real numbers that the kernel gives out are its sums.

    Raises
    ------
    ValueError
        There is no fbgemm here.

    Examples
    --------
    >>> if "fbgemm" in engines.supported():
    ...     sums = kernel_sums(np.array([[3, 4]], np.uint8), np.array([[10, -1]], np.int8))
    ...     assert sums.tolist() == [[26]]
    """
    activations, weights = operands(activations, weights)
    with engines.using("fbgemm"), engines.quiet(), torch.inference_mode():
        w = torch._make_per_tensor_quantized_tensor(torch.tensor(weights.astype(np.int8)), 1.0, 0)
        packed = torch.ops.quantized.linear_prepack(w, None)
        x = torch.tensor(activations).float()
        sums = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(x, 1.0, 0, packed)
    return sums.numpy().astype(np.int64)
