"""Answers to the exercises of "Moving on", by number: right in many styles, and wrong but plausible."""

from types import SimpleNamespace

import numpy as np
import torch

from qviz.numerics import INT4, INT8, UINT8, QParams

PRODUCTS = ("qconv_pointwise", "qlinear_pointwise", "_int_mm")


def counted_in_a_loop(operations):
    count = 0
    for name in operations:
        if name in PRODUCTS:
            count += 1
    return count


NOT_TIMED = SimpleNamespace(median_ms=np.nan)


class Report(dict):
    """A report that can be a key of a table."""

    __hash__ = object.__hash__


def layer(name, sqnr_db, weights_db, fmt):
    weights = None if weights_db is None else SimpleNamespace(sqnr_db=weights_db, qparams=QParams(0.1, 0, fmt))
    return SimpleNamespace(name=name, sqnr_db=sqnr_db, weights=weights, qparams=QParams(0.1, 0, UINT8))


def result(fmt, accuracy, size_bytes, ms, outputs, weights, float_ms=2.0):
    rows = zip(("input", "conv", "depthwise", "fc"), (56.0, *outputs), (None, *weights), strict=True)
    return SimpleNamespace(
        layers=tuple(layer(*row, fmt) for row in rows),
        accuracy=accuracy,
        float_accuracy=0.9638,
        size_bytes=size_bytes,
        float_size_bytes=15_025,
        latency=SimpleNamespace(median_ms=ms),
        float_latency=SimpleNamespace(median_ms=float_ms),
    )


INT8_RESULT = result(INT8, 0.961, 11_413, 1.6, (44.2, 38.7, 33.6), (48.7, 48.5, 42.6))
INT4_RESULT = result(INT4, 0.9081, 11_400, 1.5, (21.4, 19.4, 10.3), (24.2, 23.6, 17.4))
MEASURED = {"W8A8": INT8_RESULT, "W4A8": INT4_RESULT}
SIZES = {"float": 15_025, "W8A8": 11_413, "W4A8": 11_400}
ACCURACIES = {"float": 0.9638, "W8A8": 0.961, "W4A8": 0.9081}
TIMES = {"W8A8": 1.25, "W4A8": 2 / 1.5}
WHY = "With 4 bits the weights of fc keep only 17.4 dB, less than any other layer."


def report(**changed):
    whole = {
        "measured": MEASURED,
        "size_bytes": SIZES,
        "accuracy": ACCURACIES,
        "times_as_fast": TIMES,
        "failed": ["W4A8"],
        "why": WHY,
    }
    return Report(whole | changed)


def without(entry):
    return Report({key: value for key, value in report().items() if key != entry})


def broken(name, **changed):
    """Change one of the two results."""
    return MEASURED | {name: SimpleNamespace(**vars(MEASURED[name]) | changed)}


def no_loss():
    good = SimpleNamespace(**vars(INT4_RESULT) | {"accuracy": 0.9582})
    return {"measured": MEASURED | {"W4A8": good}, "accuracy": ACCURACIES | {"W4A8": 0.9582}}


# fmt: off
RIGHT = {
    1: [
        lambda w, bits: np.abs(w).max() / ((2**bits - 1) / 2),
        lambda w, bits: 2 * max(abs(w)) / (2**bits - 1),
        lambda w, bits: np.abs(w).max() / (2 ** (bits - 1) - 0.5),
        lambda w, bits: torch.from_numpy(w).abs().max() * 2 / (2**bits - 1),
        lambda w, bits: np.array([max(w.max(), -w.min()) / (((1 << bits) - 1) / 2)]),
        lambda w, bits: np.float32(np.linalg.norm(w, np.inf) / ((2**bits - 1) / 2)),
        lambda w, bits: max(w.max(), -w.min()) / ((2 ** (bits - 1) - 1 + 2 ** (bits - 1)) / 2),
    ],
    2: [(32_768, 16_384), [64 * 512, 64 * 512 / 2], np.array([32_768.0, 16_384.0]), torch.tensor([32_768, 16_384])],
    3: [
        counted_in_a_loop,
        lambda names: sum(name in PRODUCTS for name in names),
        lambda names: len([name for name in names if name in PRODUCTS]),
        lambda names: np.isin(names, PRODUCTS).sum(),
        lambda names: sum(map(names.count, PRODUCTS)),
        lambda names: float(sum(name.endswith("_pointwise") or name == "_int_mm" for name in names)),
        lambda names: sum(name.startswith(("qconv", "qlinear", "_int_mm")) for name in names),
    ],
    4: [(288, 32), [32 * 9, 32], np.array([288, 32]), (288.0, 32.0), torch.tensor([288, 32])],
    5: [
        report(),
        report(accuracy={"float": 96.38, "W8A8": 96.1, "W4A8": 90.81}),  # percent
        report(accuracy={"float": 0.96, "W8A8": 0.96, "W4A8": 0.91}),
        report(times_as_fast={"W8A8": 1.2, "W4A8": np.float64(1.33)}),
        report(size_bytes={"float": 15_000, "W8A8": 11_400, "W4A8": 11_400}),
        report(failed=("W4A8",)), report(failed={"w4a8"}), report(failed="W4A8"),
        report(why="FC is the weak one: its weights keep 17.4 dB, and its outputs 10.3 dB, so digits change."),
        report(why="In fc the outputs fall from 19.4 to 10.3 dB. Its 256 inputs share a scale with few levels."),
        report(**no_loss(), failed=[]), report(**no_loss(), failed="none"), report(**no_loss(), failed=()),
    ],
}
WRONG = {
    1: [
        lambda w, bits: np.abs(w).max() / (2 ** (bits - 1) - 1),
        lambda w, bits: np.abs(w).max() / 2**bits,
        lambda w, bits: np.abs(w).max() / (2**bits - 1),
        lambda w, bits: np.abs(w).max() / 2 ** (bits - 1),
        lambda w, bits: w.max() / ((2**bits - 1) / 2),
        lambda w, bits: -w.min() / ((2**bits - 1) / 2),
        lambda w, bits: (w.max() - w.min()) / (2**bits - 1),
        lambda w, bits: np.abs(w).max() / 127.5,
        lambda w, bits: np.abs(w).max() / ((2**bits - 1) // 2),
        lambda w, bits: np.abs(w).mean() / ((2**bits - 1) / 2),
        lambda w, bits: np.abs(w) / ((2**bits - 1) / 2),
        lambda w, bits: np.nan,
    ],
    2: [
        (16_384, 32_768), (32_768, 8_192), (32_768, 32_768), (131_072, 32_768), (131_072, 16_384),
        (64 * 512, 64 * 512 / 4),
        (32_768,), 32_768, (4 * 64 * 512, 2 * 64 * 512), (576, 288),
    ],
    3: [
        lambda names: sum("quantize_per_tensor" in name or "x" in name for name in names),
        lambda names: sum(name.startswith("q") for name in names),
        lambda names: sum("point" in name for name in names),
        lambda names: sum("conv" in name or "linear" in name for name in names),
        lambda names: sum(name in ("qconv_pointwise", "qlinear_pointwise") for name in names),
        lambda names: sum(name == "_int_mm" for name in names),
        lambda names: len(set(names) & set(PRODUCTS)),
        lambda names: any(name in PRODUCTS for name in names),
        lambda names: len(names),
        lambda names: 4,
        lambda names: [name for name in names if name in PRODUCTS],
        lambda names: sum(name in (*PRODUCTS, "addmm", "convolution") for name in names),
        lambda names: sum("int" in name for name in names),
    ],
    4: [(512, 32), (4608, 32), (288, 16), (32, 288), (144, 16), (9, 32), (288, 1), 288, (288, 32, 1), (4608, 512)],
    5: [
        *map(without, ("measured", "why", "failed")), 3, "W4A8 failed",
        report(measured=None), report(measured={"W8A8": INT8_RESULT}), report(measured=[INT8_RESULT, INT4_RESULT]),
        report(measured={"W8A8": 0.961, "W4A8": 0.9081}),
        report(measured={"W8A8": INT4_RESULT, "W4A8": INT8_RESULT}),
        report(measured={"W8A8": INT8_RESULT, "W4A8": INT8_RESULT}),
        report(measured=broken("W4A8", float_accuracy=0.98)),
        report(measured=broken("W4A8", latency=NOT_TIMED)),
        report(size_bytes=SIZES | {"W4A8": 15_025 / 8}),
        report(size_bytes={name: 8 * size for name, size in SIZES.items()}),
        report(size_bytes=SIZES | {"W4A8": 11_413 / 2}), report(size_bytes={"float": 15_025}),
        report(size_bytes=(15_025, 11_413, 11_400)),
        report(accuracy=ACCURACIES | {"W4A8": 0.95}), report(accuracy=ACCURACIES | {"float": 1.0}), report(accuracy={}),
        report(accuracy={"float": 0.961, "W8A8": 0.9638, "W4A8": 0.9081}),
        report(times_as_fast={"W8A8": 0.8, "W4A8": 0.75}), report(times_as_fast={"W8A8": 4, "W4A8": 8}),
        report(times_as_fast={"W8A8": None, "W4A8": None}),
        report(failed=None), report(failed=[]), report(failed=["W8A8"]), report(failed=["W8A8", "W4A8"]),
        report(failed=["W2"]), report(failed=True),
        report(**no_loss()),
        report(why=None), report(why="fc 17.4"),
        report(why="Because four bits are too few for a network like this one, of course."),
        report(why="With 4 bits the weights of conv keep 24.2 dB, and that is not enough here."),
        report(why="With four bits the weights of fc keep the fewest dB of all the layers."),
        report(why=["fc"]),
    ],
}
