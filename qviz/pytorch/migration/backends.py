"""Old and new backends for quantizing the digits network, each with its code and requirements."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..ptq import BATCH, PTQConfig, quantize_model
from . import pt2e, quantize_api, torchao_env

SAMPLES = 256


@dataclass(frozen=True)
class Backend:
    """One way to quantize the digits network.

    Attributes
    ----------
    build : function of a MigrationLab that returns the quantized network
    code : str: the same in the calls of the library, for `model`, `train_x` and `x`
    needs : function that returns what is missing here, or ""
    """

    build: Callable[..., nn.Module]
    code: str
    needs: Callable[[], str] = lambda: ""


def _old(lab, dynamic: bool = False) -> nn.Module:
    config = PTQConfig(method="torch min-max", samples=SAMPLES, dynamic=dynamic)
    return quantize_model(lab.float_model, config, lab.train_x)


def _torchao() -> str:
    return "" if torchao_env.installed() else torchao_env.HOW_TO_GET_IT


def _lowering() -> str:
    return _torchao() or ("" if torchao_env.can_lower() else "this build of torch has no oneDNN kernels for integers")


_FROM_AO = "from torchao.quantization import "
_FROM_PT2E = """from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e, convert_pt2e
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86"""
_PREPARE = """graph = torch.export.export(model, (train_x[:32],), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
config = x86.get_default_x86_inductor_quantization_config()
prepared = prepare_pt2e(graph, x86.X86InductorQuantizer().set_global(config))
for batch in train_x[:256].split(32):
    prepared(batch)
quantized = convert_pt2e(prepared)"""

BACKENDS = {
    "float": Backend(lambda lab: lab.float_model, "quantized = model"),
    "torch.ao static": Backend(
        _old,
        """from torch.ao.quantization import prepare, convert, QConfig, MinMaxObserver, PerChannelMinMaxObserver
weight = PerChannelMinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_channel_symmetric)
model.fuse().qconfig = QConfig(activation=MinMaxObserver, weight=weight)
prepared = prepare(model)
for batch in train_x[:256].split(32):
    prepared(batch)
quantized = convert(prepared)""",
    ),
    "torch.ao dynamic": Backend(
        lambda lab: _old(lab, dynamic=True),
        """from torch.ao.quantization import quantize_dynamic, per_channel_dynamic_qconfig
quantized = quantize_dynamic(model, {torch.nn.Linear: per_channel_dynamic_qconfig})""",
    ),
    "quantize_ int8 weights": Backend(
        lambda lab: quantize_api.quantize_int8_weights(lab.float_model),
        f"""{_FROM_AO}quantize_, Int8WeightOnlyConfig
quantize_(model, Int8WeightOnlyConfig(set_inductor_config=False))
quantized = model""",
        _torchao,
    ),
    "quantize_ int4 weights": Backend(
        lambda lab: quantize_api.quantize_weights(lab.float_model, bits=4),
        f"""{_FROM_AO}quantize_, IntxWeightOnlyConfig, PerAxis
quantize_(model, IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerAxis(0)))
quantized = model""",
        _torchao,
    ),
    "quantize_ dynamic": Backend(
        lambda lab: quantize_api.quantize_dynamic(lab.float_model),
        f"""{_FROM_AO}quantize_, Int8DynamicActivationInt8WeightConfig, MappingType
affine = MappingType.ASYMMETRIC
quantize_(model, Int8DynamicActivationInt8WeightConfig(act_mapping_type=affine, set_inductor_config=False))
quantized = model""",
        _torchao,
    ),
    "quantize_ static": Backend(
        lambda lab: quantize_api.quantize_static(lab.float_model, lab.train_x[:SAMPLES]),
        """from qviz.pytorch.migration.quantize_api import quantize_static  # an observer for each linear layer, by hand
quantized = quantize_static(model, train_x[:256])""",
        _torchao,
    ),
    "PT2E": Backend(
        lambda lab: pt2e.quantize(lab.float_model, lab.train_x, samples=SAMPLES),
        """from qviz.pytorch.migration import pt2e  # with the observers of torch.ao static
quantized = pt2e.quantize(model, train_x, "min-max")""",
        _torchao,
    ),
    "PT2E histogram": Backend(
        lambda lab: pt2e.quantize(lab.float_model, lab.train_x, "histogram", SAMPLES),
        f"{_FROM_PT2E}\n{_PREPARE}",
        _torchao,
    ),
    "PT2E without floats": Backend(
        lambda lab: pt2e.without_float_weights(lab.model("PT2E")),
        """from qviz.pytorch.migration import pt2e
quantized = pt2e.without_float_weights(pt2e.quantize(model, train_x))""",
        _torchao,
    ),
    "PT2E lowered": Backend(
        lambda lab: pt2e.lower(lab.model("PT2E"), lab.x[:BATCH]),
        """from qviz.pytorch.migration import pt2e  # lower_pt2e_quantized_to_x86, and one node of its graph mended
quantized = pt2e.lower(pt2e.quantize(model, train_x), x[:32])""",
        _lowering,
    ),
}
