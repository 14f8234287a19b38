"""The straight-through estimator: numerics' values, torch's gradients, and a derivative the staircase does not have.

Ties: torch multiplies by 1 / scale where qviz divides. A value within 1e-4 of the middle of two codes may so be
rounded to the other one, and, at the end of the range, be clipped or not. There, one step is allowed.
"""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.ao import quantization

from qviz.numerics import IntFormat, PerChannel, PerTensor, QParams, fake_quantize
from qviz.pytorch import engines
from qviz.pytorch.straight_through import FakeQuantize, clipped_identity, straight_through

FORMATS = [IntFormat(bits, signed) for bits in (2, 3, 4, 8) for signed in (False, True)]
GRIDS = [([0.37], None), ([0.013, 0.4, 2.5], 0), ([0.02, 0.5, 1.0, 3.0], 1)]


def values(seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(3, 4, 500, generator=generator) * 4).to(dtype)


def grid(scales, fmt):
    zero_points = [(fmt.qmin + fmt.qmax) // 2 + i % 2 for i in range(len(scales))]
    return torch.tensor(scales), torch.tensor(zero_points, dtype=torch.int32)


def run(function, x, *arguments):
    """Return values and gradients, with another upstream gradient for each value."""
    x = x.clone().requires_grad_()
    y = function(x, *arguments)
    y.backward(torch.linspace(-1, 1, x.numel(), dtype=x.dtype).reshape(x.shape))
    return y.detach(), x.grad


def along(parameter, axis, ndim):
    return parameter if axis is None else parameter.reshape([-1 if a == axis else 1 for a in range(ndim)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize(("scales", "axis"), GRIDS, ids=["tensor", "axis 0", "axis 1"])
def test_values_are_those_of_numerics(fmt, scales, axis, dtype):
    x, (scale, zero) = values(dtype=dtype), grid(scales, fmt)
    shape = () if axis is None else (-1, 1)
    granularity = PerTensor() if axis is None else PerChannel(axis)
    qparams = QParams(scale.double().reshape(shape).numpy(), zero.reshape(shape).numpy(), fmt, granularity)
    mine = straight_through(x, scale, zero, fmt.qmin, fmt.qmax, axis)
    assert mine.dtype == dtype
    np.testing.assert_array_equal(mine.numpy(), fake_quantize(x.numpy(), qparams))


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize(("scales", "axis"), GRIDS, ids=["tensor", "axis 0", "axis 1"])
def test_values_and_gradients_are_those_of_torch(fmt, scales, axis):
    x, (scale, zero) = values(1), grid(scales, fmt)
    mine, my_slope = run(straight_through, x, scale, zero, fmt.qmin, fmt.qmax, axis)
    if axis is None:
        theirs = run(torch.fake_quantize_per_tensor_affine, x, scale, zero, fmt.qmin, fmt.qmax)
    else:
        theirs = run(torch.fake_quantize_per_channel_affine, x, scale, zero, axis, fmt.qmin, fmt.qmax)
    steps = x / along(scale, axis, x.ndim)
    tie = ((steps - steps.floor()) - 0.5).abs() < 1e-4
    off = (mine - theirs[0]).abs() / along(scale, axis, x.ndim)
    assert tie.double().mean() < 0.01
    assert off[~tie].max() == 0
    assert off.max() <= 1.001
    assert torch.equal(my_slope[~tie], theirs[1][~tie])


def test_by_hand():
    # codes -2..1 of scale 0.5: -1, -0.5, 0, 0.5; what rounds to -3 or 2 is clipped and gets no gradient
    x = torch.tensor([-1.3, -1.2, -0.7, -0.25, 0.2, 0.7, 0.8], requires_grad=True)
    y = straight_through(x, 0.5, 0, -2, 1)
    y.sum().backward()
    assert y.tolist() == [-1, -1, -0.5, 0, 0, 0.5, 0.5]
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


def finite_difference(function, x, h=1e-6):
    return (function(x + h) - function(x - h)) / (2 * h)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_the_slope_is_that_of_the_clipped_identity_not_of_the_staircase(fmt):
    zero = (fmt.qmin + fmt.qmax) // 2
    scale = 10 / fmt.levels
    arguments = (scale, zero, fmt.qmin, fmt.qmax)
    x = values(2, torch.float64).flatten()
    away = ((x / scale - (x / scale).floor()) - 0.5).abs() > 1e-4  # the difference must not step over an edge
    x = x[away].requires_grad_()
    straight_through(x, *arguments).sum().backward()
    surrogate = finite_difference(lambda t: clipped_identity(t, *arguments), x.detach())
    staircase = finite_difference(lambda t: straight_through(t, *arguments), x.detach())
    torch.testing.assert_close(x.grad, surrogate, rtol=0, atol=1e-8)
    assert staircase.abs().max() == 0
    assert 0 < x.grad.mean() < 1


def test_the_clipped_identity_has_the_gradient_autograd_says():
    x = torch.tensor([[-2.0, -0.9, 0.3], [0.1, 1.4, 5.0]], dtype=torch.float64, requires_grad=True)
    scale, zero = torch.tensor([0.5, 0.3]), torch.tensor([0, 1])
    assert torch.autograd.gradcheck(lambda t: clipped_identity(t, scale, zero, -2, 1, 0), x)


def test_a_weight_creeps_across_an_edge_though_the_staircase_is_flat():
    # loss (y - 1)^2 with y = round(w) in steps of 1: while w rounds to 0 the slope is -2, so w gains 0.2 a step
    w = torch.tensor([0.0], requires_grad=True)
    seen = []
    for _ in range(4):
        y = straight_through(w, 1.0, 0, -2, 1)
        seen.append((round(float(w.detach()), 4), float(y.detach())))
        (slope,) = torch.autograd.grad(((y - 1) ** 2).sum(), w)
        w = (w - 0.1 * slope).detach().requires_grad_()
    assert seen == [(0.0, 0.0), (0.2, 0.0), (0.4, 0.0), (0.6, 1.0)]


def test_out_of_the_ordinary():
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 3e38, 1e-45], requires_grad=True)
    y = straight_through(x, 0.25, 0, -8, 7)
    y.sum().backward()
    assert y[0].isnan() and y[1:].tolist() == [1.75, -2, 1.75, 0]
    assert x.grad.tolist() == [0, 0, 0, 0, 1]
    assert straight_through(torch.empty(0, 3), 0.25, 0, -8, 7).shape == (0, 3)
    assert straight_through(torch.tensor(0.3), 0.25, 0, -8, 7) == 0.25
    turned = values().transpose(0, 2)
    assert torch.equal(straight_through(turned, 0.25, 0, -8, 7), straight_through(turned.contiguous(), 0.25, 0, -8, 7))


def test_it_is_differentiable_once():
    x = torch.tensor([0.3], requires_grad=True)
    (slope,) = torch.autograd.grad(straight_through(x, 0.25, 0, -8, 7).pow(2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((torch.ones(2), 1.0, 0, 3, 3), ValueError, "quant_min must be below quant_max: got 3 and 3"),
        ((torch.ones(2, dtype=torch.int64), 1.0, 0, 0, 3), TypeError, r"x must hold floats.*int64; use x.float\(\)"),
        ((torch.ones(2, 3), torch.ones(2), torch.zeros(2), 0, 3), ValueError, "must be 1 scales.*got 2 and 2"),
        ((torch.ones(2, 3), torch.ones(2), torch.zeros(2), 0, 3, 1), ValueError, "must be 3 scales.*got 2 and 2"),
        ((torch.ones(2, 3), 1.0, 0, 0, 3, 2), ValueError, r"axis must be from -2 to 1 for shape \(2, 3\): got 2"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        straight_through(*arguments)
    with pytest.raises(error, match=text):
        clipped_identity(*arguments)


def modules(bits, per_channel):
    fmt = IntFormat(bits)
    observer = "MovingAveragePerChannelMinMaxObserver" if per_channel else "MovingAverageMinMaxObserver"
    arguments = {
        "observer": getattr(quantization, observer),
        "quant_min": fmt.qmin,
        "quant_max": fmt.qmax,
        "dtype": torch.qint8,
        "qscheme": torch.per_channel_symmetric if per_channel else torch.per_tensor_symmetric,
    }
    with engines.quiet():
        return FakeQuantize(**arguments), quantization.FakeQuantize(**arguments)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_module_does_what_torchs_does(bits, per_channel):
    mine, theirs = modules(bits, per_channel)
    for seed in range(3):  # the moving average moves
        x = values(seed)
        (a, a_slope), (b, b_slope) = run(mine, x), run(theirs, x)
        assert torch.equal(mine.scale, theirs.scale) and torch.equal(mine.zero_point, theirs.zero_point)
        scale = along(mine.scale, 0 if per_channel else None, x.ndim)
        tie = ((x / scale - (x / scale).floor()) - 0.5).abs() < 1e-4
        assert torch.equal(a[~tie], b[~tie]) and torch.equal(a_slope[~tie], b_slope[~tie])


def test_the_module_can_be_switched_saved_and_copied():
    mine, _ = modules(4, per_channel=True)
    x = values()
    y = mine(x)
    mine.disable_observer()
    mine(x * 100)
    assert torch.equal(mine(x), y)
    other, _ = modules(4, per_channel=True)
    other.load_state_dict(mine.state_dict())
    assert torch.equal(other(x), y) and torch.equal(copy.deepcopy(mine)(x), y)
    mine.disable_fake_quant()
    assert torch.equal(mine(x), x)
