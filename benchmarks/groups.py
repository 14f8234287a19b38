"""Calibration of an embedding of 30,522 x 384 weights, a scale for each channel or for each group of 32."""

import tracemalloc
import warnings

import numpy as np
import torch

from qviz.numerics import CALIBRATORS, INT8, SCHEMES, PerChannel, PerGroup, calibrate

from .frame import Row, interleaved, median, side_by_side, times

SHAPE, GROUP = (30_522, 384), 32
AT_MOST = {  # seconds, on two processors
    ("min-max", "groups"): 0.5, ("mse", "groups"): 6.0, ("mse", "channels"): 2.0, ("entropy", "channels"): 6.0,
}  # fmt: skip
LOOPED = 60  # channels that torch's HistogramObserver is timed on, one after another


def compare() -> list[Row]:
    x = (np.random.default_rng(0).standard_normal(SHAPE) * 0.04).astype(np.float32)
    rows = [
        of_ranges(x, what, granularity, scheme, peer)
        for what, granularity in (("channels", PerChannel(0)), ("groups", PerGroup(-1, GROUP)))
        for peer, schemes in (("observer", SCHEMES[:1]), ("torchao", SCHEMES))
        for scheme in schemes
    ]
    rows.append(of_histograms(x))
    for method in CALIBRATORS:
        for what, granularity in (("channels", PerChannel(0)), ("groups", PerGroup(-1, GROUP))):
            if (method, what) != ("entropy", "groups"):  # no more than 32 values on 256 bins: nobody asks for it
                rows.append(of_method(x, method, what, granularity))
    return rows


def of_ranges(x: np.ndarray, what: str, granularity, scheme: str, peer: str) -> Row:
    """torchao finds both ends of 32 values in 14 ns; NumPy takes 10 for each of them before it looks at a value."""
    size = x.shape[1] if granularity == PerChannel(0) else GROUP
    of_peer = of_observer if peer == "observer" else of_torchao
    ours, theirs = calibrate_with("min-max", x, granularity, scheme), of_peer(torch.from_numpy(x), size, scheme)
    # They subtract and divide in float32, and divide a symmetric range by (qmax - qmin) / 2.
    factor = 1 if scheme == "affine" else 127.5 / 127
    apart = np.abs(theirs() * factor / ours().scale.ravel() - 1).max()
    return side_by_side(f"min-max {what}, {scheme}", ours, {"torchao": "choose_qparams"}.get(peer, "its observer"),
                        theirs, 1, 5, [f"{ours().scale.size:,} scales, {apart:.0e} apart at most"],
                        apart < 1e-6)  # fmt: skip


def of_observer(x: torch.Tensor, size: int, scheme: str):
    from torch.ao.quantization import PerChannelMinMaxObserver

    def scales() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            observer = PerChannelMinMaxObserver(dtype=torch.qint8, qscheme=torch.per_channel_affine)
            observer(x.reshape(-1, size))
            return observer.calculate_qparams()[0].numpy()

    return scales


def of_torchao(x: torch.Tensor, size: int, scheme: str):
    from torchao.quantization.quant_primitives import MappingType, choose_qparams_affine

    kind = MappingType.ASYMMETRIC if scheme == "affine" else MappingType.SYMMETRIC
    return lambda: choose_qparams_affine(x, kind, (1, size), torch.int8)[0].numpy().ravel()


def of_histograms(x: np.ndarray) -> Row:
    """torch has no observer of many histograms, so one is made for each channel."""
    from torch.ao.quantization import HistogramObserver

    def theirs() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for channel in torch.from_numpy(x[:LOOPED]):
                observer = HistogramObserver(dtype=torch.qint8)
                observer(channel)
                observer.calculate_qparams()

    few = x[:LOOPED]
    return side_by_side(
        f"mse, {LOOPED} channels", calibrate_with("mse", few, PerChannel(0)), "HistogramObserver", theirs, 1, 3
    )


def of_method(x: np.ndarray, method: str, what: str, granularity) -> Row:
    ours = calibrate_with(method, x, granularity)
    seconds, _ = interleaved(ours, lambda: None, 3)
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1] / x.nbytes
    tracemalloc.stop()
    limit = AT_MOST.get((method, what), float("inf"))
    fast = median(seconds) <= limit and peak <= 2  # and the tensor itself: three times its size
    target = f"<={limit:g} s" if limit < float("inf") else ""
    note = f"peak memory {peak:.2f} times the tensor, on top of it"
    return Row(f"{method}, {what}", seconds, "", [], times(median(seconds))[:-1] + " s", target, fast, [note])


def calibrate_with(method: str, x: np.ndarray, granularity, scheme: str = "affine"):
    return lambda: calibrate(x, method, INT8, scheme, granularity)
