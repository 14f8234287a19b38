"""Networks as shapes: what they cost depends on no value."""

from itertools import pairwise
from types import MappingProxyType

from qviz.data.cnn import CNN_SHAPES
from qviz.numerics.layers import LayerShape, linear

_PLACES = {"conv1": (64, 1 * 64), "conv2": (64, 16 * 64)}  # outputs a channel, and inputs, over 8 x 8 pixels
WIDE = (64, 1024, 1024, 10)
LANGUAGE_MODEL = 4096  # the width of LLaMA-7B: Touvron et al. 2023, table 2


def _digits() -> tuple[LayerShape, ...]:
    weights = {n.removesuffix(".weight"): shape for n, shape in CNN_SHAPES.items() if n.endswith(".weight")}
    return tuple(LayerShape(name, shape, *_PLACES.get(name, (1, shape[1]))) for name, shape in weights.items())


def _wide() -> tuple[LayerShape, ...]:
    ends = pairwise(WIDE)
    return tuple(linear(f"fc{i}", inputs, outputs) for i, (inputs, outputs) in enumerate(ends, 1))


# name -> layers. "digits CNN" is the network of the course, "wide" three linear layers where weights dominate, and
# "language model" one of the many square layers of a small one.
NETWORKS = MappingProxyType(
    {
        "digits CNN": _digits(),
        "wide": _wide(),
        "language model": (linear("projection", LANGUAGE_MODEL, LANGUAGE_MODEL),),
    }
)
