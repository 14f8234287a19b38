"""The course's experiments on its networks, in NumPy.

* ablation, ablation_settings, ablation_result: quantize weights, activations and biases, each on its own
* margins: the margins of the predictions, and the accuracy under random noise
* measured_speed: one measured example of float32 against int8, and the machine it was measured on
* mixed_precision: all 4,096 assignments of a bit width to each layer, measured;
  mixed_precision_table: those that ship with qviz
* bit_allocation: the sensitivity of each layer, and how to allocate bits under a size budget
* hard_to_quantize: equalization, bias correction, adaptive rounding and GPTQ, alone and combined;
  hard_to_quantize_table: every combination, measured in advance
* number_formats: what a weight format costs in accuracy, with its uncertainty
* methods: the quantization methods and the rules that exclude them: plain data, with sources
* method_chooser: the method that remains after a few questions
* integer_walk: one output value of the integer network, step by step
* energy: the energy of an inference, estimated from published figures
"""

from .ablation import SwitchedCNN
from .ablation_settings import Switches

__all__ = ["SwitchedCNN", "Switches"]
