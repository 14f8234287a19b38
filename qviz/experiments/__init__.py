"""What the course measures on its networks, in NumPy.

* ablation, ablation_settings, ablation_result: weights, activations and biases quantized, each on its own
* margins: how far answers are from changing, and what random noise does to them
* measured_speed: one measured example of float32 against int8, and the machine that it comes from
* mixed_precision: every network with some bits for each layer, measured
* bit_allocation: how sensitive each layer is, and how many bits that is worth
* hard_to_quantize: what equalization, bias correction, adaptive rounding and GPTQ give, one on top of the other;
  hard_to_quantize_table: every setting of them, measured beforehand
* number_formats: what a format of the weights costs the network, and how sure that is
* methods: the ways to quantize, and what speaks against each: plain data, with sources
* method_chooser: which of them is left after a few answers
* integer_walk: one output value of the integer network, step by step
* energy: what published figures say of power
"""

from .ablation import SwitchedCNN
from .ablation_settings import Switches

__all__ = ["SwitchedCNN", "Switches"]
