"""Saved and loaded, every bit the same; foreign, broken, future and hostile files refused before anything is run."""

import io
import json
import pickle
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open
from safetensors.torch import save as safetensors_of
from torch import nn
from torch.ao import quantization

from qviz.experiments.mixed_precision import FLOAT as KEPT_FLOAT
from qviz.experiments.mixed_precision import mixed_qparams, mixed_weights, place, size_bytes
from qviz.numerics import INT8, UINT8, PerGroup, QParams, calibrate
from qviz.pytorch import conversion, digits_model, engines, qat, saved_model
from qviz.pytorch.ptq import PTQConfig, QuantizationRecord, quantize_model, simulate_model
from qviz.pytorch.sub8bit import weighted

TRAIN, _, X, _ = digits_model.digits_tensors()
FLOAT = digits_model.digits_cnn()
CONFIGS = [
    PTQConfig(),
    PTQConfig(flow="fx"),
    PTQConfig(weight_bits=3, activation_bits=4, method="mse"),
    PTQConfig(weight_bits=2, activation_bits=2, method="aciq", flow="fx"),
    PTQConfig(scheme="symmetric", weight_scheme="affine", per_channel=False),
    PTQConfig(weight_bits=2, weight_scheme="affine"),  # some channels have the zero point 0
    PTQConfig(reduce_range=True, method="torch histogram"),
    PTQConfig(dynamic=True),
    PTQConfig(dynamic=True, flow="fx", weight_bits=4, per_channel=False),
]


def run(model, x=X):
    with torch.inference_mode(), engines.quiet():
        return model(x)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "digits.safetensors"
    saved_model.save(quantize_model(FLOAT, PTQConfig(4, 4), TRAIN), path)
    return path


def read(path):
    """Return what a file says, and the tensors in it, read by the library alone."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["qviz"]), {name: file.get_tensor(name) for name in file.keys()}


def written(about, tensors):
    return safetensors_of(tensors, {"qviz": json.dumps(about)})


@pytest.fixture
def about(saved):
    return read(saved)[0]


@pytest.fixture
def tensors(saved):
    return read(saved)[1]


@pytest.fixture
def refused(tmp_path):
    """Write a file, and return the message that loading it ends with."""

    def message(data):
        path = tmp_path / "changed.safetensors"
        path.write_bytes(data)
        with pytest.raises(ValueError) as caught:
            saved_model.load(path)
        text = str(caught.value)
        assert text.startswith(str(path)) and "\n" not in text and len(text) < 500
        return text

    return message


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_loaded_network_is_the_same_bit_for_bit(config, tmp_path):
    model = quantize_model(FLOAT, config, TRAIN)
    for packed in (False, True):
        saved_model.save(model, tmp_path / "model.any", packed)
        assert [path.name for path in tmp_path.iterdir()] == ["model.any"]
        loaded = saved_model.load(str(tmp_path / "model.any"))
        for x in (X, X * 3 - 1):  # inside of what was calibrated, and beyond
            assert torch.equal(run(loaded, x), run(model, x))
        assert loaded.made == model.made and not loaded.training
        size = (tmp_path / "model.any").stat().st_size
        assert saved_model.saved_bytes(loaded, packed) == size  # saved again, it is the same file


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_number_of_bits_is_packed_and_comes_back(bits, per_channel, tmp_path):
    model = quantize_model(FLOAT, PTQConfig(bits, per_channel=per_channel), TRAIN)
    saved_model.save(model, tmp_path / "x", packed=True)
    assert set(read(tmp_path / "x")[0]["bits"].values()) == ({bits} if bits < 8 else set())
    loaded = weighted(saved_model.load(tmp_path / "x"))
    for name, layer in weighted(model).items():
        assert torch.equal(loaded[name].weight().int_repr(), layer.weight().int_repr())
        assert torch.equal(loaded[name].weight().dequantize(), layer.weight().dequantize())
        assert torch.equal(loaded[name].bias(), layer.bias())


@pytest.mark.parametrize("config", [qat.QATConfig(8, 8, epochs=0), qat.QATConfig(3, 4, False, epochs=0)], ids=str)
def test_a_network_from_training_with_quantization(config, tmp_path):
    fake = qat.train_qat(FLOAT, config).model
    for fixes in (conversion.FIXES, (), ("trained_weights",)):
        model = conversion.convert(fake, fixes)
        saved_model.save(model, tmp_path / "model.safetensors")
        loaded = saved_model.load(tmp_path / "model.safetensors")
        assert torch.equal(run(loaded, X * 2), run(model, X * 2))
        assert getattr(loaded, "made", None) == getattr(model, "made", None) and loaded.engine == model.engine
    assert conversion.convert(fake).made == QuantizationRecord(config, engines.preferred())


@pytest.mark.parametrize("engine", engines.supported())
def test_it_loads_on_the_engine_that_it_was_made_for(engine, tmp_path):
    fake = qat.train_qat(FLOAT, qat.QATConfig(8, 8, epochs=0)).model
    for model in (conversion.convert(fake, engine=engine), quantize_model(FLOAT, PTQConfig(), TRAIN, engine)):
        saved_model.save(model, tmp_path / "model.safetensors")
        loaded = saved_model.load(tmp_path / "model.safetensors")
        assert loaded.made == model.made and loaded.made.engine == loaded.engine == engine
        assert torch.equal(run(loaded), run(model))


@pytest.mark.parametrize("engine", engines.supported())
def test_what_torch_alone_converted_goes_to_the_engine_that_is_current(engine, tmp_path):
    with engines.using(engine), engines.quiet():
        model = digits_model.digits_cnn().fuse()
        model.qconfig = torch.ao.quantization.get_default_qconfig(engine)
        prepared = torch.ao.quantization.prepare(model)
        prepared(TRAIN)
        model = torch.ao.quantization.convert(prepared)
        saved_model.save(model, tmp_path / "model.safetensors")
    loaded = saved_model.load(tmp_path / "model.safetensors")
    assert loaded.engine == engine and not hasattr(loaded, "made")  # nobody knows how it was made
    assert torch.equal(run(loaded, X * 2), run(model, X * 2))


def test_an_engine_that_is_not_here(saved, monkeypatch):
    monkeypatch.setattr(engines, "supported", lambda: ("qnnpack",))
    with pytest.raises(
        ValueError, match="was saved for the engine fbgemm, and this build of torch has qnnpack: load it"
    ):
        saved_model.load(saved)
    monkeypatch.setattr(engines, "supported", lambda: ())
    with pytest.raises(
        ValueError, match="was saved for the engine fbgemm, and this build of torch has no engine: load"
    ):
        saved_model.load(saved)


def test_another_network(tmp_path):
    def build():
        with torch.random.fork_rng():
            stubs = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
            return torch.nn.Sequential(stubs[0], torch.nn.Linear(4, 3, bias=False), stubs[1])

    x = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
    model = quantize_model(build(), PTQConfig(samples=50), x)
    saved_model.save(model, tmp_path / "model.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "model.safetensors", build(), x), x), run(model, x))
    with pytest.raises(ValueError, match="example_x must be an input of model: got None"):
        saved_model.load(tmp_path / "model.safetensors", build())
    with pytest.raises(ValueError, match="does not hold such a network: its entries differ at"):
        saved_model.load(tmp_path / "model.safetensors")


def test_loading_changes_nothing_else(saved):
    random, engine = torch.random.get_rng_state(), torch.backends.quantized.engine
    saved_model.load(saved)
    assert torch.equal(torch.random.get_rng_state(), random) and torch.backends.quantized.engine == engine


@pytest.mark.parametrize("engine", engines.PREFERENCE)
def test_a_page_prints_the_same_size_on_every_engine(engine, saved):
    model = saved_model.load(saved)
    model.made = QuantizationRecord(model.made.config, engine)
    assert saved_model.saved_bytes(model) == saved.stat().st_size


def test_what_is_no_network(saved, tmp_path):
    with pytest.raises(TypeError, match="model must be a network: got dict"):
        saved_model.save({}, tmp_path / "model.safetensors")
    with pytest.raises(TypeError, match="model must be a float network, or None for the one of the course: got dict"):
        saved_model.load(saved, {}, X)


@pytest.mark.parametrize("model", [FLOAT, simulate_model(FLOAT, PTQConfig(), TRAIN)], ids=["float", "simulated"])
def test_what_is_not_quantized_is_not_saved(model, tmp_path):
    with pytest.raises(ValueError, match="model must be quantized: DigitsCNN has no layer of integers"):
        saved_model.save(model, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"hello", b"\x93NUMPY\x01\x00", b"\0" * 100, b"\xff" * 100])
def test_foreign_bytes_are_refused(data, refused):
    assert "must be a whole file of qviz.pytorch.save" in refused(data)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share, saved, refused):
    data = saved.read_bytes()
    assert "must be a whole file" in refused(data[: int(len(data) * share)])
    assert "must be a whole file" in refused(data + b"\0")


def test_a_header_that_is_too_large_is_refused_before_it_is_read(saved, refused, monkeypatch):
    data = saved.read_bytes()
    monkeypatch.setattr(saved_model, "safe_open", None)
    for length in (saved_model.LARGEST_HEADER + 1, 1 << 30, (1 << 64) - 1):
        text = refused(struct.pack("<Q", length) + data[8:])
        assert f"its header would take {length:,} bytes, and those of such files at most 4 MB" in text


def test_what_a_header_promises_must_be_there(refused):
    for shape, end in (([1 << 40], 1 << 40), ([4], 1 << 40), ([-1], 4), ([1 << 63, 4], 4)):
        header = json.dumps({"w": {"dtype": "I8", "shape": shape, "data_offsets": [0, end]}}).encode()
        assert "must be a whole file" in refused(struct.pack("<Q", len(header)) + header + b"\0" * 4)


def test_any_byte_changed_is_refused_or_harmless(saved, tmp_path):
    data, path = saved.read_bytes(), tmp_path / "changed.safetensors"
    for position in [*range(0, 8000, 200), *range(8000, len(data), len(data) // 20)]:  # more in the header
        path.write_bytes(data[:position] + struct.pack("B", data[position] ^ 0x55) + data[position + 1 :])
        try:
            assert run(saved_model.load(path), X[:2]).shape == (2, 10)
        except ValueError as error:
            assert str(error).startswith(str(path))


@pytest.mark.parametrize("metadata", [None, {}, {"qviz": "no JSON"}, {"qviz": "[" * 100_000}, {"qviz": "3"}])
def test_what_other_programs_saved_is_refused(metadata, refused):
    text = refused(safetensors_of({"weight": torch.zeros(2)}, metadata))
    assert text.endswith("it holds tensors of another program; read them with safetensors.torch.load_file")


class Bomb:
    """What a hostile file does when it is unpickled: here it only leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_pickle_is_named_and_not_run(protocol, refused, tmp_path):
    trace, file = tmp_path / "went off", io.BytesIO()
    bomb = pickle.dumps(Bomb(trace), protocol)
    torch.save(Bomb(trace), file)
    for data in (bomb, file.getvalue()):
        text = refused(data)
        assert "it is one of torch.save or np.savez" in text and "quantize the float network anew and save it" in text
        assert not trace.exists()
    pickle.loads(bomb)
    assert trace.exists()  # it would have


def test_files_of_earlier_versions_and_other_archives_get_an_answer(refused):
    files = [io.BytesIO() for _ in range(3)]
    torch.save({"format": "qviz quantized model", "version": 2, "state": {}}, files[0])
    np.savez(files[1], bits=np.uint8(4))
    zipfile.ZipFile(files[2], "w").close()
    for file in files:
        assert "must be a whole file of qviz.pytorch.save: it is one of torch.save or np.savez" in refused(
            file.getvalue()
        )


@pytest.mark.parametrize("version", [0, 1, 2, 4, 99, -1, None, "3", 3.0, True])
def test_another_version_is_refused(version, about, tensors, refused):
    text = refused(written(about | {"version": version}, tensors))
    assert f"has version {version!r} of the format, and this qviz reads 3: update qviz" in text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"weight_bits": 99}, "weight_bits must be from 2 to 8: got 99"),
        ({"method": "magic"}, "method must be one of"),
        ({"unknown": 1}, "unexpected keyword argument 'unknown'"),
        ({"flow": "fx"}, "its entries differ at"),
        ({"dynamic": True, "activation_bits": 8}, "its entries differ at"),
        ({"weight_bits": 2}, "conv1.weight must have codes from -2 to 1: got"),
        ({"activation_bits": 2}, "must be from 0 to 3: got"),
        ({"method": ["mse"]}, "config must hold numbers and text: got list at 'method'"),
    ],
)
def test_other_choices_are_refused(config, words, about, tensors, refused):
    assert words in refused(written(about | {"config": asdict(PTQConfig(4, 4)) | config}, tensors))


@pytest.mark.parametrize("missing", ["config", "engine", "kind", "bits"])
def test_a_part_that_is_missing(missing, about, tensors, refused):
    assert f"{missing} is missing" in refused(written({n: v for n, v in about.items() if n != missing}, tensors))
    for other in (3, "fbgemm 2", [[1]], [["a" * 100] * 3], "a" * 10_000):
        text = refused(written(about | {missing: other}, tensors))
        assert "does not hold such a network" in text and "a" * 60 not in text


def test_the_choices_of_the_other_kind_are_refused(about, tensors, refused):
    assert "unexpected keyword argument 'scheme'" in refused(written(about | {"kind": "qat"}, tensors))


@pytest.mark.parametrize("bits", [0, 1, 2, 9, "4", 4.5, [4]])
def test_bits_that_do_not_belong_are_refused(bits, about, tensors, refused):
    """The codes of this file are not packed."""
    assert "does not hold such a network" in refused(written(about | {"bits": {"conv1.weight": bits}}, tensors))


def test_packed_codes_that_do_not_belong_are_refused(refused, tmp_path):
    saved_model.save(quantize_model(FLOAT, PTQConfig(4), TRAIN), tmp_path / "x", packed=True)
    about, tensors = read(tmp_path / "x")
    codes = tensors["conv1.weight.codes"]
    assert codes.shape == (72,)  # 144 codes of 4 bits
    for changed in (codes[:-1].clone(), torch.cat([codes, codes[:1]]), codes.reshape(8, 9)):
        text = refused(written(about, tensors | {"conv1.weight.codes": changed}))
        assert "packed must be 72 bytes for 144 codes of int4: got shape" in text
    text = refused(written(about, tensors | {"conv1.weight.codes": codes.to(torch.int8)}))
    assert "packed must be a uint8 array, as from pack: got dtype int8" in text
    assert "packed must be" in refused(written(about | {"bits": about["bits"] | {"conv1.weight": 3}}, tensors))


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("codes", torch.zeros(3, dtype=torch.int8), "must be a tensor torch.int8 (16, 1, 3, 3): got torch.int8 (3,)"),
        ("codes", torch.zeros(16, 1, 3, 3), "got torch.float32 (16, 1, 3, 3)"),
        ("codes", torch.full((16, 1, 3, 3), 8, dtype=torch.int8), "must have codes from -8 to 7: got 8"),
        ("codes", torch.full((16, 1, 3, 3), -128, dtype=torch.int8), "must have codes from -8 to 7: got -128"),
        ("scale", torch.zeros(16), "conv1.weight must have scales above 0: got 0"),
        ("scale", -torch.ones(16, dtype=torch.float64), "must have scales above 0: got -1"),
        ("scale", torch.full((16,), float("nan")), "conv1.weight must be finite"),
        ("scale", torch.full((16,), float("inf")), "conv1.weight must be finite"),
        ("scale", torch.ones(7), "one real scale, or one a channel: got torch.float32, shape (7,)"),
        ("scale", torch.ones(16, dtype=torch.int8), "one real scale, or one a channel: got torch.int8, shape (16,)"),
        ("zero_point", torch.full((16,), 1), "conv1.weight must have symmetric zero points of 0: got 1"),
        ("zero_point", torch.full((16,), 1.0), "conv1.weight.zero_point must be a tensor torch.int64 (16,)"),
        ("zero_point", torch.tensor(0), "conv1.weight.zero_point must be a tensor torch.int64 (16,)"),
        ("more", torch.zeros(1), "its entries differ at 'conv1.weight.more'"),
    ],
)
def test_numbers_that_do_not_belong_are_refused(part, value, words, about, tensors, refused):
    assert words in refused(written(about, tensors | {f"conv1.weight.{part}": value}))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("conv1.scale", torch.tensor(float("inf")), "conv1.scale must be finite"),
        ("conv1.scale", torch.tensor(0.0), "conv1.scale must be above 0: got 0"),
        ("quant.scale", torch.tensor([-0.5]), "quant.scale must be above 0: got -0.5"),
        ("conv1.zero_point", torch.tensor(16), "conv1.zero_point must be from 0 to 15: got 16"),
        ("quant.zero_point", torch.tensor([-1]), "quant.zero_point must be from 0 to 15: got -1"),
        ("conv1.scale", torch.tensor([1.0, 2.0]), "must be a tensor torch.float32 (): got torch.float32 (2,)"),
        ("conv1.bias", None, "its entries differ at 'conv1.bias'"),
        ("fc1._packed_params._packed_params.0.codes", None, "its entries differ at 'fc1._packed_params._packed_par"),
        ("conv1.weight", torch.zeros(16, 1, 3, 3), "does not hold such a network"),
        ("extra", torch.ones(1), "its entries differ at 'extra'"),
        ("e" * 10_000, torch.ones(1), "its entries differ at 'eee"),
    ],
)
def test_entries_that_do_not_belong_are_refused(name, value, words, about, tensors, refused):
    changed = {n: v for n, v in (tensors | {name: value}).items() if v is not None}
    assert words in refused(written(about, changed))


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        saved_model.load(tmp_path / "none.safetensors")
    with pytest.raises(OSError):
        saved_model.load(tmp_path)


@pytest.mark.parametrize("name", ["conv1_input_scale_0", "conv1_input_zero_point_0"])
def test_numbers_in_the_graph_of_fx_that_do_not_belong(name, tmp_path, refused):
    saved_model.save(quantize_model(FLOAT, PTQConfig(4, 4, flow="fx"), TRAIN), tmp_path / "fx")
    about, tensors = read(tmp_path / "fx")
    assert f"{name} must be" in refused(written(about, tensors | {name: torch.full_like(tensors[name], -3)}))


def test_affine_weights_have_zero_points_within_their_format(tmp_path, refused):
    saved_model.save(quantize_model(FLOAT, PTQConfig(4, weight_scheme="affine"), TRAIN), tmp_path / "affine")
    about, tensors = read(tmp_path / "affine")
    changed = tensors | {"conv1.weight.zero_point": torch.full((16,), 100)}
    assert "affine zero points from -8 to 7: got 100" in refused(written(about, changed))


def resident():
    """Return the bytes of memory that this process fills."""
    return psutil.Process().memory_info().rss


def test_a_tensor_is_not_read_before_its_place_is_known(about, tmp_path):
    """A gigabyte of a sparse file is mapped, never touched, and takes no memory."""
    header = {"__metadata__": {"qviz": json.dumps(about)}}
    header |= {"conv1.weight.codes": {"dtype": "I8", "shape": [1 << 30], "data_offsets": [0, 1 << 30]}}
    text = json.dumps(header).encode()
    path = tmp_path / "sparse.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + (1 << 30))
    before = resident()
    with pytest.raises(ValueError, match="its entries differ at"):
        saved_model.load(path)
    assert resident() - before < 200 << 20  # a network and its layout are a few megabytes


@pytest.mark.parametrize("config", [PTQConfig(4, flow="fx"), PTQConfig(dynamic=True)], ids=str)
def test_a_layer_left_float_needs_no_word_at_loading(config, tmp_path):
    model = digits_model.digits_cnn()
    model.fc1.qconfig = None
    quantized = quantize_model(model, config, TRAIN)
    assert list(weighted(quantized)) == (["fc2"] if config.dynamic else ["conv1", "conv2", "fc2"])
    saved_model.save(quantized, tmp_path / "x", packed=True)
    assert torch.equal(run(saved_model.load(tmp_path / "x")), run(quantized))


def stubbed(*layers):
    return nn.Sequential(quantization.QuantStub(), *layers, quantization.DeQuantStub()).eval()


def test_a_mask_with_infinities_is_kept_where_the_float_network_has_them(tmp_path):
    """It was written, and then refused as not finite."""

    def build():
        with torch.random.fork_rng(devices=[]):
            model = stubbed(nn.Linear(4, 3))
        model.register_buffer("mask", torch.tensor([0.0, float("-inf")]))
        return model

    x = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
    model = quantize_model(build(), PTQConfig(samples=50), x)
    saved_model.save(model, tmp_path / "x")
    assert torch.equal(saved_model.load(tmp_path / "x", build(), x).mask, model.mask)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.register_buffer("nan", torch.tensor(float("nan"))), "nan must be finite"),
        (lambda m: m.register_buffer("z", torch.zeros(1, dtype=torch.complex64)), "z must be a tensor of integers or"),
        (lambda m: setattr(m.conv1, "scale", -1.0), "conv1.scale must be above 0: got -1"),
        (lambda m: setattr(m.conv1, "zero_point", 300), "conv1.zero_point must be from 0 to 255: got 300"),
        (lambda m: object.__setattr__(m.made.config, "weight_bits", 2), "conv1.weight must have codes from -2 to 1"),
    ],
)
def test_what_would_not_load_again_is_refused_before_anything_is_written(change, words, tmp_path):
    model = quantize_model(FLOAT, PTQConfig(), TRAIN)
    change(model)
    with pytest.raises(ValueError, match=f"model cannot be saved so that it loads again: {words}"):
        saved_model.save(model, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_float16_of_torchs_dynamic_flow_and_its_lstm_are_refused(tmp_path):
    with engines.using(), engines.quiet():
        half = quantization.quantize_dynamic(digits_model.digits_cnn(), {nn.Linear}, torch.float16)
        both = quantization.quantize_dynamic(nn.Sequential(nn.LSTM(2, 2), nn.Linear(2, 2)))
    for model, words in ((half, "must have weights of 8-bit codes: fc1 has"), (both, "ScriptObject")):
        with pytest.raises(ValueError, match=words):
            saved_model.save(model, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_too_many_tensors_for_a_header_are_refused(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "LARGEST_HEADER", 1000)
    with pytest.raises(ValueError, match="must have fewer tensors"):
        saved_model.save(quantize_model(FLOAT, PTQConfig(), TRAIN), tmp_path / "x")


@pytest.mark.parametrize(("flow", "dynamic"), [("eager", True), ("fx", True), ("fx", False)])
def test_what_torch_alone_quantized_in_other_flows(flow, dynamic, tmp_path):
    """Dynamic, of one layer alone."""
    from torch.ao.quantization import quantize_fx

    with engines.using("fbgemm"), engines.quiet():
        if flow == "eager":
            model = quantization.quantize_dynamic(digits_model.digits_cnn().eval(), {"fc2"})
        else:
            name = "get_default_qconfig_mapping" if not dynamic else "QConfigMapping"
            mapping = getattr(quantization, name)()
            if dynamic:
                mapping.set_module_name("fc2", quantization.default_dynamic_qconfig)
            prepared = quantize_fx.prepare_fx(digits_model.digits_cnn().eval(), mapping, (TRAIN[:1],))
            prepared(TRAIN[:64])
            model = quantize_fx.convert_fx(prepared)
        saved_model.save(model, tmp_path / "x")
    assert torch.equal(run(saved_model.load(tmp_path / "x")), run(model))


@pytest.mark.parametrize("method", ["min-max", "mse"])
@pytest.mark.parametrize("bits", [8, (6, 3, 4, 8), (2, KEPT_FLOAT, 7, 5), KEPT_FLOAT], ids=str)
def test_a_float_network_with_weights_as_codes(bits, method, tmp_path):
    """The bytes that were counted and, for each of at most 13 tensors, a line in the header; and the metadata."""
    path = tmp_path / "digits.safetensors"
    saved_model.save(FLOAT, path, packed=True, weight_qparams=mixed_qparams(bits, method))
    loaded, whole = saved_model.load(path), mixed_weights(bits, method)
    assert 0 < path.stat().st_size - size_bytes()[place(bits)] < 13 * 100 + 600
    assert not loaded.training and type(loaded) is digits_model.DigitsCNN
    for name, value in loaded.state_dict().items():
        # a scale is rounded to float32, and so is the product with a code: twice half of 2**-23
        np.testing.assert_allclose(value.numpy(), whole[name], rtol=2e-7)
    again = saved_model.load(path, nn.ModuleDict(dict(FLOAT.named_children())))  # any network with these names
    assert torch.equal(again["conv1"].weight, loaded.conv1.weight)
    saved_model.save(FLOAT, tmp_path / "plain", weight_qparams=mixed_qparams(bits, method))
    plain = saved_model.load(tmp_path / "plain").state_dict()
    assert all(torch.equal(plain[name], value) for name, value in loaded.state_dict().items())


W = FLOAT.fc1.weight.detach().numpy()


@pytest.mark.parametrize(
    ("qparams", "error", "words"),
    [
        ({"fc9.weight": QParams(0.1, 0, INT8)}, ValueError, r"by the names of model.state_dict\(\): got 'fc9.weight'"),
        ({"fc1.weight": 0.1}, TypeError, "weight_qparams must be a QParams"),
        ({"fc1.weight": QParams(0.1, 0, UINT8)}, ValueError, "must be signed, of 8 bits at most"),
        ({"fc1.weight": calibrate(W, "min-max", INT8, "symmetric", PerGroup(1, 32))}, ValueError, "or PerChannel"),
    ],
)
def test_qparams_of_weights_that_do_not_fit(qparams, error, words, tmp_path):
    with pytest.raises(error, match=words):
        saved_model.save(FLOAT, tmp_path / "x", weight_qparams=qparams)
    assert list(tmp_path.iterdir()) == []


def test_a_quantized_network_has_no_weights_to_choose_qparams_for(saved, tmp_path):
    with pytest.raises(ValueError, match="must be a float network"):
        saved_model.save(saved_model.load(saved), tmp_path / "x", weight_qparams={})
