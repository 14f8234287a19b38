"""Eight multilayer perceptrons, trained on the digits from different seeds: their weights, and the forward pass.

They show whether what was found on the CNN also holds for networks without convolutions, and how much of a result
depends on the training.
"""

from functools import cache
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from qviz.data._files import load_shipped, read_only
from qviz.numerics import _check

from .digits_cnn import check_images, check_weights, linear

MLPS = 8
WIDTHS = (64, 64, 64, 10)  # the pixels, two hidden layers, the digits
MLP_SHAPES = MappingProxyType(  # weights and biases by name, in the order of the layers
    {
        f"fc{i}.{kind}": shape
        for i, (inputs, outputs) in enumerate(pairwise(WIDTHS), 1)
        for kind, shape in (("weight", (outputs, inputs)), ("bias", (outputs,)))
    }
)


@cache
def _stored_weights():
    stacked = load_shipped("mlps.npz")
    return [{name: read_only(stacked[name][i].astype(np.float32)) for name in MLP_SHAPES} for i in range(MLPS)]


def mlp_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Return the weights and biases of one of the trained networks, float32, by name.

    Layers: fc1 (64 to 64) and fc2 (64 to 64), each then ReLU; fc3 (64 to 10). Weights are (out, in), as in torch.
    The dict is new at each call, so entries can be replaced; the arrays are shared and read-only.

    Accuracy: 336 to 343 of the 359 test images.

    Parameters
    ----------
    seed : int from 0 to 7, of the initial weights and the order of the training images

    Source: trained by tools/make_data.py in this repository on `digits().train`, and rounded to float16. Licence: that
    of qviz.

    >>> w = mlp_weights(seed=3)
    >>> w["fc3.weight"].shape, w["fc3.weight"].dtype.name
    ((10, 64), 'float32')
    >>> sum(array.size for array in w.values())
    8970
    """
    return dict(_stored_weights()[_check.whole_number(seed, "seed", 0, MLPS - 1)])


def mlp_forward(images, weights=None) -> dict[str, np.ndarray]:
    """Run the network and return every activation, float32, by name.

    Parameters
    ----------
    images : real (n, 1, 8, 8), ink 0..1 as in `digits().images`
    weights : dict as from `mlp_weights()`, for instance with quantized entries; None for those of seed 0

    Returns
    -------
    dict : "input" (n, 64); after ReLU "fc1" and "fc2" (n, 64); "logits" (n, 10), whose largest entry is the predicted
        digit

    Raises
    ------
    ValueError : a wrong shape, or a missing or unknown weight
    TypeError : images or weights that are not real numbers

    Source: the layers follow torch.nn.functional linear and relu. Sums are taken in float64 and rounded once, so the
    results are the same on every processor.

    >>> from qviz.data import digits
    >>> d = digits()
    >>> out = mlp_forward(d.images[d.test])
    >>> {name: array.shape for name, array in out.items()}
    {'input': (359, 64), 'fc1': (359, 64), 'fc2': (359, 64), 'logits': (359, 10)}
    >>> int((out["logits"].argmax(axis=1) == d.labels[d.test]).sum())
    338
    """
    w = check_weights(mlp_weights() if weights is None else weights, MLP_SHAPES, "mlp_weights()")
    x = check_images(images)
    x = x.reshape(len(x), WIDTHS[0])
    seen = {"input": x}
    for layer in ("fc1", "fc2"):
        seen[layer] = x = np.maximum(linear(x, w[f"{layer}.weight"], w[f"{layer}.bias"]), 0)
    seen["logits"] = linear(x, w["fc3.weight"], w["fc3.bias"])
    return seen
