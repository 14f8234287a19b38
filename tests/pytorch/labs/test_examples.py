"""The two examples everybody starts from: as written they have exactly these faults, and fixed they have none."""

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import engines, saved_model
from qviz.pytorch.labs import examples

X = examples.inputs(seed=1)


@pytest.mark.parametrize("written", [examples.as_written_ptq, examples.as_written_qat])
def test_as_written(written):
    example = written()
    assert (example.quantized.fc.scale, example.quantized.fc.zero_point) == (1.0, 0)
    with pytest.raises(NotImplementedError, match=r"Could not run 'quantized::linear(_prepack)?' with arguments"):
        example.quantized(X)
    assert example.messages[0].startswith("must run observer before calling calculate_qparams")
    assert example.deprecated == ("torch.ao.quantization is deprecated and will be removed in 2.10.",)
    assert example.quantized.training is (written is examples.as_written_qat)


@pytest.mark.parametrize("fixed", [examples.fixed_ptq, examples.fixed_qat])
def test_fixed(fixed, tmp_path):
    example = fixed()
    with torch.inference_mode():
        quantized, real = example.quantized(X), example.model(X)
    assert not example.quantized.training and example.messages == ()
    assert example.quantized.fc.scale != 1.0
    assert (quantized - real).abs().mean() < example.quantized.fc.scale / 2
    assert (quantized - examples.targets(X)).abs().mean() < 0.05
    saved_model.save(example.quantized, tmp_path / "fixed.safetensors")
    loaded = saved_model.load(tmp_path / "fixed.safetensors", examples.FixedModel(), X)
    with torch.inference_mode():
        assert torch.equal(loaded(X), quantized)


def test_the_faults_of_qat_go_one_after_the_other():
    stubs, trained, frozen = (
        examples.fixed_qat(*fixes).quantized for fixes in ((False,) * 2, (True, False), (True,) * 2)
    )
    assert {examples.error_line(model, X) for model in (stubs, trained, frozen)} == {"no error"}
    assert stubs.fc.scale == 1.0 != trained.fc.scale == frozen.fc.scale
    assert [model.training for model in (stubs, trained, frozen)] == [True, True, False]
    assert frozen.engine == engines.preferred()


@pytest.mark.parametrize("example", [examples.as_written_ptq, examples.fixed_qat])
def test_twice_the_same_and_nothing_else_is_changed(example):
    state, engine = torch.random.get_rng_state(), torch.backends.quantized.engine
    first, second = example().quantized, example().quantized
    assert torch.equal(first.fc.weight().int_repr(), second.fc.weight().int_repr())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.backends.quantized.engine == engine


def test_as_written_it_saves_what_can_be_loaded(tmp_path):
    quantized = examples.as_written_ptq().quantized
    torch.save(quantized.state_dict(), tmp_path / "model_quantized.pth")
    with engines.quiet():
        loaded = torch.load(tmp_path / "model_quantized.pth", weights_only=True)
    assert loaded["fc.scale"] == 1.0 and loaded["fc.zero_point"] == 0
    line = examples.error_line(examples.SimpleModel().load_state_dict, loaded)
    assert line.endswith('for SimpleModel: Missing key(s) in state_dict: "fc.weight", "fc.bias".')
