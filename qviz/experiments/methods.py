"""The methods to quantize a network, and the rules that make each one costly or impossible: plain data, with sources.

The code of a method uses torch, torchao or qviz. It takes `model`, a float torch network, `images`, a tensor of inputs,
and `labels`, and assigns the result to `quantized`. `{bits}` is filled in. It runs on x86.
"""

from collections.abc import Mapping
from dataclasses import dataclass

COSTS, OUT = "costs", "out"

# question -> its answers; the first is the default. The question about the loss has a number as its answer.
QUESTIONS: dict[str, tuple] = {
    "model": ("convolutional", "linear or recurrent", "language model"),
    "target": ("x86 server", "ARM phone", "microcontroller", "GPU"),
    "inputs": ("a few inputs", "none", "labelled training set"),
    "retrain": (False, True),
    "bits": (2, 3, 4, 5, 6, 7, 8),
    "goal": ("size", "latency"),
}

# target -> what remains to be done to deploy the result there
ELSEWHERE: dict[str, str] = {
    "ARM phone": "It runs on x86. For a phone, export the result, e.g. with ExecuTorch, and measure it there.",
    "microcontroller": "It runs on x86. For a microcontroller, export its integers, e.g. to TensorFlow Lite Micro.",
}


@dataclass(frozen=True)
class Method:
    """One quantization method.

    Attributes
    ----------
    what : str: what it does
    code : str: Python code, with {bits} where bits matter
    packed : str: code to append to save codes of fewer than 8 bits packed, in model.safetensors; "" for nothing
    """

    what: str
    code: str
    packed: str = ""


@dataclass(frozen=True)
class Rule:
    """A disadvantage of some methods under certain answers.

    Attributes
    ----------
    when : mapping of question to the answers to which it applies (all must match); it is shown at the last question
    methods : tuple of names of methods
    verdict : {"costs", "out"}: the method is possible at a cost, or not possible
    reason, source : str
    """

    when: Mapping[str, tuple]
    methods: tuple[str, ...]
    verdict: str
    reason: str
    source: str

    @property
    def question(self) -> str:
        """The question at which the rule is shown."""
        return list(self.when)[-1]

    def holds(self, answers: Mapping) -> bool:
        """Return whether the rule applies to these answers, by question."""
        return all(answers[question] in listed for question, listed in self.when.items())


_QUANTIZE = """\
from qviz.pytorch.ptq import PTQConfig, quantize_model
config = PTQConfig(weight_bits={bits}, ARGUMENTS)
quantized = quantize_model(model, config, images)"""

_SAVE = """
from qviz.pytorch import save
save(quantized, "model.safetensors", packed=True)"""

# In order of increasing effort; the last entry is the fallback.
METHODS: dict[str, Method] = {
    "weight-only": Method(
        "only the weights are quantized, and they are converted back to floats before each product",
        """\
from torchao.quantization import IntxWeightOnlyConfig, PerAxis, quantize_
quantize_(model, IntxWeightOnlyConfig(weight_dtype=torch.int{bits}, granularity=PerAxis(0)))
quantized = model""",
        """
from qviz.numerics.packing import pack
from safetensors.torch import save_file
state = quantized.state_dict()
codes = {{name: w for name, w in state.items() if hasattr(w, "qdata")}}
packed = {{name: torch.tensor(pack(w.qdata.numpy(), "int{bits}")) for name, w in codes.items()}}
scales = {{f"{{name}}.scale": w.scale for name, w in codes.items()}}
save_file(state | packed | scales, "model.safetensors")""",
    ),
    "dynamic": Method(
        "weights are quantized to int8 in advance, and each input when it arrives",
        """\
from torch.ao.quantization import quantize_dynamic
quantized = quantize_dynamic(model, {{torch.nn.Linear}}, dtype=torch.qint8)""",
    ),
    "static": Method(
        "weights and activations are quantized, with one scale per tensor and ranges measured on a sample",
        _QUANTIZE.replace("ARGUMENTS", "per_channel=False"),
        _SAVE,
    ),
    "per channel": Method(
        "like static, but each output channel of the weights has its own scale",
        _QUANTIZE.replace("ARGUMENTS", "per_channel=True"),
        _SAVE,
    ),
    "better calibration": Method(
        "like per channel, but each range has the smallest squared error",
        _QUANTIZE.replace("ARGUMENTS", 'method="mse"'),
        _SAVE,
    ),
    "mixed precision": Method(
        "the most sensitive layers get more bits, with at most 1 % more bytes",
        """\
# For the digits network, whose losses are measured here. On yours: one layer at a time.
from qviz.experiments.bit_allocation import best_that_fits
from qviz.experiments.mixed_precision import every_network, mixed_qparams, place, size_bytes
from qviz.pytorch import digits_cnn, load, save
loss = every_network("calibration", "mse").divergence
bits = best_that_fits(loss, 1.01 * size_bytes()[place({bits})])
save(digits_cnn(), "model.safetensors", packed=True, weight_qparams=mixed_qparams(bits, "mse"))
quantized = load("model.safetensors")  # in float32 again, as it runs""",
    ),
    "QAT": Method(
        "the network is trained further with simulated rounding",
        """\
from qviz.pytorch.conversion import convert
from qviz.pytorch.qat import QATConfig, train_qat
from qviz.pytorch.training_data import TrainingData
data = TrainingData((images, labels))
run = train_qat(model, QATConfig(weight_bits={bits}, activation_bits=8), data=data)
quantized = convert(run.model)""",
        _SAVE,
    ),
    "16-bit floats": Method(
        "the numbers stay in floating point, with 16 bits instead of 32", "quantized = model.to(torch.bfloat16)"
    ),
}

_STATIC = ("static", "per channel", "better calibration")
_FLOATS = ("weight-only", "mixed precision")  # their codes are converted back to floats before each product
_FEWER = (2, 3, 4, 5, 6, 7)

RULES: tuple[Rule, ...] = (
    Rule(
        {"model": ("convolutional",)},
        ("weight-only",),
        COSTS,
        "quantize_ is made mainly for language models",
        'page "Moving on"',
    ),
    Rule(
        {"model": ("convolutional",)},
        ("dynamic",),
        COSTS,
        "torch has dynamic kernels only for linear and recurrent layers: convolutions stay float32",
        "PyTorch documentation, quantize_dynamic",
    ),
    Rule(
        {"model": ("language model",)},
        ("static", "per channel"),
        OUT,
        "a few channels of its activations have outliers, which leave too few levels for the others",
        "Dettmers et al. 2022, LLM.int8()",
    ),
    Rule(
        {"model": ("language model",)},
        ("better calibration", "mixed precision"),
        COSTS,
        "channels with outliers need an additional method, such as SmoothQuant",
        "Xiao et al. 2023, SmoothQuant",
    ),
    Rule(
        {"model": ("language model",)},
        ("QAT",),
        COSTS,
        "training it further takes many machines",
        "Touvron et al. 2023, LLaMA",
    ),
    Rule(
        {"target": ("x86 server", "microcontroller", "GPU")},
        ("static",),
        COSTS,
        "one scale for all channels loses more than one per channel, which is torch's default and costs few bytes",
        'page "Scale and zero point"; torch.ao.quantization.get_default_qconfig',
    ),
    Rule(
        {"target": ("ARM phone",)},
        ("per channel", "better calibration"),
        COSTS,
        "torch's default for qnnpack is one scale per tensor: set it yourself, and test it on the phone",
        "torch.ao.quantization.get_default_qconfig",
    ),
    Rule(
        {"target": ("microcontroller",)},
        (*_FLOATS, "dynamic"),
        OUT,
        "its kernels support only integers, with ranges that are fixed in advance",
        "CMSIS-NN documentation; TensorFlow Lite quantization specification",
    ),
    Rule(
        {"target": ("microcontroller",)},
        ("16-bit floats",),
        COSTS,
        "many have no floating-point unit",
        "CMSIS-NN documentation",
    ),
    Rule(
        {"target": ("GPU",)},
        ("dynamic", *_STATIC, "QAT"),
        OUT,
        "torch's integer kernels run on the CPU; a GPU needs an export, for instance to TensorRT",
        "PyTorch documentation, Quantization, hardware support",
    ),
    Rule(
        {"inputs": ("none",)},
        (*_STATIC, "mixed precision"),
        OUT,
        "without inputs, you cannot calibrate or measure the sensitivity of layers",
        'page "Calibration"',
    ),
    Rule(
        {"inputs": ("none", "a few inputs")},
        ("QAT",),
        OUT,
        "it needs a training set with labels",
        'page "Quantization-aware training with fbgemm"',
    ),
    Rule({"retrain": (False,)}, ("QAT",), OUT, "it needs training", 'page "Quantization-aware training with fbgemm"'),
    Rule(
        {"bits": _FEWER},
        ("dynamic",),
        OUT,
        "its kernels support only 8-bit weights",
        "PyTorch documentation, quantize_dynamic",
    ),
    Rule(
        {"goal": ("latency",), "bits": _FEWER},
        (*_STATIC, "QAT"),
        COSTS,
        "the kernels are for 8 bits: fewer bits are not faster",
        'page "Post-training quantization with fbgemm"',
    ),
    Rule(
        {"target": ("microcontroller",), "bits": (2, 3, 5, 6, 7)},
        (*_STATIC, "QAT"),
        COSTS,
        "its kernels are for 4, 8 and 16 bits",
        "CMSIS-NN documentation",
    ),
    Rule(
        {"model": ("convolutional", "linear or recurrent"), "goal": ("latency",)},
        ("weight-only",),
        OUT,
        "the arithmetic is in floating point: it saves time only if memory is the bottleneck",
        'pages "Benefits and trade-offs" and "Moving on"',
    ),
    Rule(
        {"goal": ("latency",)},
        ("dynamic",),
        COSTS,
        "the range of each input has to be found when it arrives, which takes time",
        "PyTorch documentation, Quantization",
    ),
    Rule(
        {"goal": ("latency",)},
        ("mixed precision",),
        OUT,
        "torch has no kernels for several bit-widths: its weights are floats again at run time, so no time is saved",
        'page "Benefits and trade-offs"',
    ),
    Rule(
        {"bits": _FEWER, "goal": ("size",)},
        ("weight-only", *_STATIC, "QAT"),
        COSTS,
        "each code takes a byte in torch's file, as with 8 bits: save it packed",
        'page "Benefits and trade-offs"',
    ),
    Rule(
        {"goal": ("size",)},
        ("mixed precision",),
        COSTS,
        "torch has no file for several bit-widths: save it packed",
        'page "Benefits and trade-offs"',
    ),
    Rule(
        {"goal": ("size", "latency")},
        ("16-bit floats",),
        COSTS,
        "takes half the bytes of float32; int8 takes only a quarter",
        'page "Benefits and trade-offs"',
    ),
)
