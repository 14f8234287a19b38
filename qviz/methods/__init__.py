"""What lets few bits lose less, in NumPy alone: functions from weights, and the inputs of a layer, to weights.

* equalization: one range for a channel in the layer that makes it and in the one that reads it; no data
* gptq: round one input after the other, and let the rest make up for it; a few inputs
* grid: the levels that a weight may take, whatever the number format
"""

from .equalization import equalize, equalize_pair
from .gptq import gptq
from .grid import Grid, as_grid, integer_grid, table_grid

__all__ = ["Grid", "as_grid", "equalize", "equalize_pair", "gptq", "integer_grid", "table_grid"]
