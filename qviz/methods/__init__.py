"""What lets few bits lose less, in NumPy alone: functions from weights, and the inputs of a layer, to weights.

* equalization: one range for a channel in the layer that makes it and in the one that reads it; no data
* bias_correction: the shift that rounded weights bring, taken out of the bias; means of the inputs, or some outputs
* adaptive_rounding: up or down for each weight, learned; some inputs
* gptq: round one input after the other, and let the rest make up for it; some inputs
* smoothing: outliers of the inputs moved into the weights (SmoothQuant); the largest inputs
* activation_aware: weights that meet large inputs rounded more finely (AWQ); some inputs
* rotation: outliers spread over all inputs by a Hadamard matrix; no data
* grid: the levels that a weight may take, whatever the number format

None needs labels. Each says in its docstring which paper it follows, and where it does otherwise.
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
