"""Post-training quantization: from a trained network and a few of its inputs to one that runs in integers.

The steps are torch's: insert observers at every weight and activation (prepare), run data through the network
(calibrate), and replace each layer by its integer form (convert). The eager flow, where stubs mark the part that runs
in integers, and FX, which finds that part in the graph, give the same integers.

    converted = quantize_model(model, PTQConfig(weight_bits=4, method="mse"), images)
    simulated = simulate_model(model, PTQConfig(weight_bits=4, method="mse"), images)     # on any machine
"""

from dataclasses import dataclass, replace

import torch
from torch import fx, nn
from torch.ao import quantization
from torch.ao.nn import intrinsic
from torch.ao.quantization import quantize_fx
from torch.ao.quantization.qconfig_mapping import _FIXED_QPARAMS_OP_TO_OBSERVER

from . import engines
from .copies import copied, untraced_origins, with_a_layer_for_each_call, with_plain_weights
from .inputs import in_order, inputs_of, run
from .layer_support import (
    FIXED_LAYERS,
    FLOAT_IN_FX,
    check_layers,
    check_runs,
    drop_unused,
    dynamic_layers,
    first_line,
    fused,
    kept_float,
    observes,
    quantizable,
    run_watched,
)
from .per_layer import check_names, keep_float, set_own_bits
from .ptq_config import PTQConfig, check_float
from .reproducible import ReproducibleSums
from .simulate import simulate
from .sub8bit import lay_out, narrow

BATCH = 32
SIMULATED = "simulated"


@dataclass(frozen=True)
class QuantizationRecord:
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
        Inputs to calibrate on, of which the first `config.samples` are used, in batches of 32. For a network with
        several inputs a dict of tensors by the names of forward's arguments. A dynamic network needs none.
    engine : str or None
        None is the preferred one, fbgemm where it is there. Where this machine has none at all the result is simulated.

    Returns
    -------
    nn.Module
        In eval mode, with the attribute `made` (QuantizationRecord), which says whose engine it runs on.

    Raises
    ------
    ValueError
        The model is quantized already or has no QuantStub (eager); there are fewer inputs than samples, or one of them
        is not finite; the engine is not supported here, or cannot take such weights.
    TypeError
        An argument is of another kind.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
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
        _rehearse(model, config, samples)
        if config.dynamic:
            return _finished(_dynamic(model, config, samples), config, chosen)
        prepared = _prepared(model, config, samples)
    return convert_prepared(prepared, config, engine)


def convert_prepared(prepared: nn.Module, config: PTQConfig, engine: str | None = None) -> nn.Module:
    """Take the last step alone, in place: make integer layers of a network that `config` prepared and data calibrated.

    Where this machine has no engine and `engine` is None, the result is simulated.
    """
    if engine is None and engines.preferred() is None:
        return _simulated(prepared, config)
    with engines.using(engine) as chosen, engines.quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        _check_weights(config, chosen)
        return _finished(_converted(prepared), config, chosen)


def simulate_model(model: nn.Module, config: PTQConfig, calibration_x: torch.Tensor) -> nn.Module:
    """Return the float network with rounded weights and activations: the same result without an integer kernel.

    Biases stay real numbers, and sums are float32, so that now and then a value falls to the other side of a tie.

    Parameters
    ----------
    model, config, calibration_x : as for `quantize_model`

    Raises
    ------
    ValueError, TypeError
        As for `quantize_model`.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> s = simulate_model(digits_cnn(), PTQConfig(), train_x)
    >>> type(s.conv1).__name__, s.made.engine, accuracy(s, x, y) > 0.97
    ('ConvReLU2d', 'simulated', True)
    """
    samples = _samples(model, config, calibration_x)
    with engines.quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        if engines.preferred() is not None:
            with engines.using():
                _rehearse(model, config, samples)
        prepared = _copied(model, config) if config.dynamic else _prepared(model, config, samples)
    return _simulated(prepared, config)


def _samples(model: nn.Module, config: PTQConfig, x: torch.Tensor) -> torch.Tensor:
    """Return the inputs to calibrate on; a dynamic network is not calibrated, and needs none."""
    check_float(model)
    if not isinstance(config, PTQConfig):
        raise TypeError(f"config must be a PTQConfig: got {type(config).__name__}; for a QATConfig there is train_qat")
    check_names(model, config)
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


def _rehearse(model: nn.Module, config: PTQConfig, samples: torch.Tensor) -> None:
    """Convert a copy with the quickest observers and run it on one input, so that what fails fails before any work."""
    if config.dynamic:
        if len(samples):
            check_runs(_copied(model, config), samples[:1], "calibration_x")
            run_watched(_dynamic(model, config, samples), samples[:1], config.flow, narrow=False)
        return
    narrow_range = config.activation_format.bits < 8
    model = _copied(model, config)
    check_layers(model, flow=config.flow, per_channel=config.per_channel, narrow=narrow_range)
    check_runs(model, samples[:1], "calibration_x")
    quick, example = replace(config, method="torch min-max", weight_method=None), samples[:1]
    prepared = _prepared(model, quick, example)
    if isinstance(prepared, fx.GraphModule):
        _refuse_bare_weights(prepared)
    try:
        converted = _converted(prepared)
    except Exception as error:
        raise ValueError(f"model cannot be converted by torch: {first_line(error)}") from None
    run_watched(converted, example, config.flow, narrow_range)


def _refuse_bare_weights(prepared: fx.GraphModule) -> None:
    for node in prepared.graph.nodes:
        module = prepared.get_submodule(node.target) if node.op == "call_module" else None
        if observes(module) and node.args[0].op == "get_attr" and module.dtype == torch.qint8:
            raise ValueError(
                f"model calls torch.nn.functional.linear or a convolution with its own weight, {node.args[0].target}, "
                "which is neither kept to its bits nor saved here: use layers such as torch.nn.Linear instead"
            )


@untraced_origins()
def _prepared(model: nn.Module, config: PTQConfig, samples: torch.Tensor) -> nn.Module:
    """Return a fused copy with observers in it that have seen the samples."""
    eager = config.flow == "eager"
    if eager and not any(isinstance(m, quantization.QuantStub) for m in model.modules()):
        raise ValueError(
            "model needs a QuantStub at its input and a DeQuantStub at its output: it has no QuantStub; "
            "add both, or use flow='fx'"
        )
    model = _copied(model, config)
    if eager:
        model = fused(model)
        set_own_bits(model, config)
        for module in quantizable(model).values():
            if type(module) is nn.PReLU:
                module.qconfig = config.prelu_qconfig()
            elif type(module) in (nn.ReLU6, *FIXED_LAYERS):  # their kernels ask no observer for a scale
                module.qconfig = None
        model.qconfig = config.qconfig()
        quantization.prepare(model, inplace=True)
    else:
        model = with_a_layer_for_each_call(model)
        model = quantize_fx.prepare_fx(model, _mapping(model, config), in_order(model, samples[:1]))
    with ReproducibleSums():
        for batch in samples.split(BATCH):
            run(model, batch)
    drop_unused(model)
    return model


def _copied(model: nn.Module, config: PTQConfig) -> nn.Module:
    return keep_float(with_plain_weights(copied(model).eval()), config)


def _mapping(model: nn.Module, config: PTQConfig) -> quantization.QConfigMapping:
    """Say in FX's terms what is observed how."""
    mapping = (
        quantization.QConfigMapping().set_global(config.qconfig()).set_object_type(nn.PReLU, config.prelu_qconfig())
    )
    for kind in FLOAT_IN_FX:
        mapping.set_object_type(kind, None)
    eight = config.activation_format.bits == 8  # their kernels have no other codes
    for operation, observer in _FIXED_QPARAMS_OP_TO_OBSERVER.items():  # the only scale that their kernels have
        fixed = quantization.QConfig(activation=observer, weight=config.qconfig().weight)
        mapping.set_object_type(operation, fixed if eight else None)
    for name in config.own_bits:
        mapping.set_module_name(name, config.qconfig(name))
    for name in kept_float(model):
        mapping.set_module_name(name, None)
    return mapping


def _converted(prepared: nn.Module) -> nn.Module:
    """Replace each layer by its integer form, in place."""
    if isinstance(prepared, fx.GraphModule):
        return quantize_fx.convert_fx(prepared)
    return quantization.convert(prepared, inplace=True)


@untraced_origins()
def _dynamic(model: nn.Module, config: PTQConfig, samples: torch.Tensor) -> nn.Module:
    """Quantize the weights of linear layers now, and let each input's range be found when it comes."""
    model = _copied(model, config)
    if config.flow == "eager":
        set_own_bits(model, config)
        kinds = dict.fromkeys((nn.Linear, intrinsic.LinearReLU), config.qconfig())
        return quantization.quantize_dynamic(model, kinds, inplace=True)
    model, mapping = with_a_layer_for_each_call(model), quantization.QConfigMapping()
    for name in dynamic_layers(model):  # by name: asked for the type, FX wants one for each ReLU too
        mapping.set_module_name(name, config.qconfig(name))
    return quantize_fx.convert_fx(quantize_fx.prepare_fx(model, mapping, in_order(model, samples[:1])))


def _finished(converted: nn.Module, config: PTQConfig, engine: str) -> nn.Module:
    lay_out(converted)
    narrow(converted, config.weight_format_of, config.activation_format)
    converted.made = QuantizationRecord(config, engine)
    return converted.eval()


def _simulated(prepared: nn.Module, config: PTQConfig) -> nn.Module:
    """Let a prepared network round its activations, and round its weights, in place."""
    with engines.quiet(), torch.no_grad():
        simulate(prepared, config)
    prepared.made = QuantizationRecord(config, SIMULATED)
    return prepared
