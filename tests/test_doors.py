"""Every door by every hard input: each public function that takes an array or a network, with what readers hand over.

A door is an argument. What comes in is either understood, and then the answer is that for the same numbers in a plain
array; or it is refused by a TypeError or ValueError whose sentence names the argument. No other error, no warning, and
nothing of the reader's is changed.

A new public function that takes an array is a new door: `test_no_door_is_missed` asks for it here, or for a reason.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import warnings
from fnmatch import fnmatch
from functools import cache, partial

import numpy as np
import pytest

from qviz import methods, networks

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
from torch import nn
from torch.utils.data import DataLoader

import qviz.pytorch
from qviz import data, numerics, plots
from qviz.data import outliers
from qviz.data.reading import check_object
from qviz.experiments import bit_allocation, hard_to_quantize, margins, number_formats
from qviz.networks import digits_cnn
from qviz.numerics import (
    INT4,
    INT8,
    UINT8,
    Histogram,
    IntegerLayer,
    PerChannel,
    PerGroup,
    PerTensor,
    QParams,
    accuracy_interval,
    bias,
    calibration_results,
    codecs,
    integer_matmul,
    packing,
    pareto,
    requantize,
    saturation,
)
from qviz.numerics import straight_through as slopes
from qviz.numerics.fixed_point import FixedPoint, fixed_point, high_mul, rounding_right_shift
from qviz.plots.channels import sqnr_of_channels
from qviz.plots.number_line import is_clipped
from qviz.pytorch import (
    bridge,
    digits_model,
    engines,
    inputs,
    measure,
    observer,
    ptq,
    size_and_latency,
    straight_through,
)
from qviz.pytorch.kernel_sums import kernel_sums
from qviz.pytorch.labs import speed
from qviz.pytorch.migration import pt2e, quantize_api
from qviz.pytorch.training_data import TrainingData

REAL = np.array([[-2.0, -0.5, 0.0, 1.0], [0.5, 1.5, -1.0, 2.0], [0.25, 0.0, 3.0, -0.75]], np.float32)  # exact in float8
CODES = np.array([[3, -8, 0, 7], [1, 2, -1, 4], [5, 0, -6, 2]], np.int8)
POSITIVE, UNSIGNED = np.abs(REAL) + np.float32(0.25), np.abs(CODES).astype(np.uint8)
P, X, Y = QParams(0.25, 0, INT4), QParams(0.5, 3, UINT8), QParams(0.5, 0, UINT8)
H = numerics.observe(REAL)[0]
ROTATION = np.float32([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
LAYER = IntegerLayer(CODES, X, P, Y)
IMAGES = np.tile(np.float32([0, 0.25, 0.5, 1]), 32).reshape(2, 1, 8, 8)
PICTURE = np.tile(np.float32([0, 0.25, 0.5, 1]), 9).reshape(6, 6)
TABLE = np.arange(8.0**4, dtype=np.float32).reshape(8, 8, 8, 8) / 4096


@dataclasses.dataclass(frozen=True)
class Door:
    """One argument of one function."""

    call: object  # the function, of this argument alone
    plain: np.ndarray  # what it takes for certain
    tensors_only: bool = False
    not_taken: tuple = ()  # what it refuses for a reason of its own


NOT_BYTES = ("list", "tuple", "int16", "int64 tensor", "big-endian int32")  # which a cast would make bytes of


DOORS = {
    "numerics.affine.quantize.x": Door(lambda x: numerics.quantize(x, P), REAL),
    "numerics.affine.dequantize.q": Door(lambda q: numerics.dequantize(q, P), CODES),
    "numerics.affine.fake_quantize.x": Door(lambda x: numerics.fake_quantize(x, P), REAL),
    "numerics.bias.quantize_bias.bias": Door(lambda b: bias.quantize_bias(b, 0.5), REAL),
    "numerics.bias.quantize_bias.scale": Door(lambda s: bias.quantize_bias(REAL, s), POSITIVE),
    "numerics.bias.fake_quantize_bias.bias": Door(lambda b: bias.fake_quantize_bias(b, 0.5), REAL),
    "numerics.bias.fake_quantize_bias.scale": Door(lambda s: bias.fake_quantize_bias(REAL, s), POSITIVE),
    "numerics.bias.bias_bits.bias": Door(lambda b: bias.bias_bits(b, 0.5), REAL),
    "numerics.bias.bias_bits.scale": Door(lambda s: bias.bias_bits(REAL, s), POSITIVE),
    "numerics.bias.bias_steps.bias": Door(lambda b: bias.bias_steps(b, 0.5), REAL),
    "numerics.bias.bias_steps.scale": Door(lambda s: bias.bias_steps(REAL, s), POSITIVE),
    "numerics.codecs.protocol.Codec.fake_quantize.x": Door(
        lambda x: [codec.fake_quantize(x) for codec in codecs.CODECS.values()], REAL
    ),
    "numerics.codecs.protocol.Codec.fake_quantize.weights": Door(
        lambda w: codecs.FP8_E4M3.fake_quantize(REAL, weights=w), POSITIVE
    ),
    "numerics.codecs.floating_point.FloatFormat.encode.groups": Door(codecs.FP8_E4M3.encode, REAL),
    "numerics.codecs.floating_point.FloatFormat.decode.codes": Door(codecs.FP8_E4M3.decode, UNSIGNED),
    "numerics.codecs.codebook.Table.values": Door(lambda v: codecs.Table(v).values, np.float32([-2, 0, 0.5, 3])),
    "numerics.codecs.comparison.compare_formats.x": Door(
        lambda x: [m.values for m in codecs.compare_formats(x, names=["BF16", "NF4", "Q4_0"]).values()], REAL
    ),
    "numerics.codecs.protocol.Codec.groups_of.x": Door(lambda x: codecs.CODECS["int4"].groups_of(x, 3)[0], REAL),
    "numerics.codecs.gguf.GGUFBlock.unpack.packed": Door(
        lambda p: codecs.GGUFBlock("Q4_0").unpack(p), np.zeros((2, 18), np.uint8), not_taken=NOT_BYTES
    ),
    "numerics.codecs.k_quants.KQuant.unpack.packed": Door(
        lambda p: codecs.KQuant("Q4_K").unpack(p), np.zeros((2, 144), np.uint8), not_taken=NOT_BYTES
    ),
    "numerics.fixed_point.FixedPoint.mantissa": Door(lambda m: FixedPoint(m, 0), np.int32([2**30, 2**31 - 1])),
    "numerics.fixed_point.FixedPoint.exponent": Door(lambda e: FixedPoint(2**30, e), CODES),
    "numerics.fixed_point.fixed_point.multiplier": Door(fixed_point, POSITIVE),
    "numerics.fixed_point.high_mul.a": Door(lambda a: high_mul(a, 2**30), CODES),
    "numerics.fixed_point.high_mul.b": Door(lambda b: high_mul(2**30, b), CODES),
    "numerics.fixed_point.rounding_right_shift.x": Door(lambda x: rounding_right_shift(x, 2), CODES),
    "numerics.fixed_point.rounding_right_shift.shift": Door(lambda s: rounding_right_shift(100, s), UNSIGNED),
    "numerics.granularity.PerTensor.to_groups.x": Door(PerTensor().to_groups, REAL),
    "numerics.granularity.PerChannel.to_groups.x": Door(PerChannel(0).to_groups, REAL),
    "numerics.granularity.PerGroup.to_groups.x": Door(PerGroup(-1, 2).to_groups, REAL),
    "numerics.granularity.PerTensor.from_groups.groups": Door(lambda g: PerTensor().from_groups(g, (3, 4)), REAL),
    "numerics.granularity.PerChannel.from_groups.groups": Door(lambda g: PerChannel(0).from_groups(g, (3, 4)), REAL),
    "numerics.granularity.PerGroup.from_groups.groups": Door(lambda g: PerGroup(-1, 2).from_groups(g, (3, 4)), REAL),
    "numerics.histogram.Histogram.from_counts.counts": Door(
        lambda c: Histogram.from_counts(c, np.arange(5.0)), UNSIGNED[0]
    ),
    "numerics.histogram.Histogram.from_counts.edges": Door(
        lambda e: Histogram.from_counts([1, 2, 3], e), np.float32([-1, 0, 1, 2])
    ),
    "numerics.histogram.Histogram.value_at.position": Door(H.value_at, REAL),
    "numerics.integer_matmul.accumulate.q_x": Door(lambda q: integer_matmul.accumulate(q, CODES, X, P), UNSIGNED),
    "numerics.integer_matmul.accumulate.q_w": Door(lambda q: integer_matmul.accumulate(UNSIGNED, q, X, P), CODES),
    "numerics.integer_matmul.as_int32.values": Door(lambda v: integer_matmul.as_int32(v, "values"), CODES),
    "numerics.integer_layer.IntegerLayer.q_w": Door(lambda q: IntegerLayer(q, X, P, Y), CODES),
    "numerics.integer_layer.IntegerLayer.bias": Door(lambda b: IntegerLayer(CODES, X, P, Y, b), REAL[0, 1:]),
    "numerics.integer_layer.IntegerLayer.accumulate.q_x": Door(LAYER.accumulate, UNSIGNED),
    "numerics.integer_layer.IntegerLayer.run.q_x": Door(LAYER.run, UNSIGNED),
    "numerics.integer_layer.IntegerLayer.requantize.total": Door(LAYER.requantize, CODES[:, :3]),
    "numerics.integer_layer.IntegerLayer.float_sums.total": Door(LAYER.float_sums, CODES[:, :3]),
    "numerics.metrics.mse.x": Door(lambda x: numerics.mse(x, REAL), REAL),
    "numerics.metrics.mse.y": Door(lambda y: numerics.mse(REAL, y), REAL),
    "numerics.metrics.sqnr_db.x": Door(lambda x: numerics.sqnr_db(x, REAL), REAL),
    "numerics.metrics.sqnr_db.y": Door(lambda y: numerics.sqnr_db(REAL, y), REAL),
    "numerics.metrics.cosine.x": Door(lambda x: numerics.cosine(x, REAL), REAL),
    "numerics.metrics.cosine.y": Door(lambda y: numerics.cosine(REAL, y), REAL),
    "numerics.metrics.kl_divergence.p": Door(lambda p: numerics.kl_divergence(p, POSITIVE), POSITIVE),
    "numerics.metrics.kl_divergence.q": Door(lambda q: numerics.kl_divergence(POSITIVE, q), POSITIVE),
    "numerics.metrics.error_parts.x": Door(lambda x: numerics.error_parts(x, P), REAL),
    "numerics.observers.HistogramObserver.update.x": Door(lambda x: seen(x), REAL),
    "numerics.observers.observe.x": Door(numerics.observe, REAL),
    "numerics.calibrators.calibrate.x": Door(lambda x: [numerics.calibrate(x, c) for c in numerics.CALIBRATORS], REAL),
    "numerics.calibration_results.calibration_result.x": Door(
        lambda x: calibration_results.calibration_result(x, H, numerics.MinMax()), REAL
    ),
    "numerics.calibration_results.calibration_results.x": Door(
        lambda x: calibration_results.calibration_results(x, H), REAL
    ),
    "numerics.packing.pack.codes": Door(lambda c: packing.pack(c, INT4), CODES),
    "numerics.packing.unpack.packed": Door(lambda p: packing.unpack(p, INT4, 8), UNSIGNED[0]),
    "numerics.pareto.pareto_front.cost": Door(lambda c: pareto.pareto_front(c, REAL), REAL),
    "numerics.pareto.pareto_front.score": Door(lambda s: pareto.pareto_front(REAL, s), REAL),
    "numerics.pareto.dominating.cost": Door(lambda c: pareto.dominating(c, REAL, (0, 0)), REAL),
    "numerics.pareto.dominating.score": Door(lambda s: pareto.dominating(REAL, s, (0, 0)), REAL),
    "numerics.qparams.QParams.scale": Door(lambda s: QParams(s, [[0], [0], [0]], INT8, PerChannel(0)), POSITIVE[:, :1]),
    "numerics.qparams.QParams.zero_point": Door(
        lambda z: QParams([[1], [1], [1]], z, INT8, PerChannel(0)), CODES[:, :1]
    ),
    "numerics.qparams.value_range.x": Door(numerics.value_range, REAL),
    "numerics.qparams.choose_qparams.lo": Door(
        lambda lo: numerics.choose_qparams(lo, 4.0, granularity=PerChannel(0)), REAL[:, :1]
    ),
    "numerics.qparams.choose_qparams.hi": Door(
        lambda hi: numerics.choose_qparams(-4.0, hi, granularity=PerChannel(0)), REAL[:, :1]
    ),
    "numerics._expected_error.error_of_ranges.lo": Door(lambda lo: numerics.error_of_ranges(H, lo, 4.0, INT4), REAL[0]),
    "numerics._expected_error.error_of_ranges.hi": Door(
        lambda hi: numerics.error_of_ranges(H, -4.0, hi, INT4), REAL[0]
    ),
    "numerics.requantize.int32_bias.bias": Door(lambda b: requantize.int32_bias(b, 0.5), REAL),
    "numerics.requantize.int32_bias.scale": Door(lambda s: requantize.int32_bias(REAL, s), POSITIVE),
    "numerics.requantize.add_float_bias.total": Door(lambda t: requantize.add_float_bias(t, 1.0, 0.5, True), CODES),
    "numerics.requantize.add_float_bias.bias": Door(lambda b: requantize.add_float_bias(CODES, b, 0.5, True), REAL),
    "numerics.requantize.add_float_bias.scale": Door(
        lambda s: requantize.add_float_bias(CODES, 1.0, s, True), POSITIVE
    ),
    "numerics.requantize.requantize_float.total": Door(
        lambda t: requantize.requantize_float(t, 0.5),
        CODES,
        not_taken=("float16", "half"),  # sums with a bias are float32, by design: another float is a mistake
    ),
    "numerics.requantize.requantize_float.multiplier": Door(lambda m: requantize.requantize_float(CODES, m), POSITIVE),
    "numerics.requantize.requantize_fixed.total": Door(
        lambda t: requantize.requantize_fixed(t, fixed_point(0.5)), CODES
    ),
    "numerics.requantize.as_float32.values": Door(lambda v: requantize.as_float32(v, "values"), REAL),
    "numerics.saturation.pair_sums.activations": Door(lambda a: saturation.pair_sums(a, CODES), UNSIGNED),
    "numerics.saturation.pair_sums.weights": Door(lambda w: saturation.pair_sums(UNSIGNED, w), CODES),
    "numerics.saturation.dot.activations": Door(lambda a: saturation.dot(a, CODES), UNSIGNED),
    "numerics.saturation.dot.weights": Door(lambda w: saturation.dot(UNSIGNED, w), CODES),
    "numerics.straight_through.clipped_identity.x": Door(lambda x: slopes.clipped_identity(x, P), REAL),
    "numerics.straight_through.straight_through_slope.x": Door(lambda x: slopes.straight_through_slope(x, P), REAL),
    "methods.gptq.gptq.weight": Door(lambda w: methods.gptq(w, REAL, P), REAL),
    "methods.gptq.gptq.inputs": Door(lambda x: methods.gptq(REAL, x, P), REAL),
    "methods.equalization.equalize_pair.weight": Door(lambda w: methods.equalize_pair(w, REAL[:, 0], REAL.T), REAL),
    "methods.equalization.equalize_pair.bias": Door(lambda b: methods.equalize_pair(REAL, b, REAL.T), REAL[:, 0]),
    "methods.equalization.equalize_pair.next_weight": Door(
        lambda next_weight: methods.equalize_pair(REAL, REAL[:, 0], next_weight), REAL.T
    ),
    "methods.adaptive_rounding.adaptive_round.weight": Door(
        lambda w: methods.adaptive_round(w, REAL, P, steps=3), REAL
    ),
    "methods.adaptive_rounding.adaptive_round.inputs": Door(
        lambda x: methods.adaptive_round(REAL, x, P, steps=3), REAL
    ),
    "methods.activation_aware.search_scales.weight": Door(lambda w: methods.search_scales(w, REAL, np.round), REAL),
    "methods.activation_aware.search_scales.inputs": Door(lambda x: methods.search_scales(REAL, x, np.round), REAL),
    "methods.bias_correction.correct_bias.bias": Door(
        lambda b: methods.correct_bias(b, REAL, REAL, REAL[0]), REAL[:, 0]
    ),
    "methods.bias_correction.correct_bias.weight": Door(
        lambda w: methods.correct_bias(REAL[:, 0], w, REAL, REAL[0]), REAL
    ),
    "methods.bias_correction.correct_bias.weight_hat": Door(
        lambda w: methods.correct_bias(REAL[:, 0], REAL, w, REAL[0]), REAL
    ),
    "methods.bias_correction.correct_bias.mean_inputs": Door(
        lambda x: methods.correct_bias(REAL[:, 0], REAL, np.round(REAL), x), REAL[0]
    ),
    "methods.bias_correction.correct_bias_measured.bias": Door(
        lambda b: methods.correct_bias_measured(b, REAL, np.round(REAL)), REAL[0]
    ),
    "methods.bias_correction.correct_bias_measured.outputs": Door(
        lambda y: methods.correct_bias_measured(REAL[0], y, REAL), REAL
    ),
    "methods.bias_correction.correct_bias_measured.outputs_hat": Door(
        lambda y: methods.correct_bias_measured(REAL[0], REAL, y), REAL
    ),
    "methods.bias_correction.mean_after_relu.mean": Door(lambda m: methods.mean_after_relu(m, 1.0), REAL),
    "methods.bias_correction.mean_after_relu.std": Door(lambda s: methods.mean_after_relu(REAL, s), POSITIVE),
    "methods.rotation.rotate_inputs.weight": Door(lambda w: methods.rotate_inputs(w, ROTATION), REAL),
    "methods.rotation.rotate_inputs.rotation": Door(lambda r: methods.rotate_inputs(REAL, r), ROTATION),
    "methods.smoothing.smoothing_factors.weight": Door(lambda w: methods.smoothing_factors(w, POSITIVE[0]), REAL),
    "methods.smoothing.smoothing_factors.largest_inputs": Door(
        lambda x: methods.smoothing_factors(REAL, x), POSITIVE[0]
    ),
    "methods.smoothing.scale_inputs.weight": Door(lambda w: methods.scale_inputs(w, POSITIVE[0]), REAL),
    "methods.smoothing.scale_inputs.factors": Door(lambda s: methods.scale_inputs(REAL, s), POSITIVE[0]),
    "methods.smoothing.divide_outputs.weight": Door(
        lambda w: methods.divide_outputs(w, REAL[:, 0], POSITIVE[:, 0]), REAL
    ),
    "methods.smoothing.divide_outputs.bias": Door(
        lambda b: methods.divide_outputs(REAL, b, POSITIVE[:, 0]), REAL[:, 0]
    ),
    "methods.smoothing.divide_outputs.factors": Door(
        lambda s: methods.divide_outputs(REAL, REAL[:, 0], s), POSITIVE[:, 0]
    ),
    "methods.grid.table_grid.levels": Door(lambda v: methods.table_grid(REAL, v), np.sort(REAL)),
    "experiments.bit_allocation.alone.table": Door(lambda t: bit_allocation.alone(t, "fc1"), TABLE),
    "experiments.bit_allocation.all_but.table": Door(lambda t: bit_allocation.all_but(t, "fc1"), TABLE),
    "experiments.bit_allocation.uniform.table": Door(bit_allocation.uniform, TABLE),
    "experiments.bit_allocation.take_bits.loss": Door(lambda t: bit_allocation.take_bits(t, 30_000), TABLE),
    "experiments.bit_allocation.best_that_fits.loss": Door(lambda t: bit_allocation.best_that_fits(t, 30_000), TABLE),
    "numerics.accuracy_interval.accuracy_interval.accuracy": Door(
        lambda a: accuracy_interval.accuracy_interval(a, 9), np.float32([0, 0.25, 1])
    ),
    "experiments.margins.answer_margins.logits": Door(margins.answer_margins, REAL),
    "experiments.margins.right_under_noise.logits": Door(lambda x: margins.right_under_noise(x, [0, 1, 2], 1, 9), REAL),
    "experiments.margins.right_under_noise.labels": Door(
        lambda y: margins.right_under_noise(REAL, y, 1.0, 9), np.array([3, 0, 2])
    ),
    "experiments.hard_to_quantize.named_right.weights": Door(
        lambda b: hard_to_quantize.named_right(weights_with(b)), np.float32([0.5] * 10)
    ),
    "experiments.number_formats.difference_db.x": Door(
        lambda x: number_formats.difference_db(x, REAL + 1, REAL - 2, 4), REAL
    ),
    "experiments.number_formats.difference_db.one": Door(
        lambda one: number_formats.difference_db(REAL + 1, one, REAL - 2, 4), REAL
    ),
    "experiments.number_formats.difference_db.two": Door(
        lambda two: number_formats.difference_db(REAL + 1, REAL - 2, two, 4), REAL
    ),
    "networks.digits_cnn.cnn_forward.images": Door(networks.cnn_forward, IMAGES),
    "networks.digits_cnn.cnn_forward.weights": Door(
        lambda b: networks.cnn_forward(IMAGES, weights_with(b)), np.float32([0.5] * 10)
    ),
    "networks.digits_cnn.cnn_accuracy.weights": Door(
        lambda b: networks.cnn_accuracy(weights_with(b)), np.float32([0.5] * 10)
    ),
    "networks.digits_mlp.mlp_forward.images": Door(networks.mlp_forward, IMAGES),
    "networks.digits_mlp.mlp_forward.weights": Door(
        lambda b: networks.mlp_forward(IMAGES, {**networks.mlp_weights(), "fc3.bias": b}), np.float32([0.5] * 10)
    ),
    "networks.digits_cnn.max_pool.x": Door(digits_cnn.max_pool, IMAGES),
    "networks.integer_cnn.IntegerCNN.run.images": Door(lambda i: networks.integer_cnn().run(i), IMAGES),
    "networks.integer_cnn.IntegerCNN.run_from.codes": Door(
        lambda c: networks.integer_cnn().run_from("fc1", c), np.ones((2, 64), np.uint8)
    ),
    "networks.integer_cnn.IntegerCNN.predict.images": Door(lambda i: networks.integer_cnn().predict(i), IMAGES),
    "networks.integer_cnn.IntegerCNN.logits.images": Door(lambda i: networks.integer_cnn().logits(i), IMAGES),
    "data.outliers.add_outliers.x": Door(lambda x: outliers.add_outliers(x, 0.05, 0), np.tile(REAL.ravel(), 3)),
    "data.reading.read_array.source": Door(data.read_array, REAL),
    "data.reading.check_object.source": Door(check_object, REAL),
    "plots.calibrators.compare_calibrators.x": Door(plots.compare_calibrators, REAL),
    "plots.channels.sqnr_of_channels.weights": Door(lambda w: sqnr_of_channels(w, REAL), REAL),
    "plots.channels.sqnr_of_channels.weights_hat": Door(lambda w: sqnr_of_channels(REAL, w), REAL),
    "plots.channels.channels.weights": Door(lambda w: plots.channels(w, P), REAL),
    "plots.error.error_histogram.x": Door(lambda x: plots.error_histogram(x, P), REAL),
    "plots.histogram.before_and_after.x": Door(lambda x: plots.before_and_after(x, P), REAL),
    "plots.image.cropped.image": Door(plots.cropped, PICTURE),
    "plots.image.photograph_at.image": Door(lambda i: plots.photograph_at(i, 3), PICTURE),
    "plots.margins.margins.values": Door(lambda m: plots.margins(m, {"few bits": 1.0}), REAL[1]),
    "plots.number_line.is_clipped.x": Door(lambda x: is_clipped(x, P), REAL),
    "plots.number_line.number_line.values": Door(lambda v: plots.number_line(v, P), REAL[0]),
    "pytorch.kernel_sums.kernel_sums.activations": Door(lambda a: kernel_sums(a, CODES), UNSIGNED),
    "pytorch.kernel_sums.kernel_sums.weights": Door(lambda w: kernel_sums(UNSIGNED, w), CODES),
    "pytorch.bridge.to_array.tensor": Door(bridge.to_array, REAL),
    "pytorch.bridge.from_torch.scale": Door(
        lambda s: bridge.from_torch(s, torch.zeros(3).int(), -128, 127, 0), POSITIVE[:, 0]
    ),
    "pytorch.bridge.from_torch.zero_point": Door(
        lambda z: bridge.from_torch(torch.ones(3), z, -128, 127, 0), CODES[:, 0]
    ),
    "pytorch.bridge.quantize_tensor.x": Door(lambda x: bridge.quantize_tensor(x, P), REAL, tensors_only=True),
    "pytorch.inputs.inputs_of.data": Door(lambda d: inputs.inputs_of(d, "data"), REAL, tensors_only=True),
    "pytorch.inputs.as_inputs.x": Door(lambda x: inputs.as_inputs(x, "x"), REAL, tensors_only=True),
    "pytorch.inputs.labelled.x": Door(lambda x: inputs.labelled(x, torch.tensor([0, 1, 2])), REAL, tensors_only=True),
    "pytorch.ptq.quantize_model.calibration_x": Door(
        lambda x: state(ptq.quantize_model(tiny(), CONFIG, x)), REAL, tensors_only=True
    ),
    "pytorch.ptq.simulate_model.calibration_x": Door(
        lambda x: state(ptq.simulate_model(tiny(), CONFIG, x)), REAL, tensors_only=True
    ),
    "pytorch.measure.evaluate.x": Door(
        lambda x: measure.evaluate(tiny(), simulated(), x, torch.tensor([0, 1, 2])).accuracy, REAL, tensors_only=True
    ),
    "pytorch.measure.Reference.x": Door(
        lambda x: measure.Reference(tiny(), x, torch.tensor([0, 1, 2])).x, REAL, tensors_only=True
    ),
    "pytorch.digits_model.accuracy.x": Door(
        lambda x: digits_model.accuracy(tiny(), x, torch.tensor([0, 1, 2])), REAL, tensors_only=True
    ),
    "pytorch.observer.CalibratorObserver.forward.x": Door(lambda x: observed(x), REAL, tensors_only=True),
    "pytorch.training_data.TrainingData.train": Door(lambda x: TrainingData((x, x)).inputs, REAL, tensors_only=True),
    "pytorch.migration.pt2e.quantize.calibration_x": Door(
        lambda x: pt2e.activation_qparams(pt2e.quantize(tiny(), x, samples=2)), REAL, tensors_only=True
    ),
    "pytorch.migration.pt2e.export.x": Door(lambda x: len(pt2e.export(tiny(), x).graph.nodes), REAL, tensors_only=True),
    "pytorch.migration.quantize_api.quantize_static.calibration_x": Door(
        lambda x: quantize_api.quantize_static(tiny(), x)(torch.from_numpy(REAL)), REAL, tensors_only=True
    ),
    "pytorch.labs.speed.quantized.x": Door(lambda x: state(speed.quantized(tiny(), x)), REAL, tensors_only=True),
    "pytorch.size_and_latency.latency.x": Door(
        lambda x: size_and_latency.latency(tiny(), x, repeats=0), REAL, tensors_only=True
    ),
    "pytorch.straight_through.straight_through.x": Door(
        lambda x: straight_through.straight_through(x, 0.5, 0, -8, 7), REAL, tensors_only=True
    ),
    "pytorch.straight_through.clipped_identity.x": Door(
        lambda x: straight_through.clipped_identity(x, 0.5, 0, -8, 7), REAL, tensors_only=True
    ),
}
CONFIG = ptq.PTQConfig(samples=2)


def weights_with(of_fc2):
    return {**networks.cnn_weights(), "fc2.bias": of_fc2}


def tiny():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stubs = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
        return nn.Sequential(stubs[0], nn.Linear(4, 3), stubs[1]).eval()


@cache
def simulated():
    return ptq.simulate_model(tiny(), CONFIG, torch.from_numpy(REAL))


def state(model):
    return {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}


def seen(x):
    watcher = numerics.HistogramObserver().update(x)
    return watcher.histogram() if watcher.count else watcher.count


def observed(x):
    watcher = observer.CalibratorObserver("min-max")
    watcher(x)
    return watcher.calculate_qparams()


# What readers hand over, made from what the door takes: (the object, a plain array of the same numbers or None)


def as_tensor(p, dtype=None):
    return torch.from_numpy(p.copy()) if dtype is None else torch.from_numpy(p.copy()).to(dtype)


def in_torch(dtype, p):
    tensor = as_tensor(p, dtype)
    return tensor, tensor.float().numpy()


def with_one(value, p):
    changed = p.astype(np.float32)
    changed.flat[0] = value
    return changed, changed


def strided(p):
    wide = np.zeros((*p.shape, 2), p.dtype)
    wide[..., 0] = p
    return wide[..., 0], p


def locked(p):
    p = p.copy()
    p.flags.writeable = False
    return p, p


def structured(p):
    array = np.zeros(p.shape, [("a", "f4"), ("b", "f4")])
    array["a"] = p
    return array, None


class Column:
    """A column of a table: NumPy can turn it into an array, and that is all."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class Unwilling(Column):
    def __array__(self, dtype=None, copy=None):
        raise AttributeError("no values today\nand none tomorrow")


def ragged(p):
    return [p.ravel().tolist(), [1]], None


HARD = {
    "list": lambda p: (p.tolist(), np.array(p.tolist())),
    "tuple": lambda p: (tuple(p.tolist()), np.array(p.tolist())),
    "list of arrays": lambda p: (list(p), p) if p.ndim > 1 else (p.tolist(), np.array(p.tolist())),
    "scalar": lambda p: (p.flat[1].item(), np.array(p.flat[1].item())),
    "0-d": lambda p: (p.flat[1], p.flat[1].reshape(())),
    "empty": lambda p: (p[:0], p[:0]),
    "empty list": lambda p: ([], np.zeros(0)),
    "no column": lambda p: (p[..., :0], p[..., :0]),
    "NaN": partial(with_one, np.nan),
    "inf": partial(with_one, np.inf),
    "-inf": partial(with_one, -np.inf),
    "NaN and inf": lambda p: with_one(np.inf, with_one(np.nan, p)[0][::-1].copy()),
    "1e38": lambda p: with_one(1e38, p),
    "1e308": lambda p: (np.full(p.shape, 1e308), np.full(p.shape, 1e308)),
    "-1.7e308 and 1.7e308": lambda p: [np.resize([-1.7e308, 1.7e308], p.shape)] * 2,
    "subnormal": lambda p: [np.full(p.shape, 1e-45, np.float32)] * 2,
    "float64 subnormal": lambda p: [np.full(p.shape, 5e-324)] * 2,
    "constant": lambda p: [np.full(p.shape, 0.5, np.float32)] * 2,
    "all zero": lambda p: [np.zeros(p.shape, p.dtype)] * 2,
    "negative": lambda p: [-np.abs(p.astype(np.float32)) - 1] * 2,
    "large integers": lambda p: [np.full(p.shape, 2**62)] * 2,
    "large unsigned": lambda p: [np.full(p.shape, 2**64 - 1, np.uint64)] * 2,
    "integers beyond 64 bits": lambda p: (np.full(p.shape, 2**70, object).tolist(), None),
    "bool": lambda p: (p > 0, (p > 0).astype(np.uint8)) if p.dtype.kind == "f" else (p > 0, None),
    "float16": lambda p: (p.astype(np.float16), p.astype(np.float16).astype(np.float32)),
    "float64": lambda p: (p.astype(np.float64), p.astype(np.float64)),
    "long double": lambda p: (p.astype(np.longdouble), p.astype(np.float64)),
    "int16": lambda p: [p.astype(np.int16)] * 2,
    "big-endian": lambda p: (p.astype(p.dtype.newbyteorder(">")), p),
    "big-endian float64": lambda p: (p.astype(">f8"), p.astype(np.float64)),
    "big-endian int32": lambda p: (p.astype(">i4"), p.astype(np.int32)),
    "Fortran order": lambda p: (np.asfortranarray(p), p),
    "strided": strided,
    "read-only": locked,
    "backwards": lambda p: (p[::-1].copy()[::-1], p),
    "broadcast": lambda p: (np.broadcast_to(p[:1], p.shape), np.repeat(p[:1], len(p), axis=0)),
    "one axis more": lambda p: (p[None], p[None]),
    "masked": lambda p: (np.ma.masked_equal(p, p.flat[0]), None),
    "masked, nothing masked": lambda p: (np.ma.array(p), p),
    "list of masked": lambda p: ([np.ma.masked_equal(row, p.flat[0]) for row in np.atleast_2d(p)], None),
    "np.ma.masked": lambda p: (np.ma.masked, None),
    "ragged": ragged,
    "text": lambda p: ("quantize me", None),
    "bytes": lambda p: (b"\x00\x01", None),
    "text in an array": lambda p: (p.astype(str), None),
    "object array": lambda p: (np.array([1.0, None], object), None),
    "numbers as objects": lambda p: (p.astype(object), p),
    "complex": lambda p: (p.astype(np.complex64), None),
    "dates": lambda p: (p.astype(np.int64).astype("M8[D]"), None),
    "time spans": lambda p: (p.astype(np.int64).astype("m8[s]"), None),
    "structured": structured,
    "matrix-like column": lambda p: (Column(p), p),
    "an unwilling column": lambda p: (Unwilling(p), None),
    "memoryview": lambda p: (memoryview(p.copy()), p),
    "generator": lambda p: ((row for row in p), None),
    "set": lambda p: (set(p.ravel().tolist()), None),
    "dict": lambda p: ({"weight": p}, None),
    "None": lambda p: (None, None),
    "a function": lambda p: (np.sum, None),
    "the class": lambda p: (np.ndarray, None),
    "tensor": lambda p: (as_tensor(p), p),
    "parameter": lambda p: (nn.Parameter(as_tensor(p), requires_grad=p.dtype.kind == "f"), p),
    "with a gradient's history": lambda p: (nn.Parameter(as_tensor(p, torch.float32)) * 1, p.astype(np.float32)),
    "bfloat16": partial(in_torch, torch.bfloat16),
    "half": partial(in_torch, torch.float16),
    "double": lambda p: (as_tensor(p, torch.float64), p.astype(np.float64)),
    "float8": partial(in_torch, torch.float8_e4m3fn),
    "float8, e5m2": partial(in_torch, torch.float8_e5m2),
    "int64 tensor": lambda p: (as_tensor(p, torch.int64), p.astype(np.int64)),
    "sparse": lambda p: (as_tensor(p).to_sparse(), p),
    "transposed tensor": lambda p: (as_tensor(p.T).permute(*reversed(range(p.ndim))), p),
    "complex tensor": lambda p: (as_tensor(p, torch.complex64), None),
    "bool tensor": lambda p: (as_tensor(p) > 0, None),
    "meta tensor": lambda p: (as_tensor(p).to("meta"), None),
    "list of tensors": lambda p: (list(as_tensor(p)), None),
    "quantized tensor": lambda p: (quantized_tensor(p), None),
    "DataLoader": lambda p: (DataLoader(as_tensor(p), batch_size=2), None),
    "a network": lambda p: (nn.Linear(2, 2), None),
    "calibrated qparams": lambda p: (P, None),
}

# These need not be refused anywhere that their plain array is not, but for a door that takes tensors alone.
TAKEN = {
    "list", "tuple", "list of arrays", "float16", "float64", "big-endian", "big-endian float64", "Fortran order",
    "strided", "read-only", "backwards", "broadcast", "matrix-like column", "memoryview", "tensor", "parameter",
    "with a gradient's history", "bfloat16", "half", "double", "float8", "float8, e5m2", "sparse", "transposed tensor",
    "int64 tensor", "int16", "big-endian int32", "scalar", "0-d", "empty list",
}  # fmt: skip
TENSORS_TAKEN = {"tensor", "parameter", "with a gradient's history", "transposed tensor"}


def quantized_tensor(p):
    with engines.quiet():
        return torch.quantize_per_tensor(as_tensor(p, torch.float32), 0.25, 0, torch.qint8)


def frozen(thing):
    """Return the content of an input, to see later that it was not changed."""
    if isinstance(thing, torch.Tensor):
        return None if thing.is_meta or thing.is_sparse else thing.detach().clone()
    return thing.copy() if isinstance(thing, np.ndarray) else repr(thing) if isinstance(thing, list | dict) else None


def same(a, b):
    """Compare two answers, whatever they are made of."""
    if isinstance(a, torch.Tensor):
        a, b = (t.int_repr() if t.is_quantized else t.detach() for t in (a, b))
        a, b = (t.double().numpy() if t.is_floating_point() else t.numpy() for t in (a, b))
    if isinstance(a, np.ndarray | np.generic):  # dtypes have tests of their own
        return (
            type(a) is type(b)
            and a.shape == b.shape
            and np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
        )
    if isinstance(a, float):  # a sum in another order of memory
        return a == b or (a != a and b != b) or abs(a - b) <= 1e-14 * abs(a)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and same(vars(a), vars(b))
    if isinstance(a, plots.Picture):
        return f"{a}" == f"{b}"
    return a == b


def asked(call, value):
    """Return (answer, None), or (None, the refusal)."""
    with warnings.catch_warnings(), engines.quiet():
        warnings.simplefilter("error")
        for text in ("torch.ao.quantization is deprecated", "torch.quantize_per", "Please use quant_min"):
            warnings.filterwarnings("ignore", text)
        try:
            return call(value), None
        except (TypeError, ValueError) as error:
            return None, error


def of_the_network(thing):
    """Whether the network itself cannot take this input, whatever qviz does: torch then says why."""
    try:
        tiny()(inputs.inputs_of(thing, "x", ids=True))
    except RuntimeError:
        return True
    except (TypeError, ValueError):
        pass
    return False


def is_a_sentence(error, argument):
    text = str(error)
    return bool(re.search(rf"\b{argument}\b", text)) and "\n" not in text and len(text.split()) > 4


ONCE = {}  # many hard inputs have the same plain array, and some doors draw


def of_plain(door, plain):
    """Return what a door answers to the plain array: (answer, None), or (None, the refusal)."""
    key = id(door), plain.shape, plain.dtype.str, plain.tobytes()
    if key not in ONCE:
        try:
            ONCE[key] = asked(door.call, torch.from_numpy(plain) if door.tensors_only else plain)
        except RuntimeError as error:  # of a network that cannot take this shape
            ONCE[key] = None, error
    return ONCE[key]


def fault(name, kind):
    """Return what is wrong with a door and an input, or None."""
    door, argument = DOORS[name], name.rpartition(".")[2]
    with np.errstate(all="ignore"):  # an input that holds an overflow may be made
        thing, plain = HARD[kind](door.plain)
    before = frozen(thing)
    try:
        answer, refusal = asked(door.call, thing)
    except BaseException as error:
        return None if door.tensors_only and of_the_network(thing) else f"{type(error).__name__}: {error}"
    if before is not None and not same(before, frozen(thing)):
        return "the input was changed"
    if refusal is not None and not is_a_sentence(refusal, argument):
        return f"no sentence about {argument}: {type(refusal).__name__}: {refusal}"
    if plain is not None:
        expected, refused = of_plain(door, np.array(plain))
        must = TENSORS_TAKEN if door.tensors_only else TAKEN
        if refusal is not None and refused is None and kind in must and kind not in door.not_taken:
            return f"refused, though the plain array is taken: {refusal}"
        if refusal is None and (refused is not None or not same(expected, answer)):
            return f"{answer!r:.80} is not {expected if refused is None else refused!r:.80}"
    return None


PAIRS = [(name, kind) for name in DOORS for kind in HARD]


@pytest.mark.parametrize("name", DOORS)
def test_every_hard_input_at_every_door(name):
    faults = {kind: wrong for kind in HARD if (wrong := fault(name, kind))}
    assert faults == {}


# That no door is missed

TAKES = {
    "ndarray",
    "np.ndarray",
    "Tensor",
    "torch.Tensor",
    "Module",
    "nn.Module",
    "GraphModule",
    "fx.GraphModule",
    "Any",
}


def may_be_an_array(parameter):
    """Whether a parameter's annotation lets an array or a network in; one without an annotation lets in anything."""
    if parameter.name in ("self", "cls", "args", "kwargs"):
        return False
    note = "" if parameter.annotation is parameter.empty else parameter.annotation
    words = set(re.findall(r"[\w.]+", note if isinstance(note, str) else getattr(note, "__qualname__", str(note))))
    return not words or bool(words & TAKES)


def doors_of(name, function):
    return [f"{name}.{p.name}" for p in inspect.signature(function).parameters.values() if may_be_an_array(p)]


def found_in(package):
    """Yield each argument that may be an array, of each public function, constructor and method of a package."""
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        short = info.name.removeprefix("qviz.")
        private = any(part.startswith("_") for part in short.split("."))
        shown = getattr(package, "__all__", ()) if private else ()
        for name, thing in vars(importlib.import_module(info.name)).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != info.name or (private and name not in shown):
                continue
            if inspect.isfunction(thing):
                yield from doors_of(f"{short}.{name}", thing)
            elif inspect.isclass(thing):
                methods = {key: getattr(f, "__func__", f) for key, f in vars(thing).items()}
                public = {key: f for key, f in methods.items() if inspect.isfunction(f) and not key.startswith("_")}
                for key, method in public.items():
                    yield from doors_of(f"{short}.{name}.{key}", method)
                if "__init__" in vars(thing):
                    yield from doors_of(f"{short}.{name}", thing.__init__)


# Patterns of arguments that are no doors for a reader's array, and why.
EXEMPT = {
    "*.size": "width and height of a picture",
    "*.ratios": "how wide the columns of a picture are",
    "pytorch.inputs.run.x": "inputs that inputs_of returned",
    "pytorch.inputs.in_order.x": "inputs that inputs_of returned",
    "plots.*Panel*": "a panel is given Results, which qviz computed and checked",
    "plots.image.Pixels.*": "an artist, called by matplotlib",
    "plots.canvas.*": "the settings of a picture",
    "plots.small_numbers.*": "parts of panels, given Results",
    "plots.number_line.segments.*": "part of panels, on levels and values",
    "plots.histogram.binned.counts": "part of panels, given counts",
    "plots.histogram.binned.x": "part of panels, on numbers within the range that it is told",
    "plots.histogram.relative.counts": "part of panels, given counts",
    "plots.pareto.Cloud*": "a Result",
    "plots.ablation.if_added.*": "part of a panel, given counts",
    "plots.style.legend.options": "options of matplotlib",
    "plots.training.training.*": "numbers of a training that qviz ran",
    "plots.accumulator.*": "parts of panels, given sums of codes",
    "numerics.codecs.*.groups": "rows that a method or an explorer cut: tests/numerics/codecs",
    "numerics.codecs.*.codes": "what encode returned: tests/numerics/codecs",
    "numerics.codecs.*.params": "what choose_params returned",
    "experiments.mixed_precision.logit_divergence.*": "logits of qviz's own network",
    "experiments.mixed_precision_table.packed.networks_by_name": "Results",
    "pytorch.migration.stored_results.packed.*": "Results, and counts of them",
    "pytorch.migration.stored_results.StoredResult.*": "a Result",
    "numerics.codecs.*.weights": "as fake_quantize checks them: tests/numerics/codecs",
    "numerics.codecs.*.granularity": "no array: tests/numerics/codecs",
    "numerics.codecs.*.shape": "whole numbers: tests/numerics/codecs",
    "numerics.codecs.*.nearest.x": "encode without its checks",
    "numerics.codecs.*Params.*": "made by choose_params or unpack",
    "numerics.codecs.codebook.middle_of.values": "a table that was checked",
    "numerics.codecs.comparison.Measured.*": "a Result",
    "numerics.codecs.protocol.rows_of_params.rows": "an index",
    "numerics.codecs.names.explain_name.text": "no array: tests/numerics/codecs",
    "numerics.codecs.registry.as_codec.codec": "no array: tests/numerics/codecs",
    "numerics.codecs.scaled.*.codec": "no array: tests/numerics/codecs",
    "numerics.codecs.scaled.*.scale": "what choose_params returned",
    "numerics.codecs.scaled.rows_of.rows": "the first step of encode and decode",
    "numerics.codecs.protocol.as_*": "the first steps of fake_quantize and of a codec's verbs",
    "numerics.codecs.floating_point.checked_codes.*": "the first half of decode",
    "numerics.codecs.floating_point.look_up.*": "the second half of decode",
    "numerics.affine.dequantize.dtype": "a dtype; tests/numerics/test_affine.py",
    "numerics.calibrators.as_calibrator.calibrator": "no array: WORDS, below",
    "numerics.formats.as_format.fmt": "no array: WORDS, below",
    "numerics.granularity.as_granularity.granularity": "no array: WORDS, below",
    "numerics.qparams.as_qparams.qparams": "no array: WORDS, below",
    "numerics.qparams.made_qparams.*": "what scale_and_zero_point returned",
    "numerics.histogram.Histogram.counts": "made by an observer; a reader's counts come through from_counts",
    "numerics.histogram.value_at.*": "the arithmetic of Histogram.value_at",
    "numerics.metrics.decibels.*": "sums of squares of what was measured",
    "numerics.metrics.error_parts.counts": "made with the values: tests/numerics/test_metrics.py",
    "numerics.observers.rows_of.x": "the first step of observe and calibrate",
    "numerics.calibration_results.*.counts": "made with the values: tests/numerics/test_calibration_results.py",
    "numerics.integer_matmul.Accumulator.*": "a Result",
    "numerics.integer_matmul.fit_int32.values": "the second half of as_int32",
    "numerics.observers.each_histogram.x": "what observe does, one group at a time",
    "numerics.pareto.dominating.at": "an index",
    "numerics.qparams.scale_and_zero_point.*": "the second half of choose_qparams, after checked_range",
    "numerics.qparams.checked_range.*": "the first half of choose_qparams",
    "numerics.requantize.*.relu": "True or False",
    "numerics.saturation.LayerErrors.*": "a Result",
    "numerics.saturation.operands.*": "the first half of dot",
    "numerics.straight_through.Descent.*": "a Result",
    "methods.grid.*Grid*": "levels that integer_grid and table_grid checked; asked in the middle of a method",
    "methods.grid.*.weight": "only its shape and dtype matter; the method checks its values",
    "methods.grid.as_grid.grid": "no array: tests/methods/test_grid.py",
    "methods.grid.of_columns.*": "a step of a grid",
    "methods.adaptive_rounding.adaptive_round.grid": "no array: tests/methods/test_grid.py",
    "methods.adaptive_rounding.Objective*": "a step of adaptive_round: tests/methods/test_adaptive_rounding.py",
    "methods.adaptive_rounding.rectified_sigmoid.v": "a step of adaptive_round",
    "methods.activation_aware.ScaledWeights.*": "a Result",
    "methods.gptq.gptq.grid": "no array: tests/methods/test_grid.py",
    "methods.equalization.pair_factors.*": "the first half of equalize_pair",
    "networks.digits_cnn.*.change": "functions by name",
    "networks.digits_cnn.linear.*": "a step of cnn_forward",
    "networks.digits_cnn.check_images.images": "the first step of cnn_forward",
    "networks.digits_cnn.check_weights.*": "a step of cnn_forward and mlp_forward",
    "data.distributions.draw.*": "a name and whole numbers; qviz.tensor checks them",
    "data.images.Digits.*": "a Result",
    "experiments.hard_to_quantize.Outcome.*": "a Result",
    "experiments.hard_to_quantize.difference.*": "Results: which images a network names right",
    "experiments.hard_to_quantize.patches.x": "activations of qviz's own network",
    "experiments.number_formats.FormatOutcome.*": "a Result",
    "experiments.number_formats.measure_format*": "no array: tests/experiments/test_number_formats.py",
    "experiments.integer_walk.Walk.*": "a Result",
    "experiments.mixed_precision.NetworkResults.*": "a Result",
    "experiments.mixed_precision.joined.parts": "Results",
    "experiments.mixed_precision.compared.*": "Results",
    "experiments.mixed_precision.*.bits": "four whole numbers",
    "data.outliers.add_outliers.fraction": "a number; qviz.tensor checks it",
    "data.outliers.add_outliers.seed": "a whole number; qviz.tensor checks it",
    "data.reading.*.argument": "a name",
    "data.reading.is_path.source": "a question about it: tests/data/test_reading_files.py",
    "data.reading.list_arrays.source": "a path: tests/data/test_reading_files.py",
    "data.reading.read_array.key": "a name",
    "data.reading.read_array.max_bytes": "a whole number",
    "data.reading.check_object.max_bytes": "a whole number",
    "experiments.ablation_result.compare.*": "runs at each move of an explorer, on arrays of qviz's own network",
    "pytorch.*.model": "a network: tests/pytorch",
    "pytorch.*.model_float": "a network: tests/pytorch",
    "pytorch.*.model_q": "a network: tests/pytorch",
    "pytorch.*.module": "a layer: tests/pytorch",
    "pytorch.*.layer": "a layer: tests/pytorch",
    "pytorch.*.prepared": "a network that prepare made",
    "pytorch.*.converted": "a network that convert made",
    "pytorch.*.fake": "a network or module that prepare made",
    "pytorch.*.settings": "settings by name",
    "pytorch.layer_comparison.agreement.x": "inputs of two networks of the course",
    "pytorch.migration.executed_operations.run.x": "whatever the network takes",
    "pytorch.bridge.check_tensor.x": "the first step of quantize_tensor",
    "pytorch.bridge.qparams_of.source": "a module or a quantized tensor of torch",
    "pytorch.state_dict_codec.*": "what stands in a saved file: tests/pytorch/test_saved_model.py",
    "pytorch.labs.examples.*": "the two networks of the first example",
    "pytorch.failures.*": "networks and repairs of the page on failures: tests/pytorch/test_failures.py",
    "pytorch.saved_model.load.example_x": "inputs for quantize_model, which checks them",
    "pytorch.per_layer.*": "names and bits: tests/pytorch/test_per_layer.py",
    "pytorch.training_data.TrainingData.test": "goes through labelled",
    "pytorch.*.data": "a TrainingData, which checked its parts",
    "pytorch.inputs.labelled.y": "labels: tests/pytorch/test_inputs.py",
    "pytorch.numpy_twin.*.images": "images of the digits network, which checks them",
    "pytorch.measure.*.y": "labels: tests/pytorch/test_measure.py",
    "pytorch.measure.outputs_of.x": "inputs that Reference checked",
    "pytorch.digits_model.DigitsCNN.forward.x": "a network's own step",
    "pytorch.digits_model.accuracy.y": "labels: tests/pytorch/test_inputs.py",
    "pytorch.sub8bit.clip_codes.codes": "a hook on layers of a converted network",
    "pytorch.migration.pt2e.lower.x": "inputs of this shape only, and torch says so",
    "pytorch.migration.pt2e.train_quantized.example_x": "inputs for export, which checks them",
    "pytorch.layer_support.*": "what quantize_model asks of a network and its inputs, which it checked",
    "pytorch.sub8bit.Clip.forward.codes": "a network's own step",
    "pytorch.qat.prepare.example_x": "inputs of a network: tests/pytorch/test_layer_faults.py",
    "pytorch.qat_config.TorchFused.forward.x": "a network's own step",
    "pytorch.qat_layers.*": "a network's own step",
    "pytorch.simulate.*": "a network's own steps, on what quantize_model checked",
    "pytorch.ptq_config.check_*": "the first steps of quantize_model and evaluate",
    "pytorch.labs.capstone.*": "the network of an exercise, on its own images",
    "pytorch.labs.ptq_lab.*": "the digits network alone",
    "pytorch.labs.qat_lab.*": "a Result, or the digits network alone",
    "pytorch.labs.stored_trainings.*": "Results, written by a tool of this repository",
    "pytorch.migration.quantize_api.weight_qparams.weight": "a weight of torchao's",
    "pytorch.labs.recipes.*": "plain torch, shown to the reader as it stands",
    "pytorch.measure_results.*": "a Result",
    "pytorch.labs.snapshots.WeightSnapshot.*": "a Result",
    "pytorch.labs.trained_codes.*": "networks and codes of a training that qviz ran: tests/pytorch/labs",
    "pytorch.labs.speed.Stack.*": "a network's own step",
    "pytorch.straight_through.FakeQuantize.forward.x": "a network's own step",
    "pytorch.straight_through.*.scale": "tests/pytorch/test_straight_through.py",
    "pytorch.straight_through.*.zero_point": "tests/pytorch/test_straight_through.py",
}


@cache
def all_doors():
    packages = (qviz.numerics, qviz.methods, qviz.data, qviz.networks, qviz.experiments, qviz.plots, qviz.pytorch)
    return sorted({door for package in packages for door in found_in(package)})


def test_no_door_is_missed():
    covered = {door for door in all_doors() if any(fnmatch(door, pattern) for pattern in EXEMPT)} | set(DOORS)
    assert sorted(set(all_doors()) - covered) == [], "put each into DOORS, or into EXEMPT with a reason"


def test_every_exemption_is_of_something():
    assert [pattern for pattern in EXEMPT if not any(fnmatch(door, pattern) for door in all_doors())] == []


def test_the_names_at_the_front_are_among_the_doors():
    """What qviz shows comes from packages that were walked, a function of a private module included."""
    functions = filter(inspect.isfunction, (getattr(qviz, name) for name in qviz.__all__))
    assert {function.__module__.split(".")[1] for function in functions} == {"numerics", "tensors"}
    assert {"numerics._expected_error.error_of_ranges.lo", "numerics.affine.quantize.x"} <= set(all_doors())


def test_a_new_function_would_be_missed():
    def sharpen(image, amount: float = 1.0, out: "np.ndarray | None" = None):
        return image

    assert doors_of("plots.sharpen", sharpen) == ["plots.sharpen.image", "plots.sharpen.out"]
