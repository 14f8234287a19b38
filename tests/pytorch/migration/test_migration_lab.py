"""The table of ways, the table of moves, and the lesson itself where parts are missing."""

import contextlib
import io
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

from qviz.pytorch import digits_model, engines
from qviz.pytorch.migration import backends, migration_lab, migration_table, stored_results, torchao_env
from qviz.pytorch.reproducible import ReproducibleSums

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import course

NEW = [
    name for name, way in backends.BACKENDS.items() if "torchao" in way.code or "pt2e" in way.code or "_api" in way.code
]


@pytest.fixture(scope="module")
def lab():
    return migration_lab.MigrationLab()


@pytest.mark.parametrize("name", backends.BACKENDS)
def test_the_code_that_is_shown_does_what_was_measured(lab, name):
    if backends.BACKENDS[name].needs() or (name.startswith("torch.ao") and engines.preferred() != "fbgemm"):
        pytest.skip("a part is missing")
    space = {"torch": torch, "model": digits_model.digits_cnn(), "train_x": lab.train_x, "x": lab.x}
    measured = lab.logits(name)[:32]
    with torchao_env.quiet(), torch.no_grad(), engines.using(), ReproducibleSums():
        exec(backends.BACKENDS[name].code, space)
        assert torch.equal(space["quantized"](lab.x[:32]), measured)


@pytest.mark.skipif(engines.preferred() != "fbgemm", reason="compared with fbgemm's kernels")
@pytest.mark.parametrize("name", [n for n in backends.BACKENDS if n not in ("float", "quantize_ int4 weights")])
def test_every_way_of_eight_bits_answers_as_the_old_one(lab, name):
    result = lab.measure(name)
    assert result.needs == "" and result.images == 359
    assert result.same >= 358 and abs(result.right - 355) <= 1  # the old dynamic way differs in one image


@pytest.mark.parametrize(
    "name, integers, layers",
    [
        ("float", 0, ()),
        ("torch.ao static", 4, ()),
        ("torch.ao dynamic", 2, ()),
        ("quantize_ int8 weights", 0, ("fc1", "fc2")),
        ("quantize_ dynamic", 2, ("fc1", "fc2")),
        ("quantize_ static", 2, ("fc1", "fc2")),
        ("PT2E", 0, ()),
        ("PT2E lowered", 4, ()),
    ],
)
@pytest.mark.skipif(engines.preferred() != "fbgemm" or not torchao_env.can_lower(), reason="fbgemm and oneDNN")
def test_who_multiplies_integers(lab, name, integers, layers):
    result = lab.measure(name)
    assert (result.integer_products, result.products, result.layers) == (integers, 4, layers)


def test_a_range_for_the_whole_batch_minds_the_company(lab):
    assert lab.batch_sensitivity("quantize_ dynamic") == 0
    if engines.preferred() == "fbgemm":
        assert lab.batch_sensitivity("torch.ao dynamic") > 16


@pytest.mark.skipif(engines.preferred() != "fbgemm" or not torchao_env.can_lower(), reason="fbgemm and oneDNN")
@pytest.mark.parametrize("move", migration_table.MOVES, ids=lambda move: f"{move.old} to {move.new}")
def test_each_old_call_has_its_new_one(lab, move):
    counted = migration_table.run(move, lab)
    least = {"torch.quantize_per_tensor": 0.7, "quantized.engine = 'fbgemm'": 0.99, "quantize_dynamic": 0.99}
    if move.old in least:  # each for a reason that the lesson gives: ties, the order of sums, the range of a batch
        assert least[move.old] * counted.of <= counted.same < counted.of
    else:
        assert counted.same == counted.of > 0


def test_the_codes_that_differ_lie_at_ties(lab):
    """An eighth is a step, so odd sixteenths are ties: those that round to another code with an odd zero point."""
    (move,) = [m for m in migration_table.MOVES if m.old == "torch.quantize_per_tensor"]
    ties = int((torch.round(lab.x * 16) % 2 == 1).sum())
    counted = migration_table.run(move, lab)
    assert counted.of - counted.same == ties


def test_torch_says_itself_that_it_goes():
    assert migration_lab.deprecation_notice().startswith("torch.ao.quantization is deprecated")


def test_a_wrong_name_is_told(lab):
    with pytest.raises(ValueError, match=r"name must be one of 'float', 'torch\.ao static'"):
        lab.measure("pt2e")


def test_loading_says_nothing():
    """In a process of its own, where torchao is not loaded yet and every warning is an error."""
    program = "from qviz.pytorch.migration import torchao_env as t; t.load(); t.load_pt2e()"
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_only_what_is_known_is_silenced(caplog):
    with torchao_env.quiet():
        logging.getLogger("torchao").warning("Failed to load /x/_C_mxfp8.so: no CUDA")
        logging.getLogger("torchao").warning("something else")
        logging.getLogger("torch.utils._pytree").warning("<enum 'A'> is an Enum subclass and is now")
    logging.getLogger("torchao").warning("Failed to load /x/_C_mxfp8.so: no CUDA")
    assert [record.getMessage()[:9] for record in caplog.records] == ["something", "Failed to"]


def test_the_compiler_is_looked_for_where_torch_looks(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert torchao_env.compiler() is None and "none found" in torchao_env.describe()
    monkeypatch.setattr(torchao_env.sysconfig, "get_path", lambda name: str(Path(__file__).parent))
    assert torchao_env.compiler() is None  # no Python.h there


def test_torchs_own_search_for_a_compiler_agrees(monkeypatch):
    torchao_env.load_pt2e()  # with torch's inductor
    search = torch._inductor.cpp_builder.cpp_compiler_search
    if torchao_env.compiler():
        assert Path(shutil.which(torch._inductor.cpp_builder.get_cpp_compiler())) == Path(torchao_env.compiler())
    with pytest.raises(Exception, match="No working C\\+\\+ compiler found"):
        search(("no-such-compiler",))


@pytest.mark.parametrize("missing", ["torchao", "oneDNN", "engine"])
def test_the_lesson_runs_where_a_part_is_missing(missing, monkeypatch):
    """Every cell, with the exercises; what is missing is said, and no number is made up."""
    if missing == "torchao":
        monkeypatch.setattr(torchao_env, "installed", lambda: False)
    elif missing == "oneDNN":
        monkeypatch.setattr(torchao_env, "can_lower", lambda: False)
    else:
        monkeypatch.setattr(engines, "supported", lambda: ())
    (source,) = [s for s in course.sources() if s.stem == "moving_on"]
    out, space = io.StringIO(), {}
    with contextlib.redirect_stdout(out):
        for cell in course.build(source).cells:
            if cell.cell_type == "code":
                exec(cell.source, space)
    told = {
        "torchao": "torchao is not installed: run `python3 start.py lab` again",
        "oneDNN": "this build of torch has no oneDNN kernels for integers",
        "engine": "torch has no engine for the old call here",
    }
    assert told[missing] in out.getvalue()
    lab = space["lab"]
    assert all(lab.measure(name).right != lab.measure(name).right for name in NEW if backends.BACKENDS[name].needs())


@pytest.mark.skipif(engines.preferred() != "fbgemm" or not torchao_env.can_lower(), reason="fbgemm and oneDNN")
@pytest.mark.parametrize("name", stored_results.NAMES)
def test_what_is_stored_is_what_a_graph_exported_here_gives(lab, name):
    """Bit for bit: sums are reproducible, and the lowered kernels add integers."""
    stored, anew = stored_results.stored_results()[name], lab.result(name)
    assert torch.equal(stored.logits, anew.logits) and stored.operations == anew.operations
    np.testing.assert_equal(stored.size_bytes, anew.size_bytes)  # NaN where it cannot be saved
    known = migration_lab.MigrationLab(stored_results.stored_results())
    assert str(known.measure(name)) == str(lab.measure(name)) and known.steps(name) == lab.steps(name)


@pytest.mark.skipif(engines.preferred() != "fbgemm" or not torchao_env.can_lower(), reason="fbgemm and oneDNN")
def test_the_stored_counts_are_those_counted_here(lab):
    assert migration_table.table(lab, again=False) == migration_table.table(lab)


def test_neither_counting_operations_nor_stored_results_load_the_compiler():
    """A page that needs neither torchao nor a graph is ready a second earlier."""
    program = """
import sys
from qviz.pytorch.migration.migration_lab import MigrationLab
from qviz.pytorch.migration.migration_table import table
from qviz.pytorch.migration.stored_results import NAMES, stored_results
lab = MigrationLab(stored_results())
lab.table(["float", "torch.ao static", "torch.ao dynamic", *NAMES]), table(lab, again=False)
print("torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "False\n"), run.stderr
