"""Each failure is what torch does; as written it is not attempted, mended it works, half mended it gets a hint."""

import re
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import (
    DeQuantStub,
    FixedQParamsObserver,
    HistogramObserver,
    MinMaxObserver,
    PerChannelMinMaxObserver,
    PlaceholderObserver,
    QConfig,
    QuantStub,
    convert,
    get_default_qconfig,
    prepare,
    quantize_dynamic,
)

from qviz.numerics import MSE, Percentile
from qviz.pytorch import engines, failures
from qviz.pytorch.digits_model import digits_cnn
from qviz.pytorch.failures import settings, trial
from qviz.pytorch.qat import QATConfig
from qviz.pytorch.qat import prepare as prepare_qat

pytestmark = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models")

NO_KERNEL, ON_INTEGERS = "NotImplementedError: Could not run", "with arguments from the 'QuantizedCPU' backend"
SAYS = {
    "missing-stub": "NotImplementedError: Could not run 'quantized::linear' with arguments from the 'CPU' backend",
    "uncalibrated": "UserWarning: must run observer before calling calculate_qparams. "
    "Returning default scale and zero point",
    "train-mode": "RuntimeError: Input type (c10::quint8) and bias type (float) should be the same",
    "low-accuracy": "nothing",
    "skip-connection": f"{NO_KERNEL} 'aten::add.out' {ON_INTEGERS}",
    "engine": "nothing",
    "wrong-dtype": "AssertionError: Weight observer must have a dtype of qint8, got torch.quint8",
    "symmetric": "nothing",
    "percentile": "nothing",
    "slower": "nothing",
    "double-input": "RuntimeError: Quantize only works on Float Tensor, got Double",
}
EFFECT = {
    "uncalibrated": "scale 1 and zero point 0 in 5 of 5 places",
    "engine": "fewer than 3 in 10 digits are right with a ReLU6, 98.9% without it (both converted for "
    f"{engines.preferred()}",
    "symmetric": "zero point 128; the values after the ReLU use only 128 of the 256 codes",
    "percentile": "the range is 0.00 to 0.00 and the values go from 0.00 to 6.93",
}
CONVERTED = ("missing-stub", "uncalibrated", "train-mode", "low-accuracy", "skip-connection")
quint8, qint8 = torch.quint8, torch.qint8


def observer(dtype, qscheme=torch.per_tensor_affine):
    return MinMaxObserver.with_args(dtype=dtype, qscheme=qscheme)


def sequential(*layers):
    with failures.workbench() as bench:
        model = nn.Sequential(*layers).eval()
        model.qconfig = get_default_qconfig(bench.engine)
        prepared = prepare(model)
        prepared(failures.numbers())
        bench.model = convert(prepared)
    return bench


def converted(model, samples=None, *, fuse=False, late=False, with_samples=True):
    """Take a model through the steps, some of them wrong."""
    with failures.workbench() as bench:
        prepared = prepare(model.fuse() if fuse else model)
        if with_samples:
            prepared(failures.images() if samples is None else samples)
        bench.model = convert(prepared)
        if late:
            bench.model.eval()
    return bench


def shown_in_vain(model, when):
    """Show the images to a model where no observer is: before prepare, after it to the original, or after convert."""
    with failures.workbench() as bench:
        if when == "before prepare":
            model(failures.images())
        prepared = prepare(model)
        if when == "to the original":
            model(failures.images())
        bench.model = convert(prepared)
        if when == "after convert":
            bench.model(failures.images())
    return bench


def fused_late(when):
    with failures.workbench() as bench:
        model = failures.with_batch_norm()
        prepared = prepare(model)
        prepared(failures.images())
        bench.model = convert(prepared)
        (bench.model if when == "after convert" else model).fuse()
    return bench


def beside():
    """Give a FloatFunctional to a skip connection that still adds with torch.add."""
    model = failures.Residual(torch.add)
    model.add = FloatFunctional()
    return converted(model, failures.numbers())


def skip(adder, **steps):
    return converted(failures.Residual(adder), failures.numbers(), **steps)


def on_bench(make):
    with failures.workbench() as bench:
        bench.model = make()
    return bench


def prepared(model):
    prepare(model, inplace=True)(failures.images())
    return model


def with_stubs_of_no_use(where):
    """Put stubs where convert does not replace them: without a qconfig, or around what is converted already."""
    model = nn.Sequential(QuantStub(), linear(), DeQuantStub()).eval()
    (model if where == "around" else model[1]).qconfig = get_default_qconfig(torch.backends.quantized.engine)
    if where == "around":
        return nn.Sequential(QuantStub(), sequential(linear()).model, DeQuantStub())
    prepare(model, inplace=True)(failures.numbers())
    return convert(model)


def without_norms():
    model = failures.with_batch_norm()
    model.bn1 = model.bn2 = None
    return model


def half_fused():
    model = failures.with_batch_norm()
    with engines.quiet():
        torch.ao.quantization.fuse_modules(model, [["conv1", "bn1", "relu1"]], inplace=True)
    return model


def linear():
    return nn.Linear(10, 5)


MENDED = {
    "missing-stub": lambda: sequential(QuantStub(), linear(), DeQuantStub()),
    "uncalibrated": lambda: converted(failures.digits_network()),
    "train-mode": lambda: converted(failures.after_training().eval(), fuse=True),
    "low-accuracy": lambda: converted(failures.with_batch_norm(), fuse=True),
    "skip-connection": lambda: converted(failures.Residual(FloatFunctional()), failures.numbers()),
    "engine": lambda: engines.preferred(),
    "wrong-dtype": lambda: QConfig(activation=observer(quint8), weight=observer(qint8)),
    "symmetric": lambda: observer(quint8),
    "percentile": lambda: Percentile(99.99),
    "double-input": lambda: torch.zeros(2, 10),
}
WRONG = [
    ("missing-stub", lambda: sequential(QuantStub(), linear()), "What converts integers back to real numbers"),
    ("missing-stub", lambda: sequential(linear(), DeQuantStub()), "still receives real numbers"),
    ("missing-stub", lambda: sequential(DeQuantStub(), linear(), QuantStub()), "in the wrong order"),
    ("missing-stub", lambda: sequential(QuantStub(), nn.ReLU(), DeQuantStub()), "None of its layers is quantized"),
    ("missing-stub", lambda: sequential(nn.Linear(3, 5)), "The steps above stopped with this error"),
    ("missing-stub", lambda: on_bench(lambda: with_stubs_of_no_use("on the layer only")), "stubs were not converted"),
    ("missing-stub", lambda: on_bench(lambda: with_stubs_of_no_use("around")), "stubs were not converted"),
    ("missing-stub", lambda: on_bench(lambda: quantize_dynamic(nn.Sequential(linear()))), "None of its layers"),
    (
        "uncalibrated",
        lambda: shown_in_vain(failures.digits_network(), "before prepare"),
        "when there were no observers",
    ),
    (
        "uncalibrated",
        lambda: shown_in_vain(failures.digits_network(), "to the original"),
        "when there were no observers",
    ),
    ("uncalibrated", lambda: shown_in_vain(failures.digits_network(), "after convert"), "when there were no observers"),
    (
        "uncalibrated",
        lambda: converted(failures.digits_network(), 100 * failures.images()),
        "not the kind that the network",
    ),
    ("train-mode", lambda: converted(failures.after_training(), fuse=True, late=True), "into eval mode too late"),
    ("train-mode", lambda: converted(failures.after_training().eval()), "not fused any more"),
    (
        "train-mode",
        lambda: converted(failures.after_training().eval(), fuse=True, with_samples=False),
        "its accuracy is low",
    ),
    ("low-accuracy", lambda: converted(half_fused()), "bn2 has not been fused"),
    ("low-accuracy", lambda: converted(without_norms()), "it is a different network"),
    ("low-accuracy", lambda: converted(failures.after_training(), fuse=True), "is it in eval mode"),
    ("low-accuracy", lambda: fused_late("after convert"), "fused too late"),
    ("low-accuracy", lambda: fused_late("on the original"), "fused too late"),
    (
        "low-accuracy",
        lambda: shown_in_vain(failures.with_batch_norm(), "after convert"),
        "when there were no observers",
    ),
    ("low-accuracy", lambda: converted(failures.with_batch_norm(), fuse=True, with_samples=False), "No image"),
    ("skip-connection", lambda: skip(FloatFunctional().add), "the FloatFunctional itself, not its method"),
    ("skip-connection", lambda: skip(FloatFunctional(), with_samples=False), "Did the observers see numbers"),
    ("skip-connection", lambda: skip(lambda a, b: a), "Does it add both"),
    ("skip-connection", lambda: skip(lambda a, b: a.dequantize() + b.dequantize()), "It contains no QFunctional"),
    ("skip-connection", beside, "but torch.add is still used"),
    (
        "skip-connection",
        lambda: converted(failures.Residual(torch.sub), failures.numbers()),
        "Torch cannot add integers",
    ),
    (
        "skip-connection",
        lambda: on_bench(lambda: quantize_dynamic(failures.Residual(torch.add))),
        "that convert returned for a Residual",
    ),
    ("engine", lambda: "none", "This build of torch has"),
    ("engine", lambda: "fbgemn", "This build of torch has"),
    ("wrong-dtype", lambda: QConfig(observer(qint8), observer(qint8)), "Look at the activations"),
    ("wrong-dtype", lambda: QConfig(observer(quint8), observer(quint8)), "Look at the weights"),
    ("symmetric", lambda: observer(qint8, torch.per_tensor_symmetric), "quint8 activations, and many"),
    ("symmetric", lambda: observer(qint8), r"The kernels need quint8 activations\.$"),
    ("symmetric", lambda: PerChannelMinMaxObserver, "Scales per channel are for weights"),
    ("symmetric", lambda: PerChannelMinMaxObserver.with_args(dtype=quint8), "Scales per channel"),
    ("symmetric", lambda: PlaceholderObserver, "Torch does not accept this observer"),
    ("symmetric", lambda: FixedQParamsObserver.with_args(scale=1.0, zero_point=0), "Many codes are still unused"),
    ("symmetric", lambda: MinMaxObserver(), "the class of an observer, or what"),
    ("symmetric", lambda: MinMaxObserver.with_args(dtype=quint8, quant_min=0, quant_max=15), "16 codes are fewer"),
    ("percentile", lambda: Percentile(50.0), "clips too much"),
    ("percentile", lambda: Percentile(98.0), "clips too much"),
    ("percentile", lambda: Percentile(0.9999), r"0\.9999 is 0\.9999 percent; did you mean 99\.99\?"),
    ("percentile", lambda: 50, "clips too much"),
    ("percentile", lambda: 0, "above 0 and at most 100: got 0"),
    ("percentile", lambda: float("nan"), "above 0 and at most 100: got nan"),
    ("double-input", lambda: torch.zeros(2, 10, dtype=torch.int32), "Which dtype"),
    ("double-input", lambda: np.zeros((2, 10)), "Pass a tensor: got ndarray"),
]
NOT_STATIC = {
    "float": digits_cnn,
    "prepared": lambda: prepared(failures.digits_network()),
    "prepared for training": lambda: prepare_qat(digits_cnn(), QATConfig()).eval(),
    "dynamic": lambda: quantize_dynamic(digits_cnn()),
    "float, fused": lambda: failures.with_batch_norm().fuse(),
    "prepared, fused": lambda: prepared(failures.with_batch_norm().fuse()),
    "float, not fused": failures.with_batch_norm,
}


@pytest.fixture(autouse=True)
def nothing_is_left_changed():
    before = torch.backends.quantized.engine, torch.get_num_threads(), list(warnings.filters), torch.is_grad_enabled()
    yield
    now = torch.backends.quantized.engine, torch.get_num_threads(), list(warnings.filters), torch.is_grad_enabled()
    assert now == before


@pytest.mark.parametrize("name", failures.FAILURES)
def test_as_written_it_fails_and_is_not_attempted(name):
    case = failures.case(name)
    first, again = (case.check(case.broken()) for _ in range(2))
    assert repr(first) == repr(again)  # stable between runs
    assert first.says == SAYS[name]
    assert EFFECT.get(name, "") in first.effect
    assert (first.attempted, first.works) == (False, False)
    assert repr(first).endswith("your fix: not attempted yet")


@pytest.mark.parametrize("name", failures.FAILURES)
def test_no_random_number_is_drawn(name):
    broken = failures.case(name).broken()
    state = torch.random.get_rng_state()
    failures.check_repair(name, broken)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", MENDED)
def test_mended_it_works(name):
    verdict = failures.check_repair(name, MENDED[name]())
    assert verdict.works, verdict
    assert verdict.says == "nothing" and repr(verdict).endswith("your fix: it works")


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_a_mistake_gets_a_hint(name, wrong, hint):
    verdict = failures.check_repair(name, wrong())
    assert verdict.attempted and not verdict.works
    assert re.search(hint, verdict.hint), verdict


@pytest.mark.parametrize("kind", NOT_STATIC)
@pytest.mark.parametrize("name", ["uncalibrated", "train-mode", "low-accuracy"])
def test_what_runs_because_it_is_in_float_does_not_work(name, kind):
    verdict = failures.check_repair(name, on_bench(NOT_STATIC[kind]))
    assert verdict.attempted and not verdict.works
    not_fused = name == "train-mode" and kind == "float, not fused"
    assert verdict.hint.startswith("It is not fused" if not_fused else "None of its convolutions is quantized"), verdict


@pytest.mark.parametrize("name", failures.FAILURES)
@pytest.mark.parametrize(
    "thing",
    [None, 3, "", "x", object(), [], linear, nn.Identity(), torch.zeros(0)],
    ids=lambda value: value if isinstance(value, str) and value else type(value).__name__,
)
def test_whatever_is_handed_over_gets_a_verdict(name, thing):
    verdict = failures.check_repair(name, thing)
    assert not verdict.works and (verdict.hint or not verdict.attempted)


@pytest.mark.parametrize("name", CONVERTED)
def test_an_empty_bench_gets_a_hint(name):
    with failures.workbench() as bench:
        pass
    assert "got NoneType" in failures.check_repair(name, bench).hint
    with failures.workbench() as bench:
        raise KeyError("no such thing")
    assert failures.check_repair(name, bench).says == "KeyError: 'no such thing'"
    with failures.workbench() as bench:
        bench.model = nn.Identity()
    assert not failures.check_repair(name, bench).works


def test_the_workbench_lets_an_interruption_through():
    with pytest.raises(KeyboardInterrupt), failures.workbench():
        raise KeyboardInterrupt


def test_a_batch_norm_behind_a_linear_layer_has_no_kernel():
    bench = sequential(QuantStub(), linear(), nn.BatchNorm1d(5), DeQuantStub())
    _, says = trial.attempt(lambda: bench.model(failures.numbers()))
    assert says == f"{NO_KERNEL} 'aten::native_batch_norm' {ON_INTEGERS}"


def test_an_engine_that_makes_no_difference_is_told(monkeypatch):
    monkeypatch.setattr(settings, "_right_on", lambda name, model: 0.99)
    verdict = failures.check_repair("engine", "qnnpack")
    assert not verdict.attempted and "The failure does not show on this machine" in verdict.effect


@pytest.mark.skipif("onednn" not in engines.supported(), reason="no onednn")
def test_where_onednn_is_the_only_engine(monkeypatch):
    monkeypatch.setattr(engines, "supported", lambda: ("onednn",))
    settings._converted.cache_clear()
    case = failures.case("engine")
    as_written, mended = case.check(case.broken()), case.check("onednn")
    assert not as_written.attempted and "has only onednn, so the failure cannot be shown here" in as_written.effect
    assert mended.works and mended.effect.endswith("converted for onednn)")
    verdict = failures.check_repair("wrong-dtype", QConfig(observer(quint8), observer(qint8)))
    assert verdict.hint.startswith("Here weights must be symmetric, too")
    symmetric = observer(qint8, torch.per_tensor_symmetric)
    assert failures.check_repair("wrong-dtype", QConfig(observer(quint8), symmetric)).works
    settings._converted.cache_clear()


@pytest.mark.parametrize(
    ("ratios", "word"), [((1.1, 1.2, 1.3), "slower"), ((0.7, 0.8, 0.9), "faster"), ((0.9, 1, 1.1), "neither")]
)
def test_the_race_is_told_with_its_spread(monkeypatch, ratios, word):
    monkeypatch.setattr(settings, "_ratios", lambda layer, batch=1: ratios)
    assert re.search(rf"middle half of \d+ pairs: {ratios[0]:.2f} to {ratios[2]:.2f}\)\. It is {word}", failures.race())
    verdict = failures.check_repair("slower", nn.Linear(20, 20))
    assert verdict.works is (ratios[1] < 1)
    assert verdict.works or "too little to compute" in verdict.hint


def test_the_race_is_run():
    low, median, high = settings._ratios(nn.Linear(10, 5))
    assert 0 < low <= median <= high


def test_without_an_engine_nothing_is_judged(monkeypatch):
    monkeypatch.setattr(engines, "supported", lambda: ())
    for case in failures.FAILURES.values():
        assert "has no engine" in case.check(None).says


def test_a_histogram_observer_is_a_repair_too():
    assert failures.check_repair("symmetric", HistogramObserver).works
    assert failures.check_repair("percentile", MSE()).works


@pytest.mark.parametrize("kind", [MinMaxObserver, HistogramObserver])
def test_reduce_range_uses_all_codes_it_has(kind):
    verdict = failures.check_repair("symmetric", kind.with_args(dtype=quint8, reduce_range=True))
    assert verdict.works and "use 128 of the 128 codes" in verdict.effect


def test_a_percentage_may_be_a_number():
    assert failures.check_repair("percentile", 99.9).works
    assert not failures.check_repair("percentile", 0.01).attempted


def test_what_is_done_after_the_workbench_changes_no_verdict():
    bench = failures.case("uncalibrated").broken()
    failures.right(bench.model)
    assert not failures.check_repair("uncalibrated", bench).attempted


def test_each_case_is_explained():
    for case in failures.FAILURES.values():
        assert case.cause.endswith(".") and case.fix.endswith(".")
        assert all(link.startswith("https://") for link in case.sources) and case.sources
        assert repr(case).count("\n") == 2 + len(case.sources)
    with pytest.raises(ValueError, match=r"name must be one of 'missing-stub', .*: got 'stub'"):
        failures.check_repair("stub", None)
    assert set(SAYS) == set(failures.FAILURES) == {*MENDED, "slower"} == {name for name, *_ in WRONG} | {"slower"}
