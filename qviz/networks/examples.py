"""Example networks as layer shapes, for costs that do not depend on the values."""

import math
from itertools import pairwise
from types import MappingProxyType

from .layer_shapes import LayerShape, linear
from .topology import ACTIVATION_SHAPES, INPUT_OF, OUTPUT_OF, WEIGHT_SHAPES

WIDE = (64, 1024, 1024, 10)
LANGUAGE_MODEL = 4096  # the width of LLaMA-7B: Touvron et al. 2023, table 2


def _digits() -> tuple[LayerShape, ...]:
    def shape(name):
        output = ACTIVATION_SHAPES[OUTPUT_OF[name]]
        return LayerShape(
            name, WEIGHT_SHAPES[name], math.prod(output[1:]), math.prod(ACTIVATION_SHAPES[INPUT_OF[name]])
        )

    return tuple(shape(name) for name in WEIGHT_SHAPES)


def _wide() -> tuple[LayerShape, ...]:
    ends = pairwise(WIDE)
    return tuple(linear(f"fc{i}", inputs, outputs) for i, (inputs, outputs) in enumerate(ends, 1))


# name -> layers. "digits CNN" is the network of the course, "wide" has three linear layers and far more weights than
# activations, and "language model" is one of the many square projections of a 7B model.
NETWORKS = MappingProxyType(
    {
        "digits CNN": _digits(),
        "wide": _wide(),
        "language model": (linear("projection", LANGUAGE_MODEL, LANGUAGE_MODEL),),
    }
)
