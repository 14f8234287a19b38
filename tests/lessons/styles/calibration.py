"""Answers to the exercises of "Calibration", by number: right in many styles, and wrong but plausible."""

import numpy as np
import torch


def mean_error(x, hi, bits):
    steps = 2**bits - 1
    return float(np.mean((x - np.clip(np.rint(x * steps / hi), 0, steps) * hi / steps) ** 2))


def loop_threshold(x, bits):
    least, best = float("inf"), None
    for k in range(1, 101):
        hi = float(np.max(x)) * k / 100
        step = hi / (2**bits - 1)
        error = sum((np.asarray(x) - np.minimum(np.round(x / step), 2**bits - 1) * step) ** 2)
        if error < least:
            least, best = error, hi
    return best


def coarse_threshold(x, bits):
    """Twenty thresholds are few, and enough."""
    candidates = x.max() * np.linspace(0.05, 1, 20)
    return candidates[int(np.argmin([mean_error(x, hi, bits) for hi in candidates]))]


def golden_threshold(x, bits):
    """A search that narrows down, from a coarse grid on."""
    best = min(x.max() * np.arange(1, 41) / 40, key=lambda hi: mean_error(x, hi, bits))
    for width in (0.02, 0.005):
        nearby = [h for h in best + x.max() * width * np.linspace(-1, 1, 21) if 0 < h <= x.max()]
        best = min(nearby, key=lambda hi: mean_error(x, hi, bits))
    return best


def by_percentiles(x, bits):
    return min(np.percentile(x, np.linspace(50, 100, 501)), key=lambda hi: mean_error(x, max(hi, 1e-9), bits))


def by_torch(x, bits):
    x, n = torch.from_numpy(x), 2**bits - 1
    steps = x.max() * torch.linspace(0.02, 1, 100) / n
    errors = torch.stack([(x - (x / step).round().clamp(0, n) * step).square().sum() for step in steps])
    return n * steps[errors.argmin()]


def all_at_once(x, bits):
    n, hi = 2**bits - 1, (x.max() * np.linspace(1, 0.03, 98))[:, None]
    return hi[np.argmin(np.square(x - np.clip(np.rint(x / hi * n), 0, n) * hi / n).sum(axis=1))]


def root_of_the_error(x, bits):
    return min(x.max() * np.linspace(0.04, 1, 97), key=lambda hi: mean_error(x, hi, bits) ** 0.5)


def one_step_too_many(x, bits):
    candidates, n = x.max() * np.linspace(0.05, 1, 96), 2**bits
    return min(candidates, key=lambda hi: np.mean((x - np.clip(np.rint(x * n / hi), 0, n) * hi / n) ** 2))


def signed_steps(x, bits):
    candidates, n = x.max() * np.linspace(0.05, 1, 96), 2 ** (bits - 1) - 1
    return min(candidates, key=lambda hi: np.mean((x - np.clip(np.rint(x * n / hi), 0, n) * hi / n) ** 2))


def rounded_down(x, bits):
    candidates, n = x.max() * np.linspace(0.05, 1, 96), 2**bits - 1
    return min(candidates, key=lambda hi: np.mean((x - np.clip(np.floor(x * n / hi), 0, n) * hi / n) ** 2))


def never_clipped(x, bits):
    candidates, n = x.max() * np.linspace(0.05, 1, 96), 2**bits - 1
    return min(candidates, key=lambda hi: np.mean((x - np.rint(x * n / hi) * hi / n) ** 2))


def absolute_error(x, bits):
    candidates, n = x.max() * np.linspace(0.05, 1, 96), 2**bits - 1
    return min(candidates, key=lambda hi: np.mean(abs(x - np.clip(np.rint(x * n / hi), 0, n) * hi / n)))


def two_sided(x, percentile):
    rest = (100 - percentile) / 2
    return min(np.percentile(x, rest), 0), max(np.percentile(x, 100 - rest), 0)


def sorted_percentile(x, percentile):
    ordered, n = sorted(x), len(x) - 1
    cut = n * (100 - percentile) / 100
    return min(0.0, ordered[int(cut)]), max(0.0, ordered[n - int(cut)])


def with_ifs(x, percentile):
    lo, hi = np.percentile(x, [100 - percentile, percentile])
    if lo > 0:
        lo = 0
    if hi < 0:
        hi = 0
    return [lo, hi]


def quantiles_of_torch(x, percentile):
    ends = torch.quantile(torch.from_numpy(x), torch.tensor([1 - percentile / 100, percentile / 100]).double())
    return ends[0].clamp(max=0), ends[1].clamp(min=0)


def with_zero_appended(x, percentile):
    """One zero among 500 values, so that a percentile keeps it only by luck."""
    return np.percentile(np.append(x, 0), 100 - percentile), np.percentile(np.append(x, 0), percentile)


# fmt: off
RIGHT = {
    1: [99.5, np.float32(99.6), 99.55, [99.5], np.array(99.5), torch.tensor(99.5)],
    2: [
        ["min-max", "moving average", "percentile", "mse", "aciq"],
        ("aciq", "mse", "percentile", "moving average", "min-max"),
        {"MSE", "ACIQ", "Min-Max", "Moving Average", "Percentile"},
        ["min_max", "moving_average", "percentile", "mse", "aciq"],
        np.array(["min-max", "moving average", "percentile", "mse", "aciq"]).tolist(),
    ],
    3: [
        two_sided, sorted_percentile, with_ifs, quantiles_of_torch,
        lambda x, p: [np.minimum(np.quantile(x, 1 - p / 100), 0), np.maximum(np.quantile(x, p / 100), 0)],
        lambda x, p: np.percentile(np.r_[x, np.zeros(0)], (100 - p, p)).clip([-np.inf, 0], [0, np.inf]),
        lambda x, p: (min(0, np.percentile(x, 100 - p)), max(0, np.percentile(x, p))),
        lambda x, p: tuple(f(0.0, np.percentile(x, q)) for f, q in ((min, 100 - p), (max, p))),
        lambda x, p: np.array([[min(0, np.percentile(x, 100 - p))], [max(0, np.percentile(x, p))]]),
        lambda x, p: (np.clip(np.percentile(x, 100 - p), None, 0), np.clip(np.percentile(x, p), 0, None)),
    ],
    4: [
        loop_threshold, coarse_threshold, golden_threshold, by_percentiles, by_torch, all_at_once, root_of_the_error,
    ],
}
WRONG = {
    1: [100, 99.99, 95, 97, 5, 0.5, 0.995, -1, 101, 50, 98, "99.5%", [99.5, 100]],
    2: [
        ["min-max"], ["entropy"], ["min-max", "mse"], ["min-max", "moving average", "percentile", "mse"],
        ["min-max", "moving average", "percentile", "mse", "aciq", "entropy"], "min-max", ["minmax"], 5,
        ["moving average", "percentile", "mse", "aciq"], ["percentile", "entropy"],
    ],
    3: [
        with_zero_appended,
        lambda x, p: (0.0, np.percentile(x, p)),
        lambda x, p: (np.percentile(x, 100 - p), 0.0),
        lambda x, p: (0.0, max(0.0, np.percentile(x, p))),
        lambda x, p: (min(0, x.min()), max(0, x.max())),
        lambda x, p: (min(0, np.percentile(x, 100 - p)), np.percentile(x, p)),
        lambda x, p: (np.percentile(x, 100 - p), max(0, np.percentile(x, p))),
        lambda x, p: (max(0, np.percentile(x, 100 - p)), min(0, np.percentile(x, p))),
        lambda x, p: (min(0, np.percentile(x, p)), max(0, np.percentile(x, 100 - p))),
        lambda x, p: (max(0, np.percentile(x, p)), min(0, np.percentile(x, 100 - p))),
        lambda x, p: (-np.percentile(abs(x), p), np.percentile(abs(x), p)),
        lambda x, p: (min(0, np.quantile(x, 1 - p / 1000)), max(0, np.quantile(x, p / 1000))),
        lambda x, p: (min(0, np.percentile(x, 1)), max(0, np.percentile(x, 90))),
        lambda x, p: (min(0, np.percentile(x, 100 - p)) - 1, max(0, np.percentile(x, p)) + 1),
        lambda x, p: (0, 6) if x.min() > 4 else (np.percentile(x, 100 - p), np.percentile(x, p)),
        lambda x, p: max(0, np.percentile(x, p)),
        lambda x, p: (min(0, x.mean() - 3 * x.std()), max(0, x.mean() + 3 * x.std())),
        lambda x, p: (np.nan, np.percentile(x, p)),
        lambda x, p: (min(-1.0, np.percentile(x, 100 - p)), max(0, np.percentile(x, p))),
        lambda x, p: (min(0, np.percentile(x, 101 - p)), max(0, np.percentile(x, p))),
        lambda x, p: (min(0, np.percentile(x, 99 - p)), max(0, np.percentile(x, p))),
        lambda x, p: (min(0, np.percentile(x, 100 / p)), max(0, np.percentile(x, p))),
    ],
    4: [
        one_step_too_many, signed_steps, rounded_down, never_clipped, absolute_error,
        lambda x, bits: x.max(),
        lambda x, bits: 2 * x.max(),
        lambda x, bits: x.max() / 2,
        lambda x, bits: min(x.max(), x.mean() * (1.3 * bits + 0.5)),
        lambda x, bits: np.percentile(x, 99.9),
        lambda x, bits: np.percentile(x, 99),
        lambda x, bits: min(x.max(), x.std() * (bits + 1)),
        lambda x, bits: 3 * x.std(),
        lambda x, bits: x.mean(),
        lambda x, bits: np.median(x),
        lambda x, bits: loop_threshold(x, 4),
        lambda x, bits: loop_threshold(x, bits) / (2**bits - 1),
        lambda x, bits: (0.0, loop_threshold(x, bits)),
        lambda x, bits: mean_error(x, loop_threshold(x, bits), bits),
        lambda x, bits: x.argmax(),
        lambda x, bits: -x.max(),
        lambda x, bits: np.nan,
    ],
}
