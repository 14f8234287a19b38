"""The three ways: counted against code written here, and against what qviz's own flows come to."""

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import digits_model, engines
from qviz.pytorch.labs import pipelines, recipes
from qviz.pytorch.size_and_latency import state_dict_bytes
from qviz.pytorch.sub8bit import weighted

pytestmark = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models here")


@pytest.fixture(scope="module")
def found():
    return pipelines.run_all()


def sample(model):
    """Its docstring is not counted,

    # 1. and neither is this.
    """
    # 1. one
    a = 1

    # not a step
    # 2. two
    return (
        a,
        model,
    )


def test_steps_and_lines_by_hand():
    steps, lines, code = pipelines.count(sample)
    assert (steps, lines) == (("one", "two"), 5)
    assert code.startswith("# 1. one\na = 1\n")


def test_the_code_shown_is_the_code_that_runs(found):
    way, images = found.ways[1], digits_model.digits_tensors()[0]
    body = "".join(f"    {line}\n" for line in way.code.splitlines())
    names = dict(vars(recipes))
    exec(f"def shown(model, images):\n{body}", names)
    with engines.using(), engines.quiet(), torch.inference_mode():
        networks = [recipe(digits_model.digits_cnn(), images) for recipe in (names["shown"], recipes.static)]
        assert torch.equal(*(network(images[:50]) for network in networks))


def test_what_each_needs(found):
    dynamic, static, qat = found.ways
    assert (dynamic.needs, dynamic.images) == ((), 0)
    assert (static.needs, static.images) == (("images",), 256)
    assert (qat.needs, qat.images) == (("images", "labels"), recipes.EPOCHS * 1438)
    assert dynamic.lines < static.lines < qat.lines and len(dynamic.steps) < len(static.steps) < len(qat.steps)


def test_each_way_ends_in_a_network_that_works(found):
    """Float has 355 of 359 right; each way keeps all but four more at most, about a per cent."""
    for way in found.ways:
        assert way.accuracy > 351 / 359
        assert way.size_bytes < state_dict_bytes(digits_model.digits_cnn()).file_bytes / 2


def test_which_layers_become_integers():
    images = digits_model.digits_tensors()[0]
    with engines.using(), engines.quiet():
        layers = [set(weighted(recipes.dynamic(digits_model.digits_cnn())))]
        layers.append(set(weighted(recipes.static(digits_model.digits_cnn(), images))))
    assert layers == [{"fc1", "fc2"}, {"conv1", "conv2", "fc1", "fc2"}]


def test_the_model_and_the_random_state_stay():
    model = digits_model.digits_cnn()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    pipelines.run_all()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_no_text_but_the_live_one_has_a_time(found):
    assert "second" not in repr(found) + found.steps()
    assert found.times().count("seconds on this machine") == 3
    assert all(f"{way.name}: {way.risk}" in repr(found) for way in found.ways)
