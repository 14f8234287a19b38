"""start.py: what it does when all is well, and the one sentence it says when not."""

import ast
import errno
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def start(root, tmp_path, monkeypatch):
    """A start.py of its own in a copy of the project, whose steps and hand-over are recorded, not run."""
    for name in ("start.py", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_text((root / name).read_text(encoding="utf-8"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("start_of_a_copy", tmp_path / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.steps, module.errors, module.handed_over = [], {}, []

    def step(*command):
        words = " ".join(str(word) for word in command)
        module.steps.append(words)
        if " venv " in words and not module.errors:
            module.PYTHON.parent.mkdir(parents=True, exist_ok=True)
            module.PYTHON.write_text("")
            module.STAMP.unlink(missing_ok=True)  # as --clear does
        return next((error for part, error in module.errors.items() if part in words), "")

    monkeypatch.setattr(module, "step", step)
    monkeypatch.setattr(module, "run", lambda *command: module.handed_over.append(command))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    monkeypatch.chdir(tmp_path)
    return module


def sentence(start, *arguments):
    """Run it, and return the one line with which it ends."""
    with pytest.raises(SystemExit) as end:
        start.main(*arguments)
    assert isinstance(end.value.code, str), "the exit code is not 1"
    return end.value.code


def test_it_is_short_and_holds_no_version(root):
    text = (root / "start.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    assert re.findall(r"\d+\.\d+\.\d+|[<>=]=\d", text) == []


def test_it_needs_the_standard_library_only(root):
    tree = ast.parse((root / "start.py").read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_an_old_python_can_read_it(root):
    tree = ast.parse((root / "start.py").read_text(encoding="utf-8"), feature_version=(3, 4))
    new = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.Match)
    assert not [node for node in ast.walk(tree) if isinstance(node, new)]
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List | ast.Set)]
    assert not [node for node in lists if any(isinstance(item, ast.Starred) for item in node.elts)]


@pytest.mark.parametrize("python", ["python2.7", "python3.6", "python3.8", "python3.10"])
def test_an_old_python_is_told_which_one_is_needed(root, python):
    version = tuple(int(part) for part in python.removeprefix("python").split("."))
    pretend = f"import sys, runpy; sys.version_info = {version}; runpy.run_path('start.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", pretend], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"[qviz] Python 3.11 or later is needed and this is {version[0]}.{version[1]}: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_first_call_installs_what_is_locked_and_opens_the_first_notebook(start):
    start.main("lab", "--no-browser", "--port", "9000")
    make, torch, rest = start.steps
    assert " -m venv --clear " in make
    assert "--index-url https://download.pytorch.org/whl/cpu torch==" in torch
    assert "--retries 0" in torch and "--no-deps" in torch
    assert "--constraint" in rest and "requirements.lock" in rest and rest.endswith("--editable .[lab,torch]")
    (command,) = start.handed_over
    assert command[:4] == (str(start.PYTHON), "-m", "jupyterlab", "notebooks/00_start_here.ipynb")
    assert command[4:7] == ("--no-browser", "--port", "9000")
    assert os.environ["JUPYTER_CONFIG_PATH"] == f"{start.ROOT / 'tools' / 'lab'}{os.pathsep}mine"


def test_the_second_call_installs_nothing(start):
    start.main("test")
    start.steps.clear()
    start.main("test", "-k", "packaging")
    start.main("lab")
    assert start.steps == []
    assert start.handed_over[1] == (str(start.PYTHON), "-m", "pytest", "-k", "packaging")


def test_another_extra_is_added_in_place(start):
    start.main("lab")
    start.steps.clear()
    start.main("test")
    assert not [s for s in start.steps if " venv " in s]
    assert start.steps[-1].endswith("--editable .[app,lab,site,test,torch]")


@pytest.mark.parametrize("change", ["requirements.lock", "pyproject.toml", ".venv/pyvenv.cfg"])
def test_what_changed_is_installed_again(start, change):
    start.main("lab")
    start.steps.clear()
    with Path(change).open("a", encoding="utf-8") as file:
        file.write("[project.urls]\na = 'b'\n" if change == "pyproject.toml" else "# new\n")
    start.main("lab")
    assert start.steps[-1].endswith("--editable .[lab,torch]")


def test_other_settings_install_nothing_again(start):
    start.main("lab")
    start.steps.clear()
    with Path("pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("[tool.other]\na = 1\n")
    start.main("lab")
    assert start.steps == []


def test_an_interrupted_set_up_is_begun_again(start):
    start.main("lab")
    start.stamp()  # what is left when the process is killed while pip runs
    start.steps.clear()
    start.main("lab")
    assert " -m venv --clear " in start.steps[0]
    assert json.loads(start.STAMP.read_text())["extras"] == ["lab", "torch"]


def test_a_venv_without_pip_is_made_again(start):
    start.main("lab")
    start.STAMP.unlink()
    start.steps.clear()
    pip_is_missing = iter(["No module named pip"])
    step = start.step
    start.step = lambda *c: next(pip_is_missing, "") if "import pip" in c else step(*c)
    start.main("lab")
    assert " -m venv --clear " in start.steps[0]


def test_torch_falls_through_to_what_pip_finds(start):
    start.errors = {"--index-url": "ERROR: No matching distribution found for torch"}
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.write_text("")
    start.main("lab")
    assert len(start.handed_over) == 1


def test_no_network(start):
    start.main("lab")
    Path("requirements.lock").write_text(Path("requirements.lock").read_text() + "# new\n")
    start.errors = {"--editable": real_pip_without_network()}
    assert sentence(start, "lab") == (
        "[qviz] The package index cannot be reached: connect to the network, then run the same command again."
    )
    start.errors, start.steps[:] = {}, []
    start.main("lab")
    assert not [s for s in start.steps if " venv " in s]  # pip had changed nothing: no need to begin again


def real_pip_without_network():
    """What pip itself writes where its index refuses the connection."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": ""}
    command = "pip download --no-deps --retries 1 --index-url http://127.0.0.1:9/ no-such-part".split()
    done = subprocess.run([sys.executable, "-m", *command], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


FULL = "[qviz] The disk is full: free about 3 GB, then run the same command again."


def test_a_disk_that_fills_up(start):
    start.errors = {
        "--editable": f"ERROR: Could not install packages: {OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))}"
    }
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.write_text("")
    assert sentence(start, "lab") == FULL
    assert start.stamped() == {}  # half installed: the next call begins again


def test_a_disk_that_is_full_already(start, monkeypatch):
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    assert sentence(start, "lab") == FULL
    assert start.steps == []


def test_no_venv_module(start, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda n: None if n == "ensurepip" else find(n))
    assert sentence(start, "lab").startswith("[qviz] This Python has no venv module: install it")


def test_no_build_for_this_python(start):
    start.errors = {"--editable": "ERROR: No matching distribution found for torch==2.13.0"}
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.write_text("")
    assert "try Python 3.11, 3.12 or 3.13" in sentence(start, "lab")


def test_an_unknown_failure_shows_its_last_lines(start):
    start.errors = {"--editable": "\n".join(f"line {n}" for n in range(99))}
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.write_text("")
    assert sentence(start, "lab").endswith("line 97\nline 98")


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["lob"], 2), (["--help"], 0)])
def test_its_use_is_told(root, arguments, code):
    done = subprocess.run([sys.executable, "start.py", *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == code
    assert "start.py lab" in done.stdout + done.stderr


def test_the_exit_code_is_that_of_the_command(root):
    program = f"import sys; sys.path.insert(0, {str(root)!r}); import start; start.run(sys.executable, '-c', 'exit(7)')"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 7
