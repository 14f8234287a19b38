"""What training with quantization is told: what is refused, and the same in torch's terms."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch.qat_config import QATConfig


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"weight_bits": 1}, ValueError, "weight_bits must be from 2 to 8: got 1"),
        ({"activation_bits": 9}, ValueError, "activation_bits must be from 2 to 8: got 9"),
        ({"weight_bits": 4.0}, TypeError, "weight_bits must be a whole number from 2 to 8: got 4.0"),
        ({"epochs": True}, TypeError, "epochs must be a whole number from 0 to 1000: got True"),
        ({"epochs": -1}, ValueError, "epochs must be from 0 to 1000: got -1"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"freeze_observers_after": -1}, ValueError, "freeze_observers_after must be from 0"),
        ({"per_channel": 1}, TypeError, "per_channel must be True or False: got 1"),
        ({"lr": 0}, ValueError, "lr must be a number above 0, at most 1: got 0"),
        ({"lr": float("nan")}, ValueError, "lr must be a number above 0, at most 1: got nan"),
        ({"fake_quantize": "mine"}, ValueError, "one of 'torch', 'qviz', 'torch_fused': got 'mine'"),
        ({"fake_quantize": ["torch"]}, ValueError, r"one of 'torch', 'qviz', 'torch_fused': got \['torch'\]"),
        ({"reduce_range": 1}, TypeError, "reduce_range must be True or False: got 1"),
    ],
)
def test_config_errors(change, error, text):
    with pytest.raises(error, match=text):
        QATConfig(**change)


def test_config_is_frozen_and_says_the_same_in_torchs_terms():
    config = QATConfig(3, 5, per_channel=False, fake_quantize="qviz")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.weight_bits = 4
    weight, activation = config.qconfig().weight(), config.qconfig().activation()
    assert (weight.quant_min, weight.quant_max, weight.dtype) == (-4, 3, torch.qint8)
    assert (activation.quant_min, activation.quant_max, activation.dtype) == (0, 31, torch.quint8)
    assert weight.qscheme == torch.per_tensor_symmetric
    assert QATConfig().qconfig().weight().qscheme == torch.per_channel_symmetric
    tops = [QATConfig(8, bits, reduce_range=True).qconfig().activation().quant_max for bits in (8, 7, 4)]
    assert tops == [127, 127, 15]
