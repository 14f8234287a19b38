"""A reader's prepare, calibrate and convert: what is taken, and what each mistake gets to hear."""

import copy

import pytest

torch = pytest.importorskip("torch")
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

from qviz.pytorch import engines, ptq
from qviz.pytorch.digits_model import digits_cnn, digits_tensors
from qviz.pytorch.labs import own_ptq

pytestmark = pytest.mark.skipif(engines.preferred() is None, reason="this build of torch has no engine")

QCONFIG = quantization.get_default_qconfig("fbgemm")


def in_steps(model, images, qconfig=QCONFIG, calibrate=lambda prepared, images: prepared(images)):
    model.eval().qconfig = qconfig
    prepared = quantization.prepare(model)
    calibrate(prepared, images)
    return quantization.convert(prepared)


def in_place(model, images):
    model.train(False)
    model.qconfig = QCONFIG
    quantization.prepare(model, inplace=True)
    model(images)
    quantization.convert(model, inplace=True)
    return model


def on_a_copy(model, images):
    float_model = copy.deepcopy(model)
    float_model.eval()
    float_model.qconfig = QCONFIG
    prepared = quantization.prepare(float_model)
    with torch.inference_mode():
        for image in images:
            prepared(image[None])
    return quantization.convert(prepared)


def one_call(model, images):
    model.eval().qconfig = QCONFIG
    return quantization.quantize(model, lambda prepared, batches: [prepared(b) for b in batches], [images.split(64)])


def by_fx(model, images):
    mapping = quantization.get_default_qconfig_mapping("fbgemm")
    prepared = quantize_fx.prepare_fx(model.eval(), mapping, (images[:1],))
    prepared(images)
    return quantize_fx.convert_fx(prepared)


def with_a_loader(prepared, images):
    for (batch,) in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), 50):
        prepared.forward(batch)


def layer_by_layer(model, images):
    model.eval()
    for layer in model.children():
        layer.qconfig = QCONFIG
    prepared = quantization.prepare(model)
    prepared(images)
    return quantization.convert(prepared.eval())


MIN_MAX = quantization.QConfig(quantization.MinMaxObserver, quantization.default_per_channel_weight_observer)
RIGHT = {
    "in steps": in_steps,
    "in place": in_place,
    "on a copy, image by image": on_a_copy,
    "one call": one_call,
    "by FX": by_fx,
    "with a loader": lambda m, x: in_steps(m, x, calibrate=with_a_loader),
    "one scale per tensor": lambda m, x: in_steps(m, x, quantization.default_qconfig),
    "min-max, all 255 steps": lambda m, x: in_steps(m, x, MIN_MAX),
    "in another order": lambda m, x: in_steps(m, x.flip(0), calibrate=lambda p, x: [p(b) for b in x.split(100)]),
    "layer by layer": layer_by_layer,
    "eval at the end": lambda m, x: in_steps(m, x).eval(),
    "the old name": lambda m, x: in_steps(m, x, torch.quantization.get_default_qconfig("x86")),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_way_is_taken(name):
    verdict = own_ptq.judge(RIGHT[name])
    assert verdict.works, verdict


def without_eval(model, images):
    model.qconfig = QCONFIG
    prepared = quantization.prepare(model)
    prepared(images)
    return quantization.convert(prepared)


def never_converted(model, images):
    model.eval().qconfig = QCONFIG
    prepared = quantization.prepare(model)
    prepared(images)
    return prepared


def wrong_one_calibrated(model, images):
    model.eval().qconfig = QCONFIG
    prepared = quantization.prepare(model)
    model(images)
    return quantization.convert(prepared)


def linear_layers_alone(model, images):
    model.eval()
    model.qconfig = None
    model.fc1.qconfig = model.fc2.qconfig = QCONFIG
    prepared = quantization.prepare(model)
    prepared(images)
    return quantization.convert(prepared)


def rounded_by_hand(model, images):
    for layer in (model.conv1[0], model.conv2[0], model.fc1[0], model.fc2):
        scale = layer.weight.abs().max() / 127
        layer.weight.data = (layer.weight / scale).round() * scale
    return model.eval()


def calibrated_too_late(model, images):
    model.eval().qconfig = QCONFIG
    quantized = quantization.convert(quantization.prepare(model))
    quantized(images)
    return quantized


def new_weights(model, images):
    fresh = type(model)().eval().fuse()
    return in_steps(fresh, images)


def the_networks_of_the_page(model, images):
    return in_steps(digits_cnn().fuse(), digits_tensors()[0][:256])


TRAIN_X = digits_tensors()[0]
WRONG = {
    "without eval": (without_eval, "call eval() before prepare"),
    "train mode again": (lambda m, x: in_steps(m, x).train(), "call eval() before prepare"),
    "never converted": (never_converted, "last of the three calls is missing"),
    "never calibrated": (lambda m, x: in_steps(m, x, calibrate=lambda p, x: None), "No observer of conv1 saw"),
    "another network calibrated": (wrong_one_calibrated, "No observer of conv1 saw"),
    "calibrated too late": (calibrated_too_late, "No observer of conv1 saw"),
    "first batch alone": (lambda m, x: in_steps(m, x[:32]), "calibrate on all of the images"),
    "one image": (lambda m, x: in_steps(m, x[:1]), "calibrate on all of the images"),
    "images of the page": (lambda m, x: in_steps(m, TRAIN_X[:256]), "calibrate on all of the images"),
    "noise": (lambda m, x: in_steps(m, torch.rand(64, 1, 8, 8)), "calibrate on all of the images"),
    "black": (lambda m, x: in_steps(m, torch.zeros(64, 1, 8, 8)), "calibrate on all of the images"),
    "scaled to 0 to 1": (lambda m, x: in_steps(m, x / x.max()), "calibrate on all of the images"),
    "scaled up": (lambda m, x: in_steps(m, 4 * x), "range of the input is too wide"),
    "float": (lambda m, x: m.eval(), "conv1 does not compute with integers"),
    "rounded by hand": (rounded_by_hand, "conv1 does not compute with integers"),
    "linear layers alone": (linear_layers_alone, "conv1 does not compute with integers"),
    "dynamic": (lambda m, x: quantization.quantize_dynamic(m.eval()), "conv1 does not compute with integers"),
    "new weights": (new_weights, "It was calibrated, but answers differently"),
    "the network of the page": (the_networks_of_the_page, "The range of the input is too narrow"),
    "qviz": (
        lambda m, x: ptq.quantize_model(m.eval(), ptq.PTQConfig(), x),
        "Call the functions of torch.ao.quantization",
    ),
    "no return": (lambda m, x: print(in_steps(m, x) and "", end=""), "does it end with a return"),
    "logits": (lambda m, x: m(x), "must return a network: got Tensor"),
    "state dict": (lambda m, x: in_steps(m, x).state_dict(), "must return a network: got OrderedDict"),
    "another layer": (lambda m, x: in_steps(nn.Sequential(m.fc2), x), "or when its network was run"),
    "raises": (lambda m, x: in_steps(m, y), "This error occurred in your function"),  # noqa: F821
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_gets_a_hint(name):
    function, words = WRONG[name]
    verdict = own_ptq.judge(function)
    assert verdict.attempted and not verdict.works
    assert words in verdict.hint


def test_the_exercise_itself_is_no_attempt():
    def quantize_network(model, images):
        return None

    verdict = own_ptq.judge(quantize_network)
    assert not verdict.attempted and verdict.name == "own PTQ"
    assert repr(verdict) == "your function: not attempted yet"


def test_where_there_is_no_engine(monkeypatch):
    monkeypatch.setattr(engines, "preferred", lambda: None)
    assert not own_ptq.judge(in_steps).attempted
