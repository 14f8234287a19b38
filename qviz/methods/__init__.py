"""Post-training methods that reduce the error at low precision, in NumPy alone.

Each is a pure function from weights (and, for some, the inputs of a layer) to weights. What data each one needs:

* equalization: give each channel the same range in the two layers that share it; no data
* bias_correction: subtract the mean shift of rounded weights from the bias; input means, or some outputs
* adaptive_rounding: learn for each weight whether to round up or down (AdaRound); some inputs
* gptq: round the weights of one input at a time, and compensate with the remaining weights; some inputs
* smoothing: move outliers of the inputs into the weights (SmoothQuant); the largest magnitude of each input
* activation_aware: round weights that multiply large inputs more finely (AWQ); some inputs
* rotation: spread outliers over all inputs with a Hadamard matrix; no data
* grid: the quantization levels of a weight, for any number format

None needs labels. Each docstring names the paper, and says where the code departs from it.
"""

from .activation_aware import ScaledWeights, search_scales
from .adaptive_rounding import adaptive_round
from .bias_correction import correct_bias, correct_bias_measured, mean_after_relu
from .equalization import equalize, equalize_pair
from .gptq import gptq
from .grid import Grid, as_grid, integer_grid, table_grid
from .rotation import hadamard, random_hadamard, rotate_inputs
from .smoothing import divide_outputs, scale_inputs, smoothing_factors

__all__ = [
    "Grid", "ScaledWeights", "adaptive_round", "as_grid", "correct_bias", "correct_bias_measured", "divide_outputs",
    "equalize", "equalize_pair", "gptq", "hadamard", "integer_grid", "mean_after_relu", "random_hadamard",
    "rotate_inputs", "scale_inputs", "search_scales", "smoothing_factors", "table_grid",
]  # fmt: skip
