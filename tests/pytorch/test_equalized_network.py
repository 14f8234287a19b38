"""Equalization on real kernels: the rescaled network in 8 bits, one scale per tensor, before and after."""

import pytest

torch = pytest.importorskip("torch")

from qviz.methods import equalize
from qviz.networks import rescaled_weights
from qviz.networks.topology import LAYERS
from qviz.pytorch import digits_model, engines, ptq


@pytest.mark.skipif(engines.preferred() != "fbgemm", reason="another engine has other integers")
def test_it_gives_the_answers_back_without_data():
    train_x, _, x, y = digits_model.digits_tensors()
    right = []
    for weights in (rescaled_weights(), equalize(rescaled_weights(), LAYERS)):
        model = digits_model.digits_cnn()
        model.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})
        with engines.quiet():
            quantized = ptq.quantize_model(model, ptq.PTQConfig(per_channel=False), train_x)
        right.append(round(359 * digits_model.accuracy(quantized, x, y)))
    assert right == [69, 355]
