"""The network of the last exercise: the same each time, and one that 4 bits break."""

import pytest

torch = pytest.importorskip("torch")
from qviz.pytorch import ptq
from qviz.pytorch.labs import capstone
from qviz.pytorch.measure import evaluate


@pytest.fixture(scope="module")
def example():
    return capstone.example()


def test_it_is_the_same_each_time_and_changes_no_random_state(example):
    before = torch.random.get_rng_state()
    again = capstone.example()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(map(torch.equal, again[0].state_dict().values(), example[0].state_dict().values()))
    assert not again[0].training and all(p.requires_grad for p in again[0].parameters())


def test_trained_anew_it_is_the_one_that_ships(example):
    before = torch.random.get_rng_state()
    anew = capstone.trained_anew().state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert anew.keys() == example[0].state_dict().keys()
    for name, stored in example[0].state_dict().items():  # trained in float64: between processors 13 digits agree
        torch.testing.assert_close(anew[name], stored, rtol=1e-6, atol=1e-7)


def test_batch_norm_is_folded_exactly(example):
    model, _, x, _ = example
    want = model(x)
    got = capstone.SeparableCNN().eval()
    got.load_state_dict(model.state_dict())
    assert torch.allclose(got.fuse().fuse()(x), want, rtol=1e-4, atol=1e-4)  # float32, and logits of about 10


def test_eight_bits_keep_its_answers_and_four_do_not(example):
    """The exercise is about a failure, so there must be one that is not chance: more than 2 points of 359 images."""
    model, calibration_x, x, y = example
    found = {b: evaluate(model, ptq.quantize_model(model, ptq.PTQConfig(b), calibration_x), x, y) for b in (8, 4)}
    assert found[8].float_accuracy - found[8].accuracy < 0.01
    assert found[4].float_accuracy - found[4].accuracy > 0.04
    assert min(found[4].layers[1:], key=lambda layer: layer.weights.sqnr_db).name == "fc"
