"""Post-training quantization: from a trained network and a few of its inputs to one that runs in integers.

The steps are torch's: put observers at every weight and activation (prepare), show them data (calibrate), and let each
layer be replaced by its integer form (convert). Eager, where the network says with stubs where integers begin and end,
and FX, which reads that off the graph, come to the same integers.

    converted = quantize_model(model, PTQConfig(weight_bits=4, method="mse"), images)
    simulated = simulate_model(model, PTQConfig(weight_bits=4, method="mse"), images)     # on any machine
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

from . import engines
from .bridge import qparams_of, quantize_tensor
from .inputs import inputs_of
from .narrow import narrow
from .ptq_config import PTQConfig, check_float

BATCH = 32
SIMULATED = "simulated"


@dataclass(frozen=True)
class Made:
    """How a quantized model came to be; kept as its attribute `made`.

    Attributes
    ----------
    config : PTQConfig, or a QATConfig after training
    engine : str: the engine its weights are packed for, or "simulated"
    """

    config: PTQConfig
    engine: str


def quantize_model(
    model: nn.Module, config: PTQConfig, calibration_x: torch.Tensor, engine: str | None = None
) -> nn.Module:
    """Quantize a trained network after training.

    Parameters
    ----------
    model : nn.Module
        Float; not changed. Fused with its own `fuse()`, if it has one.
    config : PTQConfig
    calibration_x : float32 tensor (n, ...), or batches of them, such as a DataLoader
        Inputs to calibrate on, of which the first `config.samples` are used, in batches of 32. A dynamic network needs
        none.
    engine : str or None
        None is the preferred one, fbgemm where it is there. Where this machine has none at all the result is simulated.

    Returns
    -------
    nn.Module
        In eval mode, with the attribute `made` (Made), which says whose engine it runs on.

    Raises
    ------
    ValueError
        The model is quantized already or has no QuantStub (eager); there are fewer inputs than samples, or one of them
        is not finite; the engine is not supported here, or cannot take such weights.
    TypeError
        An argument is of another kind.

    Examples
    --------
    >>> from qviz.pytorch.models import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> q = quantize_model(digits_cnn(), PTQConfig(), train_x)
    >>> type(q.conv1).__name__, accuracy(q, x, y) > 0.97
    ('ConvReLU2d', True)
    """
    if engine is None and engines.preferred() is None:
        return simulate_model(model, config, calibration_x)
    samples = _samples(model, config, calibration_x)
    with engines.using(engine) as chosen, engines.quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        _check_weights(config, chosen)
        if config.dynamic:
            return _finished(_dynamic(model, config, samples), config, chosen)
        prepared = _prepared(model, config, samples)
    return convert_prepared(prepared, config, engine)


def convert_prepared(prepared: nn.Module, config: PTQConfig, engine: str | None = None) -> nn.Module:
    """Take the last step alone: each layer of a prepared and calibrated network becomes its integer form, in place.

    Parameters
    ----------
    prepared : nn.Module
        With the observers of `config` in it, which have seen data; used up.
    config : PTQConfig
        Static.
    engine : str or None
        None is the preferred one; where this machine has none at all the result is simulated.

    Returns
    -------
    nn.Module
        As from `quantize_model`.

    Examples
    --------
    >>> from qviz.pytorch.models import digits_cnn, digits_tensors
    >>> config, (train_x, _, x, _) = PTQConfig(), digits_tensors()
    >>> with engines.using(), engines.quiet():
    ...     model = digits_cnn().fuse()
    ...     model.qconfig = config.qconfig()
    ...     prepared = quantization.prepare(model)
    ...     _ = prepared(train_x[:256])
    ...     torch.equal(convert_prepared(prepared, config)(x), quantize_model(digits_cnn(), config, train_x)(x))
    True
    """
    if engine is None and engines.preferred() is None:
        return _simulated(prepared, config)
    with engines.using(engine) as chosen, engines.quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        _check_weights(config, chosen)
        fx = config.flow == "fx"
        converted = quantize_fx.convert_fx(prepared) if fx else quantization.convert(prepared, inplace=True)
        return _finished(converted, config, chosen)


def simulate_model(model: nn.Module, config: PTQConfig, calibration_x: torch.Tensor) -> nn.Module:
    """Return the float network with rounded weights and activations: the same result without an integer kernel.

    Biases stay real numbers, and sums are float32, so that now and then a value falls to the other side of a tie.

    Parameters
    ----------
    model, config, calibration_x : as for `quantize_model`; the flow makes no difference

    Raises
    ------
    ValueError, TypeError
        As for `quantize_model`.

    Examples
    --------
    >>> from qviz.pytorch.models import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> s = simulate_model(digits_cnn(), PTQConfig(), train_x)
    >>> type(s.conv1).__name__, s.made.engine, accuracy(s, x, y) > 0.97
    ('ConvReLU2d', 'simulated', True)
    """
    samples = _samples(model, config, calibration_x)
    with engines.quiet(), torch.no_grad():
        prepared = deepcopy(model).eval() if config.dynamic else _prepared(model, config.with_flow("eager"), samples)
    return _simulated(prepared, config)


class Rounded(nn.Module):
    """Fake-quantize what passes, with fixed qparams.

    Examples
    --------
    >>> from qviz.numerics import UINT8, QParams
    >>> Rounded(QParams(0.5, 0, UINT8))(torch.tensor([0.3, 0.9]))
    tensor([0.5000, 1.0000])
    """

    def __init__(self, qparams):
        super().__init__()
        self.qparams = qparams

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x`, rounded to the levels."""
        p = self.qparams
        return torch.fake_quantize_per_tensor_affine(x, float(p.scale), int(p.zero_point), p.fmt.qmin, p.fmt.qmax)


class RoundedInput(Rounded):
    """Fake-quantize an input as `torch.quantize_per_tensor` does, which adds the zero point before it rounds.

    Where the zero point is odd, a value halfway between two codes then goes to the odd one. The kernels round first,
    and so do fake_quantize and qviz. Values such as k/16, of which images are full, are often halfway.

    Examples
    --------
    >>> from qviz.numerics import UINT8, QParams
    >>> p, x = QParams(1.0, 1, UINT8), torch.tensor([0.5, 1.5, 2.5])
    >>> with engines.quiet():
    ...     Rounded(p)(x), RoundedInput(p)(x)
    (tensor([0., 2., 2.]), tensor([1., 1., 3.]))
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x`, rounded to the levels."""
        return quantize_tensor(x, self.qparams).dequantize()


def _samples(model: nn.Module, config: PTQConfig, x: torch.Tensor) -> torch.Tensor:
    """Return the inputs to calibrate on; a dynamic network is not calibrated, and needs none."""
    check_float(model)
    if not isinstance(config, PTQConfig):
        raise TypeError(f"config must be a PTQConfig: got {type(config).__name__}; for a QATConfig there is train_qat")
    x = inputs_of(x, "calibration_x", config.samples)
    if len(x) < config.samples and not config.dynamic:
        raise ValueError(f"calibration_x must hold at least config.samples inputs, {config.samples}: got {len(x)}")
    return x[: config.samples]


def _check_weights(config: PTQConfig, engine: str) -> None:
    if engine == "onednn" and config.weight_scheme == "affine":
        raise ValueError(
            "weight_scheme must be 'symmetric' on onednn, whose kernels have no zero point for weights: got 'affine'; "
            "choose 'symmetric', or another engine"
        )


def _prepared(model: nn.Module, config: PTQConfig, samples: torch.Tensor) -> nn.Module:
    """Return a fused copy with observers in it that have seen the samples."""
    eager = config.flow == "eager"
    if eager and not any(isinstance(m, quantization.QuantStub) for m in model.modules()):
        raise ValueError(
            "model needs a QuantStub at its input and a DeQuantStub at its output: it has no QuantStub; "
            "add both, or use flow='fx'"
        )
    model = deepcopy(model).eval()
    if eager:
        model = model.fuse() if hasattr(model, "fuse") else model
        model.qconfig = config.qconfig()
        quantization.prepare(model, inplace=True)
    else:
        mapping = quantization.QConfigMapping().set_global(config.qconfig())
        model = quantize_fx.prepare_fx(model, mapping, (samples[:1],))
    for batch in samples.split(BATCH):
        model(batch)
    return model


def _dynamic(model: nn.Module, config: PTQConfig, samples: torch.Tensor) -> nn.Module:
    """Quantize the weights of linear layers now, and let each input's range be found when it comes."""
    model, qconfig = deepcopy(model).eval(), config.qconfig()
    if config.flow == "eager":
        return quantization.quantize_dynamic(model, {nn.Linear: qconfig}, inplace=True)
    mapping = quantization.QConfigMapping()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):  # by name: asked for the type, FX wants one for each ReLU too
            mapping.set_module_name(name, qconfig)
    return quantize_fx.convert_fx(quantize_fx.prepare_fx(model, mapping, (samples[:1],)))


def _finished(converted: nn.Module, config: PTQConfig, engine: str) -> nn.Module:
    narrow(converted, config.weight_format, config.activation_format)
    converted.made = Made(config, engine)
    return converted.eval()


def _simulated(prepared: nn.Module, config: PTQConfig) -> nn.Module:
    """Let a prepared network round its activations, and round its weights, in place."""
    with engines.quiet(), torch.no_grad():
        _replace_observers(prepared)
        _round_weights(prepared, config)
    prepared.made = Made(config, SIMULATED)
    return prepared


def _replace_observers(prepared: nn.Module) -> None:
    """Put a Rounded in the place of each activation's observer; torch's hooks then return what it returns."""
    for module in list(prepared.modules()):
        if hasattr(module, "activation_post_process"):
            kind = RoundedInput if isinstance(module, quantization.QuantStub) else Rounded
            module.activation_post_process = kind(qparams_of(module.activation_post_process))


def _round_weights(model: nn.Module, config: PTQConfig) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and not config.dynamic):
            observer = (getattr(module, "qconfig", None) or config.qconfig()).weight()
            observer(module.weight)
            module.weight.copy_(quantize_tensor(module.weight, qparams_of(observer)).dequantize())
        if isinstance(module, nn.Linear) and config.dynamic:
            module.register_forward_pre_hook(_round_input)


def _round_input(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Round an input to 7 bits of its own range, as fbgemm's dynamic kernel does (reduce_range)."""
    observer = quantization.MinMaxObserver(quant_min=0, quant_max=127)
    observer(inputs[0])
    return (Rounded(qparams_of(observer))(inputs[0]),)
