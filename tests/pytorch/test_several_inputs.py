"""Networks with several inputs go through the same steps as those with one."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn
from torch.ao import quantization
from torch.utils.data import DataLoader, Dataset

from qviz.pytorch import agreement, convert, engines, evaluate, load, measure, ptq, qat, save, simulate_model
from qviz.pytorch.inputs import Inputs, inputs_of
from qviz.pytorch.qat_config import QATConfig
from qviz.pytorch.reproducible import ReproducibleSums
from qviz.pytorch.training_data import TrainingData

needs_an_engine = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models here")


class TwoInputs(nn.Module):
    """Two branches that are added; the second argument may be left out in FX's eyes, and a mask is no real number."""

    def __init__(self):
        super().__init__()
        self.enter_left, self.enter_right, self.leave = (
            quantization.QuantStub(),
            quantization.QuantStub(),
            quantization.DeQuantStub(),
        )
        self.left, self.right, self.head = nn.Linear(6, 8), nn.Linear(4, 8), nn.Linear(8, 3)
        self.joined = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, left, right, keep=None):
        both = self.joined.add(self.left(self.enter_left(left)), self.right(self.enter_right(right)))
        logits = self.leave(self.head(both))
        return logits if keep is None else logits * keep[:, None]


class Plain(TwoInputs):
    """The same without stubs, for FX."""

    def forward(self, left, right):
        return self.head(self.left(left) + self.right(right))


def network(kind=TwoInputs):
    torch.manual_seed(0)
    return kind().eval()


def data(n=200):
    generator = torch.Generator().manual_seed(1)
    left, right = torch.randn(n, 6, generator=generator), 5 * torch.randn(n, 4, generator=generator)
    return {"left": left, "right": right}, (left.sum(1) + right.sum(1) > 0).long()


X, Y = data()


class Pairs(Dataset):
    def __len__(self):
        return len(Y)

    def __getitem__(self, i):
        return {name: part[i] for name, part in X.items()}, Y[i]


@needs_an_engine
@pytest.mark.parametrize(("flow", "kind"), [("eager", TwoInputs), ("fx", Plain)])
def test_the_kernel_has_what_torch_comes_to_by_itself(flow, kind):
    config = ptq.PTQConfig(samples=96, flow=flow)
    ours = ptq.quantize_model(network(kind), config, X)
    model = network(kind)
    with engines.quiet(), engines.using(), torch.no_grad():
        if flow == "eager":
            model.qconfig = config.qconfig()
            theirs = quantization.prepare(model)
        else:
            mapping = quantization.QConfigMapping().set_global(config.qconfig())
            theirs = quantization.quantize_fx.prepare_fx(model, mapping, (X["left"][:1], X["right"][:1]))
        with ReproducibleSums():  # qviz calibrates with these, so that scales are the same to the last bit
            for top in range(0, 96, 32):
                theirs(X["left"][top : top + 32], X["right"][top : top + 32])
        finish = quantization.convert if flow == "eager" else quantization.quantize_fx.convert_fx
        theirs = finish(theirs)
        assert torch.equal(ours(X["left"], X["right"]), theirs(X["left"], X["right"]))


@needs_an_engine
@pytest.mark.parametrize(("flow", "kind"), [("eager", TwoInputs), ("fx", Plain)])
def test_a_row_of_the_result_for_each_input(flow, kind):
    config = ptq.PTQConfig(samples=96, flow=flow)
    model = network(kind)
    q, s = ptq.quantize_model(model, config, X), simulate_model(model, config, X)
    on_kernel, simulated = evaluate(model, q, X, Y, repeats=1), evaluate(model, s, X, Y)
    names = ["input left", "input right", "left", "right", "head"]
    assert [layer.name for layer in on_kernel.layers] == [layer.name for layer in simulated.layers] == names
    left, right = on_kernel.layers[:2]
    # One step of 256 over the range that was seen in 96 rows; the second input is five times as wide.
    for layer, part in ((left, X["left"]), (right, X["right"])):
        span = float(part[:96].max().clamp(min=0) - part[:96].min().clamp(max=0))
        assert float(layer.qparams.scale) == pytest.approx(span / 255, rel=1e-6)
    # Ties: a float32 sum may fall to the other side, one step in 255 of the logits.
    assert (q(**X) - s(**X)).abs().max() <= 1.01 * float(on_kernel.layers[-1].qparams.scale)


@pytest.mark.parametrize("batches", [DataLoader(Pairs(), batch_size=32), list(DataLoader(Pairs(), batch_size=50))])
def test_batches_of_dicts_calibrate_as_one_dict(batches):
    config = ptq.PTQConfig(samples=96)
    from_batches, plain = (simulate_model(network(), config, x) for x in (batches, X))
    assert torch.equal(from_batches(**X), plain(**X))
    assert evaluate(network(), plain, batches).accuracy == evaluate(network(), plain, X, Y).accuracy


@needs_an_engine
@pytest.mark.parametrize("train", [(X, Y), DataLoader(Pairs(), batch_size=32)], ids=["pair", "loader"])
def test_training_learns_and_converts(train):
    run = qat.train_qat(network(), QATConfig(4, 4, epochs=6, lr=0.02), data=TrainingData(train, test=(X, Y)))
    assert run.history[-1].loss < run.history[1].loss
    assert run.history[-1].accuracy > 0.9 > run.history[0].accuracy
    assert agreement(run.model, convert(run.model), X).predictions == 1


@needs_an_engine
@pytest.mark.parametrize(("flow", "kind"), [("eager", TwoInputs), ("fx", Plain)])
def test_what_is_saved_answers_alike(flow, kind, tmp_path):
    q = ptq.quantize_model(network(kind), ptq.PTQConfig(samples=96, flow=flow), X)
    save(q, tmp_path / "two.safetensors")
    assert torch.equal(load(tmp_path / "two.safetensors", kind().eval(), X)(**X), q(**X))
    with pytest.raises(ValueError, match="give the float network that it was made from as model, with example_x"):
        load(tmp_path / "two.safetensors")


def test_a_mask_and_whole_numbers_pass_and_have_no_row():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(10, 4), nn.Linear(4, 3)

        def forward(self, ids, mask):
            return self.head((self.table(ids) * mask[..., None]).sum(1))

    torch.manual_seed(0)
    x = {"mask": torch.rand(64, 5) > 0.3, "ids": torch.randint(0, 10, (64, 5))}  # not in forward's order
    model, config = Words().eval(), ptq.PTQConfig(samples=64, flow="fx", dynamic=True)
    q = ptq.quantize_model(model, config, x)
    result = evaluate(model, q, x, torch.zeros(64, dtype=torch.int64))
    assert [layer.name for layer in result.layers] == ["head"]
    assert result.layers[0].sqnr_db > 30


@pytest.mark.parametrize(
    ("x", "says"),
    [
        ({}, "at least one tensor, all with as many rows: got an empty dict"),
        ({"left": X["left"], "right": X["right"][:7]}, "all with as many rows: got left 200, right 7"),
        ({"left": X["left"].double()}, r"calibration_x\['left'\] must be a float32 tensor: got torch.float64"),
        ({"left": X["left"] * float("nan"), "right": X["right"]}, r"calibration_x\['left'\] must be finite"),
        ({0: X["left"]}, "the names of forward's arguments as keys: got 0"),
        ({"left": X["left"], "wrong": X["right"]}, "calibration_x must hold inputs that model takes.*'wrong'"),
        ({"left": [1.0]}, r"calibration_x\['left'\] must be a float32 tensor: got list"),
        ([{"left": X["left"][:9]}, {"right": X["left"]}], "inputs of one shape"),
    ],
)
def test_what_does_not_fit_is_named_before_any_work(x, says):
    with pytest.raises((TypeError, ValueError), match=says):
        simulate_model(network(), ptq.PTQConfig(samples=96), x)


def test_inputs_are_cut_and_joined_like_a_tensor():
    pair = Inputs(X)
    joined = inputs_of(list(pair.split(30)), "x")
    assert all(torch.equal(joined.parts[name], X[name]) for name in X)
    assert len(inputs_of(pair.split(30), "x", most=45)) == 60
    assert measure._entries(pair).keys() == {"input left", "input right"}
