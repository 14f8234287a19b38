"""The checks of all exercises, one file per page, with the name of the page."""

from . import (
    benefits_and_trade_offs,
    calibration,
    hard_to_quantize,
    integers_all_the_way,
    moving_on,
    number_formats,
    ptq_with_fbgemm,
    qat_with_fbgemm,
    scale_and_zero_point,
    weights_activations_biases,
    what_is_quantization,
    when_it_goes_wrong,
)

__all__ = [
    "benefits_and_trade_offs", "calibration", "hard_to_quantize", "integers_all_the_way", "moving_on",
    "number_formats", "ptq_with_fbgemm", "qat_with_fbgemm", "scale_and_zero_point", "weights_activations_biases",
    "what_is_quantization", "when_it_goes_wrong",
]  # fmt: skip
