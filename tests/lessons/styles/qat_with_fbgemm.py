"""Answers to the exercises of "Quantization-aware training with fbgemm", by number: right in many styles, and wrong."""

import numpy as np
import torch


def slope_in_torch(x, scale, zero_point, qmin, qmax):
    values = torch.tensor(x, requires_grad=True)
    torch.fake_quantize_per_tensor_affine(values, scale, zero_point, qmin, qmax).sum().backward()
    return values.grad


def slope_by_codes(x, scale, zero_point, qmin, qmax):
    codes = np.rint(x / scale) + zero_point
    return np.isin(codes, np.arange(qmin, qmax + 1)).astype(np.float32)


def slope_by_ends(x, scale, zero_point, qmin, qmax):
    return ((x >= (qmin - zero_point - 0.5) * scale) & (x <= (qmax - zero_point + 0.5) * scale)).astype(int)


def step_in_a_loop(w, x, y, scale, qmin, qmax, lr):
    codes = [round(float(v / scale)) for v in w]
    w_hat = [scale * min(max(c, qmin), qmax) for c in codes]
    errors = [sum(a * b for a, b in zip(row, w_hat, strict=True)) - target for row, target in zip(x, y, strict=True)]
    new = []
    for i in range(len(w)):
        slope = sum(error * x[n][i] for n, error in enumerate(errors)) / len(errors)
        new.append(w[i] - (lr * slope if qmin <= codes[i] <= qmax else 0.0))
    return new


def step_by_autograd(w, x, y, scale, qmin, qmax, lr):
    w, x, y = torch.tensor(w, requires_grad=True), torch.tensor(x), torch.tensor(y)
    w_hat = torch.fake_quantize_per_tensor_affine(w.float(), scale, 0, qmin, qmax).double()
    ((x @ w_hat - y).square().mean() / 2).backward()
    return w - lr * w.grad


def step_with_detach(w, x, y, scale, qmin, qmax, lr):
    """The trick that people write: a clipped identity, and a difference that has no gradient."""
    w = torch.nn.Parameter(torch.from_numpy(w))
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    clipped = torch.where((w / scale).round().clamp(qmin, qmax) == (w / scale).round(), w, w.detach())
    w_hat = clipped + (scale * (w / scale).round().clamp(qmin, qmax) - clipped).detach()
    loss = 0.5 * torch.mean((x @ w_hat - y) ** 2)
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
    return w.detach().numpy()


def step_in_place(w, x, y, scale, qmin, qmax, lr):
    codes = np.rint(w / scale)
    inside = np.clip(codes, qmin, qmax) == codes
    gradient = ((np.clip(codes, qmin, qmax) * scale @ x.T - y)[:, None] * x).mean(axis=0)
    w[inside] -= lr * gradient[inside]
    return w


def step_with_where(w, x, y, scale, qmin, qmax, lr):
    codes = np.round(w / scale)
    output = np.dot(x, scale * np.minimum(np.maximum(codes, qmin), qmax))
    gradient = np.einsum("ni,n->i", x, output - y) / x.shape[0]
    return w - np.where((codes < qmin) | (codes > qmax), 0, lr * gradient)


def level(w, s, a, b):
    return s * np.clip(np.rint(w / s), a, b)


def has_code(w, s, a, b):
    return (np.rint(w / s) >= a) & (np.rint(w / s) <= b)


def step(
    forward=level,
    start=lambda w, w_hat: w,
    rows=len,
    inside=has_code,
    factor=1.0,
    after=lambda w, s, a, b: w,
):
    """Make a step with one thing changed."""

    def qat_step(w, x, y, scale, qmin, qmax, lr):
        w_hat = forward(w, scale, qmin, qmax)
        gradient = factor * x.T @ (x @ w_hat - y) / rows(y)
        return after(start(w, w_hat) - lr * gradient * inside(w, scale, qmin, qmax), scale, qmin, qmax)

    return qat_step


def half_away(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def target_of_the_weights(w, x, y, scale, qmin, qmax, lr):
    """Pull each weight to its level: no gradient of a loss at all."""
    return w - lr * (w - scale * np.clip(np.rint(w / scale), qmin, qmax))


def one_weight(w, x, y, scale, qmin, qmax, lr):
    return np.r_[step()(w, x, y, scale, qmin, qmax, lr)[:1], w[1:]]


def everything(w, s, a, b):
    return np.ones_like(w)


# fmt: off
RIGHT = {
    1: [4, 4.0, np.int64(4), [4], np.array(4), torch.tensor(4), 2**2],
    2: [
        (0.15, 0.15, 0.3), [0.17, 0.17, 0.4], np.array([0.15, 0.16, 0.25]), torch.tensor([0.15, 0.15, 0.3]),
        (-0.15, -0.16, 0.5),
    ],
    3: [
        slope_in_torch, slope_by_codes, slope_by_ends,
        lambda x, s, z, a, b: ((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b)) * 1.0,
        lambda x, s, z, a, b: (np.clip(np.rint(x / s) + z, a, b) == np.rint(x / s) + z).astype(float),
        lambda x, s, z, a, b: np.array([float(a <= round(float(v / s)) + z <= b) for v in x]),
        lambda x, s, z, a, b: [1 if a <= np.rint(v / s) + z <= b else 0 for v in x],
        lambda x, s, z, a, b: (np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b),
        lambda x, s, z, a, b: 1.0 - ((np.rint(x / s) + z < a) | (np.rint(x / s) + z > b)),
        lambda x, s, z, a, b: np.vectorize(lambda v: 1.0 if a - 0.5 <= v / s + z <= b + 0.5 else 0.0)(x),
        lambda x, s, z, a, b: (np.diff([np.clip(x - 1e-7, (a - z - 0.5) * s, (b - z + 0.5) * s),
                                        np.clip(x + 1e-7, (a - z - 0.5) * s, (b - z + 0.5) * s)], axis=0)[0] > 0),
    ],
    4: [
        step_in_a_loop, step_by_autograd, step_with_detach, step_in_place, step_with_where, step(),
        lambda *case: step()(*case).astype(np.float32),
        lambda *case: step()(*case)[:, None],
        lambda w, x, y, s, a, b, lr: step_with_where(np.float64(w), x.copy(), y, float(s), int(a), int(b), lr).tolist(),
    ],
}
WRONG = {
    1: [3, 5, 6, 0, 10, -4, 3.5, 4.5, 35, "four", [3, 4], 40],
    2: [
        (0.1, 0.7, 0.05), (0.1, 1 / 3, 0.05), (1.9, 0.5, 0.3), (0.1, 0.5, 3), (0.15, 0.15), (0.0, 0.0, 0.1),
        (0.15, 0.15, 0),
        (0.15, 0.15, -0.3), (-1.9, 1.9, 0.5), (0.2, 0.9, 0.3), (3, 0.15, 0.3), "0.15, 0.15, 0.3",
    ],
    3: [
        lambda x, s, z, a, b: np.zeros_like(x),
        lambda x, s, z, a, b: np.ones_like(x) * 1.0,
        lambda x, s, z, a, b: 1.0 * (np.abs(x) <= s * b),
        lambda x, s, z, a, b: 1.0 * (x / s + z >= a),
        lambda x, s, z, a, b: 1.0 * (x / s + z <= b),
        lambda x, s, z, a, b: 1.0 * ((x / s + z >= a) & (x / s + z <= b)),  # without the last half steps
        lambda x, s, z, a, b: 1.0 * ((np.rint(x / s) + z > a) & (np.rint(x / s) + z < b)),
        lambda x, s, z, a, b: 1.0 * ((np.rint(x / s) >= a) & (np.rint(x / s) <= b)),  # without the zero point
        lambda x, s, z, a, b: 1.0 * ((np.rint(x / s) - z >= a) & (np.rint(x / s) - z <= b)),
        lambda x, s, z, a, b: 1.0 * ((np.rint(x / s + z) >= a) & (np.rint(x / s + z) <= b - 1)),
        lambda x, s, z, a, b: 1.0 * ((np.rint(x / s) + z < a) | (np.rint(x / s) + z > b)),  # upside down
        lambda x, s, z, a, b: 1.0 * ((x >= a) & (x <= b)),
        lambda x, s, z, a, b: 1.0 * ((x * s + z >= a) & (x * s + z <= b)),
        lambda x, s, z, a, b: 1.0 * ((np.floor(x / s) + z >= a) & (np.floor(x / s) + z <= b)),
        lambda x, s, z, a, b: 1.0 * ((np.trunc(x / s) + z >= a) & (np.trunc(x / s) + z <= b)),
        lambda x, s, z, a, b: s * ((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b)),
        lambda x, s, z, a, b: np.where((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b), 1.0, -1.0),
        lambda x, s, z, a, b: np.where((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b), 1.0, np.nan),
        lambda x, s, z, a, b: np.where((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b), x, 0.0),
        lambda x, s, z, a, b: np.clip(1.0 * (np.rint(x / s) + z), a, b),
        lambda x, s, z, a, b: 1.0 * ((np.rint(x / s) + z >= -8) & (np.rint(x / s) + z <= 7)),
        lambda x, s, z, a, b: float(np.all((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b))),
        lambda x, s, z, a, b: (np.rint(x / s) == x / s) * 1.0,  # the true slope, nearly everywhere
    ],
    4: [
        target_of_the_weights, one_weight,
        step(forward=lambda w, s, a, b: w),
        step(forward=lambda w, s, a, b: s * np.rint(w / s)),
        step(forward=lambda w, s, a, b: np.clip(np.rint(w / s), a, b)),
        step(forward=lambda w, s, a, b: s * np.clip(np.trunc(w / s), a, b)),
        step(forward=lambda w, s, a, b: s * np.clip(np.floor(w / s), a, b)),
        step(forward=lambda w, s, a, b: s * np.clip(half_away(w / s), a, b)),
        step(forward=lambda w, s, a, b: s * np.clip(np.rint(w / s), a, b + 1)),
        step(forward=lambda w, s, a, b: s * np.clip(np.rint(w / s), a + 1, b)),
        step(forward=lambda w, s, a, b: s * np.clip(np.rint(w / s), 0, b)),
        step(start=lambda w, w_hat: w_hat),
        step(after=lambda w, s, a, b: s * np.clip(np.rint(w / s), a, b)),
        step(after=lambda w, s, a, b: np.clip(w, a * s, b * s)),
        step(inside=everything),
        step(inside=lambda w, s, a, b: 0 * w),
        step(inside=lambda w, s, a, b: (w >= a * s) & (w <= b * s)),
        step(inside=lambda w, s, a, b: np.rint(w / s) <= b),
        step(inside=lambda w, s, a, b: np.rint(w / s) >= a),
        step(inside=lambda w, s, a, b: abs(np.rint(w / s)) <= b),
        step(inside=lambda w, s, a, b: (np.rint(w / s) < a) | (np.rint(w / s) > b)),
        step(factor=2.0), step(factor=-1.0), step(rows=lambda y: 1), step(rows=lambda y: 12), step(factor=0.5),
        lambda w, x, y, s, a, b, lr: step()(w, x, y, s, a, b, 0.1),
        lambda w, x, y, s, a, b, lr: step()(w, x, y, s, -8, 7, lr),
        lambda w, x, y, s, a, b, lr: step()(w, x, y, s, a, b, lr) - w,
        lambda w, x, y, s, a, b, lr: (step()(w, x, y, s, a, b, lr), 0.0),
        lambda w, x, y, s, a, b, lr: step()(w, x[:1], y[:1], s, a, b, lr),
        lambda w, x, y, s, a, b, lr: step()(w, x, y, np.abs(w).max() / b, a, b, lr),
        lambda w, x, y, s, a, b, lr: step()(w, x, 0 * y, s, a, b, lr),
        lambda w, x, y, s, a, b, lr: step()(w, np.sign(x), y, s, a, b, lr),
    ],
}
