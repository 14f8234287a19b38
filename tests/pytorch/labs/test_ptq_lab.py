"""The laboratory keeps much and changes nothing: its networks are those of quantize_model, bit for bit."""

import random

import pytest

torch = pytest.importorskip("torch")

from qviz.numerics import SCHEMES
from qviz.pytorch import digits_model, engines
from qviz.pytorch.labs.ptq_lab import NETWORKS, PTQLab
from qviz.pytorch.measure import evaluate
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.ptq_config import METHODS

TRAIN, _, X, Y = digits_model.digits_tensors()
HARD = "channels rescaled"


@pytest.fixture(scope="module")
def lab():
    return PTQLab()


def settings(rng, method):
    return {
        "weight_bits": rng.randint(2, 8),
        "activation_bits": rng.randint(2, 8),
        "scheme": rng.choice(SCHEMES),
        "weight_scheme": rng.choice(SCHEMES),
        "per_channel": rng.random() < 0.5,
        "weight_method": rng.choice([None, "aciq", "torch min-max"]),
        "method": method,
        "samples": rng.choice([1, 31, 64, 256]),
        "reduce_range": rng.random() < 0.5,
    }


def run(model, x=X):
    with torch.inference_mode(), engines.quiet():
        return model(x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", NETWORKS)
def test_bit_for_bit_what_quantize_model_makes(lab, network, method):
    config = PTQConfig(**settings(random.Random(f"{network} {method}"), method))
    with engines.threads(1):
        mine, plain = lab.quantized(network, config), quantize_model(NETWORKS[network](), config, TRAIN)
    assert torch.equal(run(mine), run(plain)), config
    assert torch.equal(mine.conv2.weight().int_repr(), plain.conv2.weight().int_repr())
    assert mine.made == plain.made


def test_the_same_setting_gives_the_same_result_after_others(lab):
    first = lab(HARD, weight_bits=3, method="mse")
    for bits in (2, 8):
        lab(HARD, weight_bits=bits, activation_bits=bits, scheme="symmetric", method="mse", samples=32)
    lab._results.cache_clear()
    again = lab(HARD, weight_bits=3, method="mse")
    assert str(again) == str(first) and again.layers[2].weights.sqnr_db == first.layers[2].weights.sqnr_db


def test_the_numbers_are_those_of_evaluate(lab):
    config = PTQConfig(4, 5, "symmetric", method="torch histogram", samples=100)
    mine = lab(weight_bits=4, activation_bits=5, scheme="symmetric", method="torch histogram", samples=100)
    with engines.threads(1):
        plain = evaluate(digits_model.digits_cnn(), quantize_model(digits_model.digits_cnn(), config, TRAIN), X, Y)
    assert mine.layers[3].sqnr_db == plain.layers[3].sqnr_db
    assert str(mine) == str(plain)


def test_a_move_neither_observes_nor_decides_again_what_is_known():
    lab = PTQLab()
    lab(weight_bits=4, activation_bits=4)
    observed, decided = lab._observed.cache_info().misses, lab._decided.cache_info().misses
    lab._results.cache_clear()
    lab(weight_bits=4, activation_bits=4, samples=256)
    assert (lab._observed.cache_info().misses, lab._decided.cache_info().misses) == (observed, decided)
    lab(weight_bits=5, activation_bits=4)  # five weights (the input has none) are decided anew, no activation
    assert (lab._observed.cache_info().misses, lab._decided.cache_info().misses) == (observed, decided + 5)
    lab(weight_bits=5, activation_bits=6, scheme="symmetric", method="aciq")
    assert lab._observed.cache_info().misses == observed


def test_every_cache_has_a_bound(lab):
    caches = (lab._reference, lab._observed, lab._decided, lab._results)
    assert all(0 < cache.cache_info().maxsize <= 2048 for cache in caches)


def test_both_networks_are_the_same_function(lab):
    easy, hard = lab(), lab(HARD)
    assert easy.float_accuracy == hard.float_accuracy == pytest.approx(355 / 359)
    assert hard.accuracy < easy.accuracy


def test_threads_stay_as_they_were(lab):
    before = torch.get_num_threads()
    lab(weight_bits=7)
    assert torch.get_num_threads() == before


def test_without_an_engine_it_is_simulated(monkeypatch):
    with_engine = PTQLab()(weight_bits=3, activation_bits=4)
    monkeypatch.setattr(engines, "PREFERENCE", ())
    monkeypatch.setattr(engines, "preferred", lambda: None)
    result = PTQLab()(weight_bits=3, activation_bits=4)
    assert result.engine == "simulated"
    assert result.accuracy == pytest.approx(with_engine.accuracy, abs=1 / 359)  # sums in float32: a tie may fall
    assert result.layers[1].weights.sqnr_db == pytest.approx(with_engine.layers[1].weights.sqnr_db, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "easy"}, "network must be one of 'as trained', 'channels rescaled': got 'easy'"),
        ({"network": ["as trained"]}, r"network must be one of .*: got \['as trained'\]"),
        ({"samples": 1439}, "samples must be at most 1438: got 1439"),
        ({"flow": "fx"}, "eager and static way alone"),
        ({"dynamic": True}, "eager and static way alone"),
        ({"weight_bits": 9}, "weight_bits must be from 2 to 8: got 9"),
    ],
)
def test_what_it_cannot_do_is_told(lab, arguments, message):
    with pytest.raises(ValueError, match=message):
        lab(**arguments)


def test_varying_one_setting_is_asking_for_each(lab):
    varied = lab.vary("weight_bits", (2, 8), layer="input", network=HARD, method="aciq")
    assert varied.accuracies == {bits: lab(HARD, weight_bits=bits, method="aciq").accuracy for bits in (2, 8)}
    head, *rows = repr(varied).splitlines()
    assert head.startswith("weight_bits") and "input: range up to" in head
    assert [row.split()[0] for row in rows] == ["2", "8"] and all(row.endswith("nan") for row in rows)  # no weights
    assert {len(row) for row in rows} == {len(head)}
