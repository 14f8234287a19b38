"""One source of truth: the same versions by pip, by conda and on Binder, and a wheel with all it needs."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def settings(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lock(root):
    """The lock as requirements; its comments are uv's."""
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(r.name): r for r in map(Requirement, (li for li in lines if not li.startswith("#")))}


@pytest.fixture(scope="module")
def conda(root):
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def binder(root):
    return yaml.safe_load((root / "binder/environment.yml").read_text(encoding="utf-8"))


def asked(settings):
    project = settings["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for texts in lists for text in texts]


def version(requirement):
    (pin,) = requirement.specifier
    assert pin.operator == "==" and "+" not in pin.version and "*" not in pin.version, str(requirement)
    return pin.version


def test_the_core_is_lean(settings):
    assert {Requirement(d).name for d in settings["project"]["dependencies"]} == {"numpy", "matplotlib", "ipywidgets"}


def test_each_requirement_has_a_lower_bound_and_fits_the_lock(settings, lock):
    for requirement in asked(settings):
        assert any(s.operator == ">=" for s in requirement.specifier), str(requirement)
        assert version(lock[canonicalize_name(requirement.name)]) in requirement.specifier, str(requirement)


def test_the_lock_is_exact_and_for_every_machine(lock, root):
    assert all(version(requirement) for requirement in lock.values())
    assert not [name for name in lock if re.match(r"nvidia|cuda|triton", name)]  # torch here is the CPU build
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "--hash" not in text and "--index" not in text
    assert "uv pip compile pyproject.toml -o requirements.lock" in text  # how to remake it


def test_torchao_brings_no_torch_of_its_own():
    """Else pip might fetch the CUDA build, 2.7 GB, behind start.py's back."""
    asked_for = [Requirement(text) for text in metadata.requires("torchao") or []]
    assert [str(r) for r in asked_for if r.marker is None or r.marker.evaluate({"extra": ""})] == []


def test_widgets_run_on_the_thread_of_their_cells(lock):
    assert version(lock["ipykernel"]) in SpecifierSet("<7")


def test_what_is_installed_is_what_is_locked(lock):
    found = [(canonicalize_name(d.name), d.version.split("+")[0]) for d in metadata.distributions()]
    installed = dict(reversed(found))  # the first on the path counts: setuptools brings copies of its own
    wanted = {n: version(r) for n, r in lock.items() if not r.marker or r.marker.evaluate()}
    assert {n: (installed[n], wanted[n]) for n in wanted if n in installed and installed[n] != wanted[n]} == {}
    assert {"numpy", "torch", "jupyterlab", "ipywidgets"} <= set(installed)


def pip_arguments(root, conda):
    """What pip is told on each way in: of environment.yml, of Binder."""
    (section,) = [d["pip"] for d in conda["dependencies"] if isinstance(d, dict)]
    script = (root / "binder/postBuild").read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"^python -m pip install (.*)$", script, re.MULTILINE)
    return [" ".join(section), command.replace("'", "")]


def test_conda_and_binder_install_qviz_from_the_same_lock(root, conda, settings):
    for arguments in pip_arguments(root, conda):
        assert "--constraint requirements.lock" in arguments
        assert "--editable .[lab,torch]" in arguments
        assert f"--extra-index-url {settings['tool']['qviz']['torch-cpu-index']}" in arguments
        assert "==" not in arguments  # no second place for a version


def test_conda_and_binder_have_the_python_of_the_lock(conda, binder, settings):
    python = settings["tool"]["uv"]["pip"]["python-version"]
    assert python in SpecifierSet(settings["project"]["requires-python"])
    for environment in (conda, binder):
        assert [d for d in environment["dependencies"] if isinstance(d, str)] == [f"python={python}", "pip"]


def test_binder_builds_it(root, monkeypatch):
    """Rendered without Docker: the first build pack that claims the project reads our files."""
    repo2docker = pytest.importorskip("repo2docker.app")
    monkeypatch.chdir(root)
    app = repo2docker.Repo2Docker()
    pack = next(found for found in (make(app.base_image) for make in app.buildpacks) if found.detect())
    pack.platform = "linux/amd64"
    assert type(pack).__name__ == "CondaBuildPack"
    assert pack.environment_yaml_path == "binder/environment.yml"
    assert pack.python_version == "3.11"
    assert pack.get_post_build_scripts() == ["binder/postBuild"]
    dockerfile = pack.render({})
    assert "RUN ./binder/postBuild" in dockerfile  # in the project's root, where requirements.lock and . are
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in dockerfile
    assert any("environment.py-3.11" in source for source in pack.get_build_script_files())
    assert os.access(root / "binder/postBuild", os.X_OK) and os.access(root / ".ci/run", os.X_OK)


def test_the_wheel_holds_the_package_and_its_data_only(root, tmp_path):
    command = "pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir".split()
    subprocess.run(
        [sys.executable, "-m", *command, tmp_path, root], check=True, env=os.environ | {"PIP_FIND_LINKS": ""}
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = [path for path in (root / "qviz").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {n for n in names if ".dist-info/" not in n} == {path.relative_to(root).as_posix() for path in folders}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_citation_names_this_version_and_licence(root, settings):
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == settings["project"]["version"]
    assert citation["license"] == settings["project"]["license"]


def test_the_suite_is_strict(settings):
    options = settings["tool"]["pytest"]["ini_options"]
    assert {"--nbval", "--doctest-modules", "--strict-markers"} <= set(options["addopts"])
    assert not [o for o in options["addopts"] if "lax" in o or "sanitize" in o]
    assert options["testpaths"] == ["notebooks", "tests", "qviz"]
    assert options["filterwarnings"][0] == "error" and options["xfail_strict"] is True
