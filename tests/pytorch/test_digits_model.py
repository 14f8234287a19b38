"""The network computes what qviz.data's does, is fused and rescaled without changing that, and trains alike twice."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.data import digits
from qviz.networks import cnn_forward
from qviz.pytorch.digits_model import DigitsCNN, accuracy, digits_cnn, digits_tensors, rescale_channels, train


@pytest.fixture(scope="module")
def data():
    return digits_tensors()


def logits(model, x):
    with torch.no_grad():
        return model(x).numpy()


def with_norms(seed=0):
    """Return a network whose batch norms are far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    model = DigitsCNN(batch_norm=True).eval()
    for norm in (model.bn1, model.bn2):
        for tensor in (norm.weight.data, norm.running_var, norm.bias.data, norm.running_mean):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model


def test_logits_are_those_of_the_numpy_network(data):
    # float32 sums in another order: a few hundred units in the last place of logits near 10
    expected = cnn_forward(digits().images[digits().test])["logits"]
    np.testing.assert_allclose(logits(digits_cnn(), data[2]), expected, rtol=1e-4, atol=1e-4)


def test_tensors_are_the_readers_own():
    first, second = digits_tensors(), digits_tensors()
    first[0].zero_()
    assert second[0].max() == 1
    assert (second[3].numpy() == digits().labels[digits().test]).all()


@pytest.mark.parametrize("model", [digits_cnn(), with_norms()], ids=["plain", "batch norm"])
def test_fusing_in_eval_mode_changes_nothing_but_the_last_bits(model, data):
    before = logits(model, data[2])
    fused = model.fuse()
    assert fused is model
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
    np.testing.assert_allclose(logits(model, data[2]), before, rtol=1e-4, atol=1e-4)


def test_fusing_in_train_mode_keeps_the_batch_norm():
    model = DigitsCNN(batch_norm=True).train().fuse()
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()) == 2
    assert type(model.fc1).__name__ == "LinearReLU"


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("factor", [1, 2, 5.5, 16, 1024])
def test_rescaling_by_powers_of_two_keeps_every_logit(factor, seed, data):
    model = digits_cnn()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    hard = rescale_channels(model, factor, seed)
    # the products are the same ones; a kernel may add them in another order where memory lies differently
    np.testing.assert_allclose(logits(hard, data[2]), logits(model, data[2]), rtol=1e-5, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())  # a copy
    ratio = (hard.conv1.weight / model.conv1.weight).detach()
    assert torch.equal(ratio, ratio[:, :1, :1, :1].expand_as(ratio))
    assert 1 / factor <= ratio.min() <= ratio.max() <= factor


def test_rescaling_with_batch_norm(data):
    model = with_norms()
    hard = rescale_channels(model, 16)
    np.testing.assert_allclose(logits(hard, data[2]), logits(model, data[2]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(logits(hard.fuse(), data[2]), logits(model, data[2]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [0, 0.99, -4, 1025, float("nan"), float("inf")])
def test_an_impossible_factor_is_refused(factor):
    with pytest.raises(ValueError, match="factor must be from 1 to 1024: got"):
        rescale_channels(digits_cnn(), factor)


def test_a_fused_network_is_not_rescaled():
    with pytest.raises(ValueError, match="must not be fused yet: its conv1 is a ConvReLU2d"):
        rescale_channels(digits_cnn().fuse())


def untrained(**keywords):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return DigitsCNN(**keywords)


def test_training_is_the_same_twice_and_leaves_the_random_state_alone():
    models, state = [untrained(), untrained()], torch.random.get_rng_state()
    losses = [train(model, epochs=2, lr=3e-3, seed=3) for model in models]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert losses[0] == losses[1]
    a, b = (model.state_dict() for model in models)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert train(untrained(), epochs=2, lr=3e-3, seed=4) != losses[0]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_few_epochs_learn_the_digits(batch_norm, data):
    model = untrained(batch_norm=batch_norm)
    losses = train(model, epochs=8, lr=3e-3, seed=0)
    assert len(losses) == 8 and losses[-1] < losses[0] / 3
    assert not model.training
    assert accuracy(model, *data[2:]) > 0.9


def test_progress_and_stopping():
    model, seen, asked = untrained(), [], []
    losses = train(
        model,
        epochs=5,
        lr=1e-3,
        seed=0,
        progress=lambda *args: seen.append(args),
        should_stop=lambda: asked.append(0) or len(asked) > 50,  # 23 batches an epoch: in the third
    )
    assert seen == [(1, 5, losses[0]), (2, 5, losses[1])]
    assert not model.training


def test_an_interrupt_leaves_the_model_in_eval_mode():
    model = untrained()

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, epochs=2, lr=1e-3, seed=0, progress=interrupt)
    assert not model.training


def test_no_epochs():
    model = untrained()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert train(model, epochs=0, lr=1e-3, seed=0) == []
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="epochs must be at least 0: got -1"):
        train(model, epochs=-1, lr=1e-3, seed=0)
