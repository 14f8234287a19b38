"""GPTQ of a layer with 64 outputs and 512 inputs, to 4 bits in groups of 64: the largest layer of the course."""

import time

import numpy as np

from qviz.experiments.mixed_precision import one_thread
from qviz.methods import gptq
from qviz.networks import cnn_weights, training_activations
from qviz.numerics import PerGroup, calibrate, fake_quantize

from .frame import Row, median

MOST_SECONDS = 0.2
REPEATS = 9


def compare() -> list[Row]:
    weight = cnn_weights()["fc1.weight"]
    inputs = training_activations()["pool"].reshape(-1, 512)
    levels = calibrate(weight, "min-max", "int4", "symmetric", PerGroup(1, 64))
    rounded, seconds = gptq(weight, inputs, levels), []
    with one_thread():  # two that share a busy processor wait for each other
        for _ in range(REPEATS):
            start = time.perf_counter()
            gptq(weight, inputs, levels)
            seconds.append(time.perf_counter() - start)
    x = inputs.astype(np.float64)
    ours, nearest = (np.square((w - weight) @ x.T).sum() for w in (rounded, fake_quantize(weight, levels)))
    middle, note = median(seconds), f"{ours / nearest:.0%} of the error that rounding to nearest has, at the outputs"
    held = middle <= MOST_SECONDS
    return [
        Row("GPTQ, 512 x 64", seconds, "", [], f"{middle:.2f} s", f"{MOST_SECONDS} s", held, [note], ours < nearest)
    ]
