"""Answers to the exercises of "Weights, activations, biases", by number: right in many styles, and wrong."""

import numpy as np
import torch


def one_by_one(bias, scale_x, scale_w):
    scales = np.broadcast_to(scale_w, bias.shape)
    return np.array([round(float(b / (scale_x * s))) for b, s in zip(bias, scales, strict=True)])


def in_torch(bias, scale_x, scale_w):
    return torch.round(torch.from_numpy(bias) / (scale_x * torch.as_tensor(scale_w))).int()


def in_a_loop(bias, w, w_hat, mean_x):
    bias = bias.copy()
    for o in range(len(bias)):
        bias[o] -= sum((w_hat[o, i] - w[o, i]) * mean_x[i] for i in range(len(mean_x)))
    return bias


def in_place(bias, w, w_hat, mean_x):
    w_hat -= w
    bias -= w_hat @ mean_x
    return bias


def first_output_alone(bias, w, w_hat, mean_x):
    shift = (w_hat - w) @ mean_x
    return bias - shift[0]


# fmt: off
RIGHT = {
    1: [3, 3.0, np.int8(3), [3], np.array(3), torch.tensor(3), len(range(3))],
    2: [12, 12.0, np.int64(12), [12], np.array([12]), 3 * 2**2],
    3: [
        one_by_one, in_torch,
        lambda bias, scale_x, scale_w: np.round(bias / scale_x / scale_w).astype(np.int32),
        lambda bias, scale_x, scale_w: np.array(np.rint(bias / np.multiply(scale_x, scale_w)), "int32"),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * scale_w)).astype(np.int64),
        lambda bias, scale_x, scale_w: np.int32(np.around(bias * (1 / (scale_x * scale_w)))),
        lambda bias, scale_x, scale_w: np.floor(bias / (scale_x * scale_w) + 0.5).astype(int),
        lambda bias, scale_x, scale_w: np.rint(bias / scale_w / scale_x).astype("i4"),
        lambda bias, scale_x, scale_w: [int(c) for c in np.rint(bias / (scale_x * scale_w))],
    ],
    4: [
        in_a_loop, in_place,
        lambda bias, w, w_hat, mean_x: bias + (w - w_hat) @ mean_x,
        lambda bias, w, w_hat, mean_x: bias + w @ mean_x - w_hat @ mean_x,
        lambda bias, w, w_hat, mean_x: np.float32(bias) - np.float32(w_hat - w) @ np.float32(mean_x),
        lambda bias, w, w_hat, mean_x: bias - np.einsum("oi,i->o", w_hat - w, mean_x),
        lambda bias, w, w_hat, mean_x: bias - ((w_hat - w) * mean_x).sum(axis=1),
        lambda bias, w, w_hat, mean_x: bias - np.dot(mean_x, (w_hat - w).T),
        lambda bias, w, w_hat, mean_x: [b - np.dot(e, mean_x) for b, e in zip(bias, w_hat - w, strict=True)],
        lambda bias, w, w_hat, mean_x:
            torch.tensor(bias) - (torch.tensor(w_hat) - torch.tensor(w)) @ torch.tensor(mean_x),
    ],
}
WRONG = {
    1: [2, 4, 5, 6, 7, 8, 9, 1, 0, 3.5, -3, 32, "three", [3, 4]],
    2: [8, 6, 11, 10, 13, 16, 32, 0, 12.5, "int32"],
    3: [
        lambda bias, scale_x, scale_w: np.rint(bias / scale_w).astype(np.int64),
        lambda bias, scale_x, scale_w: np.rint(bias / scale_x).astype(np.int32),
        lambda bias, scale_x, scale_w: bias / (scale_x * scale_w),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * scale_w)),
        lambda bias, scale_x, scale_w: (bias / (scale_x * scale_w)).astype(np.int32),
        lambda bias, scale_x, scale_w: np.floor(bias / (scale_x * scale_w)).astype(np.int32),
        lambda bias, scale_x, scale_w: np.ceil(bias / (scale_x * scale_w)).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * scale_w)).astype(np.int8),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * scale_w)).astype(np.int16),
        lambda bias, scale_x, scale_w: np.clip(np.rint(bias / (scale_x * scale_w)), -128, 127).astype(np.int32),
        lambda bias, scale_x, scale_w: np.clip(np.rint(bias / (scale_x * scale_w)), 0, None).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias * scale_x * scale_w).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x + scale_w)).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias * scale_x / scale_w).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * np.mean(scale_w))).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * np.max(scale_w))).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(np.rint(bias / scale_x) / scale_w).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias / (scale_x * scale_w)).astype(np.uint32),
        lambda bias, scale_x, scale_w: np.rint(bias / 0.0001).astype(np.int32),
        lambda bias, scale_x, scale_w: np.rint(bias[:, None] / (scale_x * np.atleast_1d(scale_w))).astype(np.int32),
    ],
    4: [
        first_output_alone,
        lambda bias, w, w_hat, mean_x: bias + (w_hat - w) @ mean_x,
        lambda bias, w, w_hat, mean_x: bias - (w_hat - w).sum(axis=1),
        lambda bias, w, w_hat, mean_x: bias - (w_hat - w).mean(axis=1),
        lambda bias, w, w_hat, mean_x: bias - w_hat @ mean_x,
        lambda bias, w, w_hat, mean_x: bias + w @ mean_x,
        lambda bias, w, w_hat, mean_x: -(w_hat - w) @ mean_x,
        lambda bias, w, w_hat, mean_x: bias - np.abs(w_hat - w) @ mean_x,
        lambda bias, w, w_hat, mean_x: bias - (w_hat - w) @ np.ones_like(mean_x) * mean_x.mean(),
        lambda bias, w, w_hat, mean_x: bias - ((w_hat - w) @ mean_x).mean(),
        lambda bias, w, w_hat, mean_x: bias - ((w_hat - w) @ mean_x) / len(mean_x),
        lambda bias, w, w_hat, mean_x: bias - 0.5 * (w_hat - w) @ mean_x,
        lambda bias, w, w_hat, mean_x: bias * np.nan,
        lambda bias, w, w_hat, mean_x: bias * (w @ mean_x) / (w_hat @ mean_x),
        lambda bias, w, w_hat, mean_x: bias - np.rint((w_hat - w) @ mean_x),
        lambda bias, w, w_hat, mean_x: (bias - (w_hat - w) @ mean_x)[:, None],
        lambda bias, w, w_hat, mean_x: bias - (w_hat - w) * mean_x,
        lambda bias, w, w_hat, mean_x: bias - (w_hat - w).T[:4, :4] @ mean_x[:4],
        lambda bias, w, w_hat, mean_x: float((bias - (w_hat - w) @ mean_x)[0]),
    ],
}
