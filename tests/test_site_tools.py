"""What the site is made of, without a browser: the zip file with qviz, the pinned files, bytecode that is kept."""

import hashlib
import importlib.util
import io
import json
import math
import subprocess
import sys
import types
import zipfile

import pytest

pytest.importorskip("ipywidgets")


@pytest.fixture
def tool(root, monkeypatch):
    """Return a function that imports a script of tools/ or docs/site/live."""

    def load(path):
        monkeypatch.syspath_prepend(root / "tools")
        spec = importlib.util.spec_from_file_location(f"tested_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return lambda name: load(root / name)


def test_qviz_is_packed_with_the_same_bytes_each_time_and_without_torch(tool):
    bundle = tool("tools/live_site.py").bundle
    names = zipfile.ZipFile(io.BytesIO(bundle())).namelist()
    assert bundle() == bundle()
    needed = {"qviz/widgets/live.py", "qviz/data/files/networks.npz", "ipywidgets/__init__.py", "comm/__init__.py"}
    assert needed <= set(names)
    assert not [name for name in names if name.startswith("qviz/pytorch")]


def test_the_packages_that_are_loaded_are_those_that_are_pinned(root):
    live = root / "docs" / "site" / "live"
    pinned = json.loads((live / "pyodide.json").read_text(encoding="utf-8"))
    lock = json.loads((live / "pyodide-lock.json").read_text(encoding="utf-8"))
    assert lock["info"]["version"] == pinned["version"] and f"v{pinned['version']}/" in pinned["cdn"]
    for package in lock["packages"].values():
        assert pinned["files"][package["file_name"]]["sha256"] == package["sha256"]
        assert set(package["depends"]) <= set(lock["packages"])


def test_a_file_that_is_not_what_is_pinned_is_refused(tool, tmp_path):
    pyodide = tool("tools/pyodide.py")
    assert pyodide.bad_files(tmp_path) == list(pyodide.PINNED["files"])
    pyodide.PINNED["files"] = {"a": {"sha256": hashlib.sha256(b"good").hexdigest()}}
    (tmp_path / "a").write_bytes(b"good")
    assert pyodide.bad_files(tmp_path) == []
    (tmp_path / "a").write_bytes(b"bad")
    assert pyodide.bad_files(tmp_path) == ["a"]


def test_an_explorer_is_found_where_a_cell_shows_it(tool):
    shown, made = tool("tools/live_site.py").explorer_shown, {}
    assert shown("from qviz.widgets import PhotoExplorer\nphoto = PhotoExplorer(bits=3)\nphoto", made) == (
        "PhotoExplorer",
        {"bits": 3},
    )
    assert shown("photo", made) == ("PhotoExplorer", {"bits": 3})
    moved = "walk = IntegerWalkExplorer(pick=4)\nwalk.activation = -150\nwalk"
    assert shown(moved, made) == ("IntegerWalkExplorer", {"pick": 4, "activation": -150})
    assert shown("qviz.widgets.SizeExplorer()", made) == ("SizeExplorer", {})
    assert shown("lab = QATLab()\nQATExplorer(lab, seed=1)", made) == ("QATExplorer", {"seed": 1})
    assert shown("photo.reset()", made) is None and shown("print(1)", made) is None and shown("x = 1", made) is None


def test_the_controls_of_computed_states_offer_what_is_computed(tool):
    states = tool("tools/torch_states.py")
    assert {"low": 2, "high": 8}.items() <= states.controls("PTQExplorer")[0].items()
    assert states.controls("PTQExplorer", few=True)[0]["options"] == [3, 8]
    for name, moves in states.MOVES.items():
        for few in (False, True):
            offered = [
                control.get("options")
                or ([False, True] if control["kind"] == "toggle" else list(range(control["low"], control["high"] + 1)))
                for control in states.controls(name, few)
            ]
            listed = [list(values) for values in (moves.few if few else moves.values).values()]
            assert offered == listed or few, name
            assert len(moves.chosen(few)) == math.prod(map(len, listed))


def test_bytecode_runs_though_its_source_is_of_another_day(tool, tmp_path):
    def answer():
        run = [sys.executable, "-c", "import sys; sys.dont_write_bytecode = False; import old; print(old.answer)"]
        return subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    (tmp_path / "old.py").write_text("answer = 42")
    assert answer() == "42\n"
    packed = tool("docs/site/live/qviz_prepare.py").compiled(tmp_path)
    (tmp_path / "old.py").write_text("answer = 43  # longer")
    assert answer() == "43\n"
    zipfile.ZipFile(io.BytesIO(packed)).extractall(tmp_path)
    assert answer() == "42\n"


def test_of_a_wheel_only_what_may_be_imported_or_read_is_unpacked(tool, tmp_path):
    needed = {"a/__init__.py", "a/fast.so", "a/mpl-data/matplotlibrc", "a/fonts/ttf/DejaVuSans-Bold.ttf"}
    others = {"a/__init__.pyi", "a/fonts/ttf/STIXGeneral.ttf", "a/images/home.png", "a.dist-info/RECORD"}
    packed = tool("tools/live_site.py").zipped(dict.fromkeys(sorted(needed | others), b""))
    wheel = types.SimpleNamespace(to_bytes=lambda: packed)  # as Pyodide hands over a buffer of JavaScript
    tool("docs/site/live/qviz_prepare.py").unpack(wheel, tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == needed


def test_files_of_modules_that_were_imported_are_forgotten(tool, tmp_path, monkeypatch):
    for name in ("used_once", "used_later"):
        (tmp_path / f"{name}.py").write_text("answer = 42")
    monkeypatch.syspath_prepend(tmp_path)
    prepare, used = tool("docs/site/live/qviz_prepare.py"), importlib.import_module("used_once")
    imported = {"used_once": used, "built_in": types.ModuleType("built_in")}
    monkeypatch.setattr(prepare, "sys", types.SimpleNamespace(modules=imported))
    prepare.forget()
    assert used.answer == 42 and [path.name for path in tmp_path.rglob("used_once*")] == []
    assert (tmp_path / "used_later.py").is_file()


def cells(*sources):
    outputs = [{"output_type": "stream", "name": "stdout", "text": "42\n"}]
    made = [{"cell_type": "code", "id": f"{n}", "source": s, "outputs": outputs} for n, s in enumerate(sources)]
    return {"metadata": {}, "cells": made}


def test_in_the_browser_a_cell_that_needs_torch_is_text_and_all_others_run(tool):
    pages = tool("tools/lite_pages.py")
    notebook = pages.for_browser(
        cells(
            "from qviz.pytorch import ptq\nfrom qviz.widgets import PTQExplorer",
            "model = ptq.model()",
            "guess.reveal(model.right)",
            "model = 3",
            "print(model)",
            "import torch.nn as nn, numpy as np\nbits = nn.bits",
            "qviz.pytorch.measure()",
        )
    )
    assert [cell["cell_type"] for cell in notebook["cells"]] == [
        "code", "markdown", "markdown", "code", "code", "markdown", "markdown"
    ]  # fmt: skip
    assert notebook["cells"][0]["source"] == ["from qviz.widgets import PTQExplorer"]
    assert "```python\nmodel = ptq.model()\n```\n\n```\n42" in notebook["cells"][1]["source"]
    assert notebook["cells"][2]["source"].endswith("open this</summary>\n\n```\n42\n\n```\n\n</details>")


def test_the_pages_without_torch_run_as_they_are_in_the_browser(tool, root):
    pages = tool("tools/lite_pages.py")
    for slug in ("start_here", "what_is_quantization", "scale_and_zero_point", "calibration", "hard_to_quantize"):
        (path,) = (root / "notebooks").glob(f"*_{slug}.ipynb")
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert pages.for_browser(notebook)["cells"] == notebook["cells"]


def test_a_package_becomes_a_wheel_that_says_what_is_in_it(tool):
    lite = tool("tools/lite_site.py")
    for name in lite.OURS:
        wheel = zipfile.ZipFile(io.BytesIO(lite.wheel(name, "1.0")))
        record = wheel.read(f"{name}-1.0.dist-info/RECORD").decode()
        assert {row.split(",")[0] for row in record.splitlines()} == set(wheel.namelist())
        assert f"{name}/__init__.py" in record and ".pyc" not in record
    assert lite.wheel("comm", "1.0") == lite.wheel("comm", "1.0")


def test_what_notebooks_load_is_pinned_and_complete(root):
    live, lite = root / "docs" / "site" / "live", root / "docs" / "site" / "lite"
    pinned = json.loads((live / "pyodide.json").read_text(encoding="utf-8"))["notebooks"]
    more = json.loads((lite / "packages.json").read_text(encoding="utf-8"))["packages"]
    known = set(more) | set(json.loads((live / "pyodide-lock.json").read_text(encoding="utf-8"))["packages"])
    for package in more.values():
        assert pinned[package["file_name"]]["sha256"] == package["sha256"]
        assert set(package["depends"]) <= known
    assert set(pinned) == {"pyodide.js"} | {package["file_name"] for package in more.values()}


def test_the_workflow_publishes_what_start_py_builds(root):
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((root / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["publish"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [
        "python3 tools/pyodide.py",
        "python3 start.py site --lite build/pyodide",
    ]
    assert [step["with"]["path"] for step in steps if "upload" in step.get("uses", "")] == ["build/site"]
