"""Whole notebooks in the browser: JupyterLite next to the pages of the site, with qviz and Pyodide.

Imports work without changes to any cell, because Pyodide's list of packages includes qviz and its dependencies. The
reader's work is kept in the browser's storage.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import lite_pages
import pyodide as pinned
from live_site import zipped

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "docs" / "site" / "live" / "pyodide-lock.json"
MORE = ROOT / "docs" / "site" / "lite" / "packages.json"  # what a notebook needs beyond the site's explorers
CORE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
OURS = {  # name: its dependencies
    "qviz": ["numpy", "matplotlib", "ipywidgets", "joblib", "threadpoolctl", "tqdm"],
    "ipywidgets": ["comm", "ipython", "traitlets"],
    "comm": ["traitlets"],
    "tqdm": [],
}
APPS = ("notebooks", "lab")
OPEN = (
    '<p class="qviz-notebook"><a href="../{folder}/notebooks/index.html?path={name}">Open this page as a notebook in '
    "the browser</a>: nothing to install, about 30 MB the first time; your work is kept in this browser.</p>"
)
FOLDER = "lite"


def build(out: Path, pyodide: Path) -> None:
    """Build JupyterLite into a folder of the site."""
    if bad := pinned.bad_files(pyodide, pinned.EVERYTHING):
        raise SystemExit(f"--pyodide {pyodide}: {', '.join(bad)} must be as tools/pyodide.py fetches them")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        wheels = work / "static" / "pyodide"
        wheels.mkdir(parents=True)
        packages = lock(wheels)
        for name in (*CORE, *(p["file_name"] for n, p in packages["packages"].items() if n not in OURS)):
            shutil.copy(pyodide / name, wheels)
        (wheels / "pyodide-lock.json").write_text(json.dumps(packages), encoding="utf-8")
        put_notebooks(work / "files")
        (work / "jupyter-lite.json").write_text(json.dumps(settings()), encoding="utf-8")
        (work / "jupyter_lite_config.json").write_text(json.dumps(extensions()), encoding="utf-8")
        comm = next(wheels.glob("comm-*.whl"))
        options = ["--contents", "files", "--output-dir", out / FOLDER, "--piplite-wheels", comm]
        options += [word for app in APPS for word in ("--apps", app)]
        command = [sys.executable, "-m", "jupyterlite_core.app", "build", "--lite-dir", work, *options]
        command += ["--no-sourcemaps", "--no-unused-shared-packages"]
        done = subprocess.run(list(map(str, command)), cwd=work, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"JupyterLite was not built:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def put_notebooks(folder: Path) -> None:
    """Write the browser version of every page."""
    folder.mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = lite_pages.for_browser(json.loads(path.read_text(encoding="utf-8")))
        (folder / path.name).write_text(json.dumps(page, ensure_ascii=False, indent=1), encoding="utf-8")


def settings() -> dict:
    """Return the settings of JupyterLite: no packages from PyPI, and the app object exposed for tests."""
    kernel = {"disablePyPIFallback": True, "loadPyodideOptions": {"packages": []}}
    told = {
        "appName": "qviz",
        "exposeAppInBrowser": True,
        "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
    }
    return {"jupyter-lite-schema-version": 0, "jupyter-config-data": told}


def extensions() -> dict:
    """Return the lab extensions to include; others in this environment are for a newer JupyterLab."""
    folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
    chosen = ("@jupyter-widgets/jupyterlab-manager", "@jupyterlite/pyodide-kernel-extension")
    paths = [str(folder / name) for name in chosen]
    return {"LiteBuildConfig": {"ignore_sys_prefix": ["federated_extensions"], "federated_extensions": paths}}


def lock(wheels: Path) -> dict:
    """Return Pyodide's list of packages with ours added, and write our wheels into the folder."""
    made = json.loads(LOCK.read_text(encoding="utf-8"))
    made["packages"] |= json.loads(MORE.read_text(encoding="utf-8"))["packages"]
    for name, depends in OURS.items():
        version = metadata.version(name)
        file, data = f"{name}-{version}-py3-none-any.whl", wheel(name, version)
        (wheels / file).write_bytes(data)
        made["packages"][name] = {
            "name": name,
            "version": version,
            "file_name": file,
            "install_dir": "site",
            "package_type": "package",
            "sha256": hashlib.sha256(data).hexdigest(),
            "imports": [name],
            "depends": depends,
            "unvendored_tests": False,
        }
    return made


def wheel(name: str, version: str) -> bytes:
    """Return an installed package as a wheel; qviz comes from this repository."""
    if name == "qviz":
        paths = [path for path in (ROOT / "qviz").rglob("*") if path.is_file() and path.suffix != ".pyc"]
        files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    else:
        listed = [file for file in metadata.files(name) if file.parts[0] == name and file.suffix != ".pyc"]
        files = {file.as_posix(): Path(file.locate()).read_bytes() for file in listed}
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: qviz\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{file},sha256={_urlsafe(data)},{len(data)}" for file, data in sorted(files.items())]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    return zipped(files)


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def link(name: str) -> str:
    """Return the HTML link that opens a page as a notebook."""
    return OPEN.format(folder=FOLDER, name=name)
