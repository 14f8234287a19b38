"""Quantized graphs against the eager fbgemm network: the same scales, codes and logits."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

from qviz.pytorch import bridge, digits_model, engines
from qviz.pytorch.migration import executed_operations, pt2e, torchao_env
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.reproducible import ReproducibleSums
from qviz.pytorch.size_and_latency import size_bytes

TRAIN, TRAIN_Y, X, Y = digits_model.digits_tensors()
FLOAT = digits_model.digits_cnn()
needs_fbgemm = pytest.mark.skipif(engines.preferred() != "fbgemm", reason="compared with fbgemm's kernels")
needs_onednn = pytest.mark.skipif(not torchao_env.can_lower(), reason="oneDNN's kernels")


@pytest.fixture(scope="module")
def converted():
    return pt2e.quantize(FLOAT, TRAIN)


def run(model, x=X):
    with torch.no_grad(), engines.quiet():
        return model(x)


def old_network(model=FLOAT):
    return quantize_model(model, PTQConfig(method="torch min-max"), TRAIN)


@needs_fbgemm
def test_scales_and_codes_are_those_of_the_eager_network(converted):
    old = old_network()
    layers = [old.get_submodule(name) for name in ("conv1", "conv2", "fc1", "fc2")]
    for layer, (codes, p) in zip(layers, pt2e.weight_codes(converted), strict=True):
        theirs = bridge.qparams_of(layer.weight())
        assert torch.equal(layer.weight().int_repr(), codes)
        np.testing.assert_array_equal(theirs.scale, p.scale)
        assert not p.zero_point.any() and p.granularity == theirs.granularity
    activations = pt2e.activation_qparams(converted)
    # the input, conv1, conv2 (again behind the pool and the flatten), fc1; the logits stay float
    assert len(activations) == 6
    kept = [activations[i] for i in (0, 1, 2, 3, 4, 5)]
    wanted = [bridge.qparams_of(old.quant), *[bridge.qparams_of(layers[i]) for i in (0, 1, 1, 1, 2)]]
    for mine, theirs in zip(kept, wanted, strict=True):
        assert np.float32(mine.scale) == np.float32(theirs.scale) and mine.zero_point == theirs.zero_point


@needs_fbgemm
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_the_logits_have_the_eager_networks_codes(seed):
    """Also where weights are of very different size, and few answers are right."""
    model = FLOAT if seed is None else digits_model.rescale_channels(FLOAT, seed=seed)
    old, new = old_network(model), pt2e.quantize(model, TRAIN)
    scale, zero_point = old.fc2.scale, old.fc2.zero_point
    with ReproducibleSums():
        theirs, mine = (torch.round(run(m) / scale) + zero_point for m in (old, new))
    different = (theirs - mine.clamp(0, 255)).abs()
    # sums in another order of float32: a value within 1e-5 of a tie may fall to the other side
    assert different.max() <= 1 and (different > 0).float().mean() < 1e-3


def test_the_reference_multiplies_floats_on_the_grid(converted):
    _, ran = executed_operations.run(converted, X[:4])
    assert [p.numbers for p in executed_operations.products(ran)] == ["floats"] * 4
    for codes, _ in pt2e.weight_codes(converted):
        assert codes.dtype == torch.int8


@pytest.mark.parametrize("images", [1, 2, 7, 33])
def test_it_takes_any_number_of_images(converted, images):
    assert torch.allclose(run(converted, X[:images]), run(converted)[:images], atol=1e-4)


def test_histograms_are_torchaos_own_choice():
    other = pt2e.quantize(FLOAT, TRAIN, "histogram", samples=64)
    scales = [float(p.scale) for p in pt2e.activation_qparams(other)]
    narrow = pt2e.activation_qparams(pt2e.quantize(FLOAT, TRAIN, samples=64))
    assert all(mine <= float(p.scale) for mine, p in zip(scales, narrow, strict=True))  # a histogram may clip
    assert int((run(other).argmax(1) == Y).sum()) >= 353  # of 355: two images may move


def test_unused_floats_are_dropped_and_nothing_else(converted):
    lean = pt2e.without_float_weights(converted)
    assert torch.equal(run(lean), run(converted))
    assert {n for n, _ in lean.named_parameters()} == {f"{n}.bias" for n in ("conv1", "conv2", "fc1", "fc2")}
    weights = sum(p.numel() for n, p in FLOAT.named_parameters() if n.endswith("weight"))
    # 4 bytes for each float weight, and the names of four tensors in the file
    assert 4 * weights < size_bytes(converted) - size_bytes(lean) < 4 * weights + 4000
    assert len(dict(converted.named_parameters())) == 8  # the original is as it was


@needs_onednn
def test_lowered_kernels_multiply_integers_and_answer_alike(converted):
    lowered = pt2e.lower(converted, X[:32])
    output, ran = executed_operations.run(lowered, X[:32])
    assert [p.numbers for p in executed_operations.products(ran)] == ["integers"] * 4
    reference = run(converted, X[:32])
    step = float(pt2e.activation_qparams(converted)[-1].scale) * float(pt2e.weight_codes(converted)[-1][1].scale.max())
    # one step of one input of the last layer, times the largest weight code, where a tie falls to the other side
    assert (output - reference).abs().max() < 127 * step
    assert ((output - reference).abs() > 1e-4).float().mean() < 0.03
    assert torch.equal(output.argmax(1), reference.argmax(1))
    with pytest.raises(RuntimeError, match="Expected input"):
        run(lowered, X[:31])


def test_without_the_kernels_it_says_what_to_do(converted, monkeypatch):
    monkeypatch.setattr(torchao_env, "can_lower", lambda: False)
    with pytest.raises(RuntimeError, match="run the converted graph as it is"):
        pt2e.lower(converted, X[:2])


def test_training_in_the_graph_moves_the_weights_and_is_converted():
    def train(graph):
        optimizer = torch.optim.SGD(graph.parameters(), lr=0.01)
        for batch in torch.arange(256).split(64):
            optimizer.zero_grad()
            losses.append(torch.nn.functional.cross_entropy(graph(TRAIN[batch]), TRAIN_Y[batch]))
            losses[-1].backward()
            optimizer.step()

    losses = []
    before = {n: p.clone() for n, p in FLOAT.named_parameters()}
    trained = pt2e.train_quantized(FLOAT, train, TRAIN)
    untrained = pt2e.train_quantized(FLOAT, lambda graph: graph(TRAIN[:256]), TRAIN)
    pairs = zip(pt2e.weight_codes(trained), pt2e.weight_codes(untrained), strict=True)
    assert any((a != b).any() for (a, _), (b, _) in pairs)
    assert all(torch.equal(before[n], p) for n, p in FLOAT.named_parameters())
    for model in (trained, untrained):
        assert int((run(model).argmax(1) == Y).sum()) >= 350  # of 355: training at 8 bits costs a few at most
        assert all(
            p.numbers == "floats" for p in executed_operations.products(executed_operations.run(model, X[:2])[1])
        )


def test_dropout_drops_in_training_alone():
    """A graph without dropout and batch norm is left as it is; with either, torchao must change it for both modes."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 10))
    seen = []

    def train(graph):
        with torch.random.fork_rng(devices=[]):
            seen.extend([graph(X[:8]), graph(X[:8])])

    trained = pt2e.train_quantized(model, train, X)
    assert not torch.equal(*seen)
    assert torch.equal(run(trained), run(trained))


def test_batch_norm_is_folded_in_the_graph_alone():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = digits_model.DigitsCNN(batch_norm=True).train()
        run(model, TRAIN[:64])  # statistics that are not 0 and 1
    before = {n: t.clone() for n, t in model.eval().state_dict().items()}
    converted = pt2e.quantize(model, TRAIN)
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert not [node for node in converted.graph.nodes if "batch_norm" in str(node.target)]
    error = (run(converted) - run(model)).abs().max()
    assert error < 0.05 * run(model).abs().max()  # 8 bits in four layers


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"observers": "entropy"}, "observers must be one of 'min-max', 'histogram': got 'entropy'"),
        ({"samples": 2000}, "calibration_x must hold at least 2000 inputs for samples=2000: got 1438"),
        ({"samples": 0}, "samples must be at least 1: got 0"),
        ({"samples": -5}, "samples must be at least 1: got -5"),
        ({"samples": 9.0}, r"samples must be a whole number of at least 1: got 9\.0"),
    ],
)
def test_a_wrong_argument_is_named(arguments, text):
    with pytest.raises(ValueError if isinstance(arguments.get("samples"), int | None) else TypeError, match=text):
        pt2e.quantize(FLOAT, TRAIN, **arguments)


def test_one_sample_is_enough_and_one_example_is_not():
    assert pt2e.activation_qparams(pt2e.quantize(FLOAT, TRAIN, samples=1))
    with pytest.raises(ValueError, match="calibration_x must hold at least 2 inputs for samples=1: got 1"):
        pt2e.quantize(FLOAT, TRAIN[:1], samples=1)
