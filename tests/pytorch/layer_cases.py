"""One small network for each layer and each operation that torch.ao can quantize, and what is decided for it.

The decision is a word for each flow (eager, fx, and qat, which is eager too):

"integers"   it runs on codes, and the simulation answers as the kernel does
"averages"   the same, and many of its exact results lie halfway between two codes: there the two may part by one
"float"      it stays float, and the rest of the network is quantized
other words  it is refused with a sentence in which these stand

`narrow` is the decision for activations of fewer than 8 bits, where that is another one, and `narrow_fx` in FX.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn import intrinsic
from torch.ao.nn.quantized import FloatFunctional
from torch.nn import functional as F

ROWS = 64
NO_KERNEL = "torch has no kernel"
NOT_EAGER = "is not quantized in the eager flow: set model"
FIXED = "gives out codes of 8 bits always"
FIRST = "puts codes of different scales on that of the first"
WEIGHT = "calls torch.nn.functional.linear or a convolution with its own weight"
ELSEWHERE = "is made for another backend of torch"
NOT_TRAINED = "has no form that can be trained with quantization in it"


@dataclass(frozen=True)
class Case:
    """A network between a QuantStub and a DeQuantStub, the shape of one of its inputs, and what is decided."""

    layers: tuple
    shape: tuple
    forward: object = None
    eager: str = "integers"
    fx: str = "integers"
    qat: str = "integers"
    narrow: str = ""
    narrow_fx: str = ""
    per_channel: bool = True
    first_float: object = None

    def build(self) -> nn.Module:
        """Return a network with weights of its own, the same each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = Network(self)
            for module in model.modules():
                if getattr(module, "running_mean", None) is not None:
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2)
        return model.eval()

    def inputs(self) -> torch.Tensor:
        """Return inputs; where an embedding comes first, whole numbers as floats."""
        generator = torch.Generator().manual_seed(1)
        if self.first_float is not None:
            return torch.randint(0, 10, (ROWS, *self.shape), generator=generator).float()
        return torch.randn((ROWS, *self.shape), generator=generator)

    def decided(self, flow: str, bits: int) -> str:
        """Return the decision for a flow and a number of bits of activations."""
        decision = getattr(self, flow)
        if flow == "fx" and bits < 8 and self.narrow_fx:
            return self.narrow_fx
        return self.narrow if self.narrow and bits < 8 and decision in ("integers", "averages") else decision


class Network(nn.Module):
    """Quantize, run the layers or the forward of a case, flatten, dequantize."""

    def __init__(self, case: Case):
        super().__init__()
        self.before = None if case.first_float is None else case.first_float()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.layers = nn.Sequential(*(make() for make in case.layers))
        self.functional, self.run = FloatFunctional(), case.forward

    def forward(self, x):
        """Return numbers (n, ...)."""
        if self.before is not None:
            x = self.before(x.long())
        x = self.quant(x)
        x = self.layers(x) if self.run is None else self.run(self, x)
        return self.dequant(x.flatten(1))


def linear(inputs=6, outputs=8):
    return lambda: nn.Linear(inputs, outputs)


def conv(dims, outputs=8, **options):
    return lambda: getattr(nn, f"Conv{dims}d")(3, outputs, 3, **options)


IMAGE = {1: (3, 9), 2: (3, 6, 6), 3: (3, 5, 5, 5)}


def behind_linear(layer, **decisions):
    return Case((linear(), layer), (6,), **decisions)


def behind_conv(layer, dims=2, **decisions):
    return Case((conv(dims), layer), IMAGE[dims], **decisions)


def two(function, **decisions):
    """Return a case with an operation of the input and what a linear layer makes of it."""
    return Case((linear(6, 6),), (6,), lambda net, x: function(net, x, net.layers(x)), **decisions)


def one(function, **decisions):
    return Case((linear(6, 6),), (6,), lambda net, x: function(net, net.layers(x)), **decisions)


def on_image(function, **decisions):
    return Case((conv(2),), IMAGE[2], lambda net, x: function(net.layers(x)), **decisions)


def recurrent(kind, shape=(4, 6), **options):
    def forward(net, x):
        result = net.layers[0](x, x, x) if kind is nn.MultiheadAttention else net.layers[0](x)
        result = result[0] if kind in (nn.LSTM, nn.GRU, nn.LSTMCell, nn.MultiheadAttention) else result
        return net.layers[1](result)

    sizes = (6, 2) if kind is nn.MultiheadAttention else (6, 6)
    layers = (lambda: kind(*sizes, **options), linear(6, 3))
    return Case(layers, shape, forward, NOT_EAGER, "float", NOT_EAGER)


def embedding(kind):
    return Case(
        (linear(6, 3),),
        (3,),
        lambda net, x: net.layers(x),
        NOT_EAGER,
        "float",
        NOT_EAGER,
        first_float=lambda: kind(10, 6),
    )


LAYERS = {
    nn.Linear: Case((linear(),), (6,)),
    nn.Conv1d: Case((conv(1),), IMAGE[1]),
    nn.Conv2d: Case((conv(2),), IMAGE[2]),
    nn.Conv3d: Case((conv(3),), IMAGE[3]),
    nn.ConvTranspose1d: Case((lambda: nn.ConvTranspose1d(3, 8, 3, 2),), IMAGE[1], per_channel=False),
    nn.ConvTranspose2d: Case((lambda: nn.ConvTranspose2d(3, 8, 3, 2),), IMAGE[2], per_channel=False),
    nn.ConvTranspose3d: Case((lambda: nn.ConvTranspose3d(3, 8, 3),), IMAGE[3], per_channel=False),
    nn.BatchNorm1d: behind_linear(lambda: nn.BatchNorm1d(8), eager=NO_KERNEL, qat=NO_KERNEL),
    nn.BatchNorm2d: behind_conv(lambda: nn.BatchNorm2d(8)),
    nn.BatchNorm3d: behind_conv(lambda: nn.BatchNorm3d(8), 3),
    nn.InstanceNorm1d: behind_conv(lambda: nn.InstanceNorm1d(8, affine=True), 1),
    nn.InstanceNorm2d: behind_conv(lambda: nn.InstanceNorm2d(8, affine=True)),
    nn.InstanceNorm3d: behind_conv(lambda: nn.InstanceNorm3d(8, affine=True), 3),
    nn.GroupNorm: behind_conv(lambda: nn.GroupNorm(2, 8), fx="float"),
    nn.LayerNorm: behind_linear(lambda: nn.LayerNorm(8)),
    nn.Dropout: behind_linear(nn.Dropout),
    nn.Identity: behind_linear(nn.Identity),
    nn.ELU: behind_linear(nn.ELU),
    nn.PReLU: behind_linear(lambda: nn.PReLU(8), qat=NOT_TRAINED),
    nn.Hardswish: behind_linear(nn.Hardswish),
    nn.LeakyReLU: behind_linear(nn.LeakyReLU),
    nn.ReLU: behind_linear(nn.ReLU),
    nn.ReLU6: behind_linear(nn.ReLU6),
    nn.Hardtanh: behind_linear(nn.Hardtanh),
    nn.Sigmoid: behind_linear(nn.Sigmoid, narrow=FIXED, narrow_fx="float"),
    nn.Hardsigmoid: behind_linear(nn.Hardsigmoid, narrow=FIXED, narrow_fx="float"),
    nn.Tanh: behind_linear(nn.Tanh, narrow=FIXED, narrow_fx="float"),
    nn.Softmax: behind_linear(lambda: nn.Softmax(1), eager=NO_KERNEL, fx="float", qat=NO_KERNEL),
    nn.AvgPool1d: behind_conv(lambda: nn.AvgPool1d(2), 1, eager="averages", fx="averages", qat="averages"),
    nn.AvgPool2d: behind_conv(lambda: nn.AvgPool2d(2), eager="averages", fx="averages", qat="averages"),
    nn.AvgPool3d: behind_conv(lambda: nn.AvgPool3d(2), 3, eager="averages", fx="averages", qat="averages"),
    nn.AdaptiveAvgPool1d: behind_conv(
        lambda: nn.AdaptiveAvgPool1d(1), 1, eager="averages", fx="averages", qat="averages"
    ),
    nn.AdaptiveAvgPool2d: behind_conv(lambda: nn.AdaptiveAvgPool2d(1), eager="averages", fx="averages", qat="averages"),
    nn.AdaptiveAvgPool3d: behind_conv(
        lambda: nn.AdaptiveAvgPool3d(1), 3, eager="averages", fx="averages", qat="averages"
    ),
    nn.MaxPool1d: behind_conv(lambda: nn.MaxPool1d(2), 1),
    nn.MaxPool2d: behind_conv(lambda: nn.MaxPool2d(2)),
    nn.MaxPool3d: behind_conv(lambda: nn.MaxPool3d(2), 3),
    nn.PixelShuffle: behind_conv(lambda: nn.PixelShuffle(2)),
    nn.PixelUnshuffle: behind_conv(lambda: nn.PixelUnshuffle(2)),
    nn.Embedding: embedding(nn.Embedding),
    nn.EmbeddingBag: embedding(nn.EmbeddingBag),
    nn.LSTM: recurrent(nn.LSTM, batch_first=True),
    nn.GRU: recurrent(nn.GRU, batch_first=True),
    nn.LSTMCell: recurrent(nn.LSTMCell, (6,)),
    nn.GRUCell: recurrent(nn.GRUCell, (6,)),
    nn.RNNCell: recurrent(nn.RNNCell, (6,)),
    nn.MultiheadAttention: recurrent(nn.MultiheadAttention, batch_first=True),
    FloatFunctional: two(lambda net, x, y: net.functional.add(x, y)),
    intrinsic.ConvReLU1d: Case((lambda: intrinsic.ConvReLU1d(nn.Conv1d(3, 8, 3), nn.ReLU()),), IMAGE[1]),
    intrinsic.ConvReLU2d: Case((lambda: intrinsic.ConvReLU2d(nn.Conv2d(3, 8, 3), nn.ReLU()),), IMAGE[2]),
    intrinsic.ConvReLU3d: Case((lambda: intrinsic.ConvReLU3d(nn.Conv3d(3, 8, 3), nn.ReLU()),), IMAGE[3]),
    intrinsic.LinearReLU: Case((lambda: intrinsic.LinearReLU(nn.Linear(6, 8), nn.ReLU()),), (6,)),
    intrinsic.BNReLU2d: behind_conv(lambda: intrinsic.BNReLU2d(nn.BatchNorm2d(8), nn.ReLU())),
    intrinsic.BNReLU3d: behind_conv(lambda: intrinsic.BNReLU3d(nn.BatchNorm3d(8), nn.ReLU()), 3),
    intrinsic.LinearLeakyReLU: Case(
        (lambda: intrinsic.LinearLeakyReLU(nn.Linear(6, 8), nn.LeakyReLU()),), (6,), None, *[ELSEWHERE] * 3
    ),
    intrinsic.LinearTanh: Case(
        (lambda: intrinsic.LinearTanh(nn.Linear(6, 8), nn.Tanh()),), (6,), None, *[ELSEWHERE] * 3
    ),
}
OPERATIONS = {
    "FloatFunctional.mul": two(lambda net, x, y: net.functional.mul(x, y)),
    "FloatFunctional.cat": two(lambda net, x, y: net.functional.cat([x, y], 1)),
    "FloatFunctional.add_relu": two(lambda net, x, y: net.functional.add_relu(x, y)),
    "FloatFunctional.matmul": Case(
        (linear(6, 6),), (4, 6), lambda net, x: net.functional.matmul(x, net.layers(x).transpose(1, 2))
    ),
    "FloatFunctional.add_scalar": one(lambda net, y: net.functional.add_scalar(y, 0.7), narrow=FIXED),
    "FloatFunctional.mul_scalar": one(lambda net, y: net.functional.mul_scalar(y, 0.7)),
    "add": two(lambda net, x, y: x + y, eager=NO_KERNEL, qat=NO_KERNEL),
    "add and relu": two(lambda net, x, y: F.relu(x + y), eager=NO_KERNEL, qat=NO_KERNEL),
    "add a number": one(lambda net, y: y + 0.7, eager=NO_KERNEL, qat=NO_KERNEL, narrow=FIXED),
    "mul": two(lambda net, x, y: x * y, eager=NO_KERNEL, qat=NO_KERNEL),
    "mul by a number": one(lambda net, y: y * 0.7, eager=NO_KERNEL, qat=NO_KERNEL),
    "matmul": Case(
        (linear(6, 6),),
        (4, 6),
        lambda net, x: torch.matmul(x, net.layers(x).transpose(1, 2)),
        eager=NO_KERNEL,
        qat=NO_KERNEL,
    ),
    "cat": two(lambda net, x, y: torch.cat([x, y], 1), eager=FIRST, qat=FIRST),
    "stack": two(lambda net, x, y: torch.stack([x, y], 1), eager=FIRST, qat=FIRST),
    "mean": on_image(lambda y: y.mean([2, 3]), eager="averages", fx="averages", qat="averages"),
    "adaptive_avg_pool2d": on_image(
        lambda y: F.adaptive_avg_pool2d(y, 1), eager="averages", fx="averages", qat="averages"
    ),
    "avg_pool2d": on_image(lambda y: F.avg_pool2d(y, 2), eager="averages", fx="averages", qat="averages"),
    "max_pool2d": on_image(lambda y: F.max_pool2d(y, 2)),
    "interpolate": on_image(
        lambda y: F.interpolate(y, scale_factor=2, mode="bilinear"), eager="averages", fx="averages", qat="averages"
    ),
    "relu": one(lambda net, y: F.relu(y)),
    "relu6": one(lambda net, y: F.relu6(y)),
    "clamp": one(lambda net, y: y.clamp(-0.5, 0.5)),
    "sigmoid between layers": Case((linear(), nn.Sigmoid, linear(8, 3)), (6,), narrow=FIXED),
    "sigmoid": one(lambda net, y: torch.sigmoid(y), narrow=FIXED, narrow_fx="float"),
    "tanh": one(lambda net, y: y.tanh(), narrow=FIXED, narrow_fx="float"),
    "gelu": one(lambda net, y: F.gelu(y), fx="float"),
    "silu": one(lambda net, y: F.silu(y), eager=NO_KERNEL, fx="float", qat=NO_KERNEL),
    "view, permute, flatten": on_image(lambda y: y.permute(0, 2, 3, 1).flatten(1, 2).unsqueeze(1).squeeze(1)),
    "chunk": one(lambda net, y: y.chunk(2, 1)[1]),
    "linear": Case(
        (linear(6, 6),), (6,), lambda net, x: F.linear(x, net.layers[0].weight), NO_KERNEL, WEIGHT, NO_KERNEL
    ),
    "conv2d": Case(
        (conv(2),), IMAGE[2], lambda net, x: F.conv2d(x, net.layers[0].weight), NO_KERNEL, WEIGHT, NO_KERNEL
    ),
    "conv and relu": behind_conv(nn.ReLU),
    "conv and batch norm and relu": Case((conv(2), lambda: nn.BatchNorm2d(8), nn.ReLU), IMAGE[2]),
    "conv with reflected padding": Case((conv(2, padding=1, padding_mode="reflect"),), IMAGE[2]),
    "conv with padding same": Case((conv(2, padding="same"),), IMAGE[2], None, *["use padding=1"] * 3),
    "conv with padding same, even": Case(
        (lambda: nn.Conv2d(3, 8, 4, padding="same"),), IMAGE[2], None, *["choose an odd kernel size"] * 3
    ),
    "conv with padding valid": Case((conv(1, padding="valid"),), IMAGE[1], None, *["use padding=0"] * 3),
    "conv with circular padding": Case(
        (conv(2, padding=1, padding_mode="circular"),), IMAGE[2], None, *["pad with 'zeros' or 'reflect' only"] * 3
    ),
    "transposed, per channel": Case(
        (lambda: nn.ConvTranspose2d(3, 4, 3),),
        IMAGE[2],
        None,
        *["has one scale for all weights .* use per_channel=False"] * 3,
    ),
}
CASES = {**{kind.__name__: case for kind, case in LAYERS.items()}, **OPERATIONS}
