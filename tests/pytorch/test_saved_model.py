"""Saved and loaded, every bit the same; foreign, broken, future and hostile files refused (and see test_pickles)."""

import struct
from dataclasses import asdict

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import conversion, digits_model, engines, qat, saved_model
from qviz.pytorch.ptq import PTQConfig, QuantizationRecord, quantize_model, simulate_model

TRAIN, _, X, _ = digits_model.digits_tensors()
FLOAT = digits_model.digits_cnn()
CONFIGS = [
    PTQConfig(),
    PTQConfig(flow="fx"),
    PTQConfig(weight_bits=3, activation_bits=4, method="mse"),
    PTQConfig(weight_bits=2, activation_bits=2, method="aciq", flow="fx"),
    PTQConfig(scheme="symmetric", weight_scheme="affine", per_channel=False),
    PTQConfig(reduce_range=True, method="torch histogram"),
    PTQConfig(dynamic=True),
    PTQConfig(dynamic=True, flow="fx", weight_bits=4, per_channel=False),
]


def run(model, x=X):
    with torch.inference_mode(), engines.quiet():
        return model(x)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "digits.pt"
    saved_model.save(quantize_model(FLOAT, PTQConfig(4, 4), TRAIN), path)
    return path


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_loaded_network_is_the_same_bit_for_bit(config, tmp_path):
    model = quantize_model(FLOAT, config, TRAIN)
    saved_model.save(model, tmp_path / "model.pt")
    loaded = saved_model.load(str(tmp_path / "model.pt"))
    for x in (X, X * 3 - 1):  # inside of what was calibrated, and beyond
        assert torch.equal(run(loaded, x), run(model, x))
    assert loaded.made == model.made and not loaded.training
    saved_model.save(loaded, tmp_path / "again.pt")
    assert torch.equal(run(saved_model.load(tmp_path / "again.pt")), run(model))


@pytest.mark.parametrize("config", [qat.QATConfig(8, 8, epochs=0), qat.QATConfig(3, 4, False, epochs=0)], ids=str)
def test_a_network_from_training_with_quantization(config, tmp_path):
    fake = qat.train_qat(FLOAT, config).model
    for mends in (conversion.MENDS, (), ("trained_weights",)):
        model = conversion.convert(fake, mends)
        saved_model.save(model, tmp_path / "model.pt")
        loaded = saved_model.load(tmp_path / "model.pt")
        assert torch.equal(run(loaded, X * 2), run(model, X * 2))
        assert getattr(loaded, "made", None) == getattr(model, "made", None) and loaded.engine == model.engine
    assert conversion.convert(fake).made == QuantizationRecord(config, engines.preferred())


@pytest.mark.parametrize("engine", engines.supported())
def test_it_loads_on_the_engine_that_it_was_made_for(engine, tmp_path):
    fake = qat.train_qat(FLOAT, qat.QATConfig(8, 8, epochs=0)).model
    for model in (conversion.convert(fake, engine=engine), quantize_model(FLOAT, PTQConfig(), TRAIN, engine)):
        saved_model.save(model, tmp_path / "model.pt")
        loaded = saved_model.load(tmp_path / "model.pt")
        assert loaded.made == model.made and loaded.made.engine == loaded.engine == engine
        assert torch.equal(run(loaded), run(model))


@pytest.mark.parametrize("engine", engines.supported())
def test_what_torch_alone_converted_goes_to_the_engine_that_is_current(engine, tmp_path):
    with engines.using(engine), engines.quiet():
        model = FLOAT.fuse()
        model.qconfig = torch.ao.quantization.get_default_qconfig(engine)
        prepared = torch.ao.quantization.prepare(model)
        prepared(TRAIN)
        model = torch.ao.quantization.convert(prepared)
        saved_model.save(model, tmp_path / "model.pt")
    loaded = saved_model.load(tmp_path / "model.pt")
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
    saved_model.save(model, tmp_path / "model.pt")
    assert torch.equal(run(saved_model.load(tmp_path / "model.pt", build(), x), x), run(model, x))
    with pytest.raises(ValueError, match="example_x must be an input of model: got None"):
        saved_model.load(tmp_path / "model.pt", build())
    with pytest.raises(ValueError, match="does not hold such a network: its entries differ at"):
        saved_model.load(tmp_path / "model.pt")


def test_loading_changes_nothing_else(saved):
    random, engine = torch.random.get_rng_state(), torch.backends.quantized.engine
    saved_model.load(saved)
    assert torch.equal(torch.random.get_rng_state(), random) and torch.backends.quantized.engine == engine


def test_what_is_no_network(saved, tmp_path):
    with pytest.raises(TypeError, match="model must be a network: got dict"):
        saved_model.save({}, tmp_path / "model.pt")
    with pytest.raises(TypeError, match="model must be a float network, or None for the one of the course: got dict"):
        saved_model.load(saved, {}, X)


@pytest.mark.parametrize("model", [FLOAT, simulate_model(FLOAT, PTQConfig(), TRAIN)], ids=["float", "simulated"])
def test_what_is_not_quantized_is_not_saved(model, tmp_path):
    with pytest.raises(ValueError, match="model must be quantized: DigitsCNN has no layer of integers"):
        saved_model.save(model, tmp_path / "model.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x02" + b"\0" * 100])
def test_foreign_bytes_are_refused(data, refused):
    assert "not a file of qviz.pytorch.saved_model.save" in refused(data)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share, saved, refused):
    data = saved.read_bytes()
    assert "not a whole one" in refused(data[: int(len(data) * share)])


def test_any_byte_changed_is_refused_or_harmless(saved, tmp_path):
    """A checksum of the archive finds most; what is left must still be a network."""
    data, path = saved.read_bytes(), tmp_path / "changed.pt"
    for position in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:position] + struct.pack("B", data[position] ^ 0x55) + data[position + 1 :])
        try:
            assert run(saved_model.load(path), X[:2]).shape == (2, 10)
        except ValueError as error:
            assert str(error).startswith(str(path))


@pytest.mark.parametrize("other", [{"weight": torch.zeros(2)}, [1, 2], torch.zeros(3), {}, "text"])
def test_what_other_programs_saved_is_refused(other, refused):
    assert refused(other).endswith("is not a file of qviz.pytorch.saved_model.save")


@pytest.mark.parametrize("version", [0, 3, 99, -1, None, "2", 2.0, True])
def test_another_version_is_refused(version, content, refused):
    text = refused(content | {"version": version})
    assert f"has version {version!r} of the format, and this qviz reads 2: update qviz" in text


def test_the_first_version_did_not_keep_the_engine(content, refused):
    text = refused(content | {"version": 1})
    assert "has version 1 of the format, and this qviz reads 2: quantize the network anew, and save it" in text


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
        ({"method": ["mse"]}, "config must hold numbers and words: got list at 'method'"),
    ],
)
def test_other_choices_are_refused(config, words, content, refused):
    assert words in refused(content | {"config": asdict(PTQConfig(4, 4)) | {"layers": {}} | config})


@pytest.mark.parametrize("missing", ["config", "state", "engine", "kind"])
def test_a_part_that_is_missing(missing, content, refused):
    del content[missing]
    assert missing in refused(content)
    for other in (3, "fbgemm 2", [[1]]):
        assert "does not hold such a network" in refused(content | {missing: other})


def test_the_choices_of_the_other_kind_are_refused(content, refused):
    assert "unexpected keyword argument 'scheme'" in refused(content | {"kind": "qat"})


def changed(content, name, **parts):
    return content | {"state": content["state"] | {name: content["state"][name] | parts}}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"codes": torch.zeros(3, dtype=torch.int8)},
            r"must be a tensor torch.int8 (16, 1, 3, 3): got torch.int8 (3,)",
        ),
        ({"codes": torch.zeros(16, 1, 3, 3)}, "got torch.float32 (16, 1, 3, 3)"),
        ({"codes": torch.zeros(1, dtype=torch.int8).expand(1 << 40)}, "got torch.int8 (1099511627776,)"),
        ({"codes": torch.zeros(16, 1, 3, 3, dtype=torch.int8).to_sparse()}, "not safe to load"),
        ({"codes": torch.full((16, 1, 3, 3), 8, dtype=torch.int8)}, "must have codes from -8 to 7: got 8"),
        ({"codes": torch.full((16, 1, 3, 3), -128, dtype=torch.int8)}, "must have codes from -8 to 7: got -128"),
        ({"codes": [1, 2]}, "got list"),
        ({"scale": torch.zeros(16, dtype=torch.float64)}, "conv1.weight must have scales above 0: got 0"),
        ({"scale": -torch.ones(16, dtype=torch.float64)}, "must have scales above 0: got -1"),
        ({"scale": torch.full((16,), float("nan"), dtype=torch.float64)}, "conv1.weight must be finite"),
        ({"scale": torch.ones(7, dtype=torch.float64)}, "one scale, or one a channel: got shape (7,)"),
        ({"scale": 0.5}, "does not hold such a network"),
        ({"zero_point": torch.full((16,), 1)}, "conv1.weight must have symmetric zero points of 0: got 1"),
        ({"more": 1}, "must be codes with a scale and a zero point"),
    ],
)
def test_numbers_that_do_not_belong_are_refused(parts, words, content, refused):
    assert words in refused(changed(content, "conv1.weight", **parts))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("conv1.scale", torch.tensor(float("inf")), "conv1.scale must be finite"),
        ("conv1.scale", torch.tensor(0.0), "conv1.scale must be above 0: got 0"),
        ("quant.scale", torch.tensor([-0.5]), "quant.scale must be above 0: got -0.5"),
        ("conv1.zero_point", torch.tensor(16), "conv1.zero_point must be from 0 to 15: got 16"),
        ("quant.zero_point", torch.tensor([-1]), "quant.zero_point must be from 0 to 15: got -1"),
        ("conv1.scale", torch.tensor([1.0, 2.0]), "must be a tensor torch.float32 (): got torch.float32 (2,)"),
        ("conv1.bias", None, "conv1.bias must be a tensor torch.float32 (16,): got NoneType"),
        ("fc1._packed_params.dtype", "qint32", "must be torch.qint8: got 'qint32'"),
        ("fc1._packed_params._packed_params", 3, "must be a list of 2: got int"),
        ("conv1.weight", torch.zeros(16, 1, 3, 3), "must be codes with a scale and a zero point: got Tensor"),
        ("extra", 1, "its entries differ at 'extra'"),
    ],
)
def test_entries_that_do_not_belong_are_refused(name, value, words, content, refused):
    assert words in refused(content | {"state": content["state"] | {name: value}})


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        saved_model.load(tmp_path / "none.pt")
    with pytest.raises(OSError):
        saved_model.load(tmp_path)


@pytest.mark.parametrize("name", ["conv1_input_scale_0", "conv1_input_zero_point_0"])
def test_numbers_in_the_graph_of_fx_that_do_not_belong(name, tmp_path, refused):
    saved_model.save(quantize_model(FLOAT, PTQConfig(4, 4, flow="fx"), TRAIN), tmp_path / "fx.pt")
    content = torch.load(tmp_path / "fx.pt", weights_only=True)
    value = torch.full_like(content["state"][name], -3)
    assert f"{name} must be" in refused(content | {"state": content["state"] | {name: value}})


def test_affine_weights_have_zero_points_within_their_format(tmp_path, refused):
    saved_model.save(quantize_model(FLOAT, PTQConfig(4, weight_scheme="affine"), TRAIN), tmp_path / "affine.pt")
    content = torch.load(tmp_path / "affine.pt", weights_only=True)
    parts = {"zero_point": torch.full((16,), 100)}
    assert "affine zero points from -8 to 7: got 100" in refused(changed(content, "conv1.weight", **parts))


def test_a_network_that_could_not_be_loaded_again_is_not_saved(saved, tmp_path, monkeypatch):
    """It was written, and then said to be no whole file."""
    model = saved_model.load(saved)
    codes = sum(v.numel() for v in (layer.weight() for layer in saved_model.weighted(model).values()))
    monkeypatch.setattr(saved_model, "LARGEST_BYTES", saved_model.MARGIN + codes)  # without biases and scales
    with pytest.raises(ValueError, match="model must fit into 1 MB, the most that load reads"):
        saved_model.save(model, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()
    monkeypatch.setattr(saved_model, "LARGEST_BYTES", saved.stat().st_size - 1)
    with pytest.raises(ValueError, match="which writes 0 MB at most"):
        saved_model.load(saved)
    monkeypatch.setattr(saved_model, "LARGEST_BYTES", saved.stat().st_size)
    saved_model.load(saved)
