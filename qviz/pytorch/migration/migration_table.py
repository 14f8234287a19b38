"""Each call of torch.ao.quantization and the call that replaces it, run side by side and compared.

print(table(MigrationLab()))
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.ns.fx.utils import compute_sqnr

from .. import engines
from ..digits_model import DigitsCNN
from ..ptq import BATCH, PTQConfig, quantize_model
from ..reproducible import ReproducibleSums
from . import pt2e, torchao_env
from .backends import BACKENDS
from .migration_lab import MigrationLab
from .stored_results import stored_counts


@dataclass(frozen=True)
class Move:
    """One old call and its new one.

    Attributes
    ----------
    old, new : str: how they are written
    compared : str: what is counted
    count : function of the lab that returns how many are the same, and of how many
    """

    old: str
    new: str
    compared: str
    count: Callable[[MigrationLab], tuple[int, int]]


@dataclass(frozen=True)
class Counted:
    """What came of one move: how many of what was compared are the same, or what is missing here."""

    move: Move
    same: int
    of: int
    needs: str = ""

    def __str__(self) -> str:
        seen = self.needs or f"{self.same:,} of {self.of:,} {self.move.compared}"
        return f"{self.move.old:<37} {self.move.new:<49} {seen}"


def run(move: Move, lab: MigrationLab, again: bool = True) -> Counted:
    """Run the old call and the new one, and count what is the same.

    Parameters
    ----------
    move : one of MOVES
    lab : MigrationLab
    again : bool
        False returns the stored count instead.

    Examples
    --------
    >>> counted = run(MOVES[-1], MigrationLab())
    >>> counted.same == counted.of
    True
    """
    needs = BACKENDS["PT2E lowered" if move.count is _lowered else "PT2E"].needs()
    if not needs and engines.preferred() is None:
        needs = "torch has no engine for the old call here"
    if needs:
        return Counted(move, 0, 0, needs)
    if not again:
        return Counted(move, *stored_counts()[MOVES.index(move)])
    with torchao_env.quiet(), torch.random.fork_rng(devices=[]):
        return Counted(move, *move.count(lab))


def table(lab: MigrationLab, again: bool = True) -> str:
    """Return a line for each move, after a heading; with `again` False, from stored counts."""
    head = f"{'old: torch.ao.quantization':<37} {'new: torchao':<49} the same"
    return "\n".join((head, *(str(run(move, lab, again)) for move in MOVES)))


def _all(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what a model answers to all inputs, in batches, which take less memory."""
    with ReproducibleSums():
        return torch.cat([model(batch) for batch in x.split(BATCH)])


def _answers(old: torch.Tensor, new: torch.Tensor) -> tuple[int, int]:
    return _equal(old.argmax(1), new.argmax(1))


def _equal(old: torch.Tensor, new: torch.Tensor) -> tuple[int, int]:
    return int((old == new).sum()), old.numel()


def _dynamic(lab):
    return _answers(lab.logits("torch.ao dynamic"), lab.logits("quantize_ dynamic"))


def _eager(lab):
    return _equal(lab.codes("torch.ao static"), lab.codes("PT2E"))


def _fx(lab):
    config = PTQConfig(method="torch min-max", flow="fx")
    p, model = lab.output_qparams(), quantize_model(lab.float_model, config, lab.train_x)
    with torch.no_grad():
        codes = torch.round(_all(model, lab.x) / float(p.scale)) + int(p.zero_point)
    return _equal(codes.int(), lab.codes("PT2E"))


def _qat(lab):
    """One pass in train mode on each side: the ranges are learned, and no weight moves."""
    seen = lab.train_x[:BATCH]
    with torch.no_grad():
        new = pt2e.train_quantized(lab.float_model, lambda graph: graph(seen), seen)
    old = DigitsCNN().train()
    old.load_state_dict(lab.float_model.state_dict())
    old.fuse().qconfig = quantization.get_default_qat_qconfig("x86")
    quantization.prepare_qat(old, inplace=True)
    with torch.no_grad(), engines.using():
        old(seen)
        old = quantization.convert(old.eval())
        return _answers(_all(old, lab.x), _all(new, lab.x))


def _observer(old, **arguments):
    """Return a count of equal qparams, over the pixels and the weights of the network."""

    def count(lab):
        tensors = [lab.x, *(p.detach() for n, p in lab.float_model.named_parameters() if n.endswith("weight"))]
        theirs = getattr(torchao_env.load_pt2e(), old.__name__)
        pairs = [_qparams(kind(**arguments), tensor) for tensor in tensors for kind in (old, theirs)]
        return sum(a == b for a, b in zip(pairs[::2], pairs[1::2], strict=True)), len(tensors)

    return count


def _qparams(observer, tensor) -> tuple[float, int]:
    observer(tensor)
    scale, zero_point = observer.calculate_qparams()
    return float(scale), int(zero_point)


def _fake_quantize(lab):
    theirs = torchao_env.load_pt2e()
    pairs = ((quantization.FakeQuantize, quantization.MinMaxObserver), (theirs.FakeQuantize, theirs.MinMaxObserver))
    return _equal(*(fake(observer, quant_min=0, quant_max=15)(lab.x) for fake, observer in pairs))


def _codes(lab):
    """Sixteenths of ink in steps of an eighth: every second value lies halfway, and rounds to the even code.

    The old call adds the zero point before it rounds, the new one after.
    """
    x, scale, zero_point = lab.x.flatten(), 1 / 8, 3
    old = torch.quantize_per_tensor(x, scale, zero_point, torch.quint8).int_repr()
    ends = torch.tensor(scale), torch.tensor(zero_point)
    return _equal(old, torchao_env.load().quantize_affine(x, x.shape, *ends, torch.uint8))


def _fuse(lab):
    """Count the batch norms that are gone from the prepared graph."""
    model, loaded = DigitsCNN(batch_norm=True).eval(), torchao_env.load_pt2e()
    quantizer = loaded.quantizer.x86_inductor_quantizer.X86InductorQuantizer()
    graph = pt2e.export(model, lab.x[:2])
    before = _norms(graph)
    return before - _norms(loaded.quantize_pt2e.prepare_pt2e(graph, quantizer)), before


def _norms(graph) -> int:
    return sum("batch_norm" in str(node.target) for node in graph.graph.nodes if node.op == "call_function")


def _lowered(lab):
    return _equal(lab.codes("torch.ao static"), lab.codes("PT2E lowered"))


def _saved(lab):
    file = io.BytesIO()
    graph = lab.model("PT2E without floats")
    batch = {0: torch.export.Dim("batch")}
    with torch.no_grad():
        torch.export.save(torch.export.export(graph, (lab.x[:2],), dynamic_shapes=(batch,)), file)
        file.seek(0)
        return _equal(lab.logits("PT2E"), _all(torch.export.load(file).module(), lab.x))


def _sqnr(lab):
    compute_error = torchao_env.load().compute_error
    pairs = [(p.detach(), p.detach().half().float()) for p in lab.float_model.parameters()]
    same = [abs(float(compute_sqnr(*pair)) - float(compute_error(*pair))) < 1e-3 for pair in pairs]
    return sum(same), len(pairs)


PT2E = "torchao.quantization.pt2e"
MOVES = (
    Move("quantize_dynamic", "quantize_, Int8DynamicActivationInt8WeightConfig", "answers", _dynamic),
    Move("prepare, convert", "prepare_pt2e, convert_pt2e", "logits", _eager),
    Move("prepare_fx, convert_fx", "prepare_pt2e, convert_pt2e", "logits", _fx),
    Move("prepare_qat, convert", "prepare_qat_pt2e, convert_pt2e", "answers", _qat),
    Move(
        "QuantStub, DeQuantStub, fuse_modules",
        "nothing: prepare_pt2e folds the batch norms",
        "batch norms folded",
        _fuse,
    ),
    Move("MinMaxObserver", f"{PT2E}.MinMaxObserver", "scales", _observer(quantization.MinMaxObserver)),
    Move("HistogramObserver", f"{PT2E}.HistogramObserver", "scales", _observer(quantization.HistogramObserver)),
    Move("FakeQuantize", f"{PT2E}.FakeQuantize", "values", _fake_quantize),
    Move("torch.quantize_per_tensor", "quantize_affine", "codes", _codes),
    Move("quantized.engine = 'fbgemm'", "lower_pt2e_quantized_to_x86", "logits", _lowered),
    Move("torch.save, torch.load", "torch.export.save, load", "logits", _saved),
    Move("ns.fx.utils.compute_sqnr", "torchao.quantization.utils.compute_error", "values in dB", _sqnr),
)
