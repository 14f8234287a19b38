"""One Jupyter server on this machine's own loopback address, which leaves nothing behind."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

import start

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, also those out of sight
    "docmanager-extension/plugin": {"autosave": False},
}
STARTS_WITHIN_S = 90


class Frontend(NamedTuple):
    """What notebooks are opened in: the module that starts it, its settings' name, and where a notebook is served."""

    module: str
    settings: str
    path: str


LAB = Frontend("jupyterlab", "LabApp", "doc/tree")
NOTEBOOK_7 = Frontend("notebook", "JupyterNotebookApp", "notebooks")


@contextmanager
def jupyterlab(base: Path, frontend: Frontend = LAB):
    """Serve `base`/notebooks; all that Jupyter writes goes to `base`. Yields a function from file name to address."""
    (base / "notebooks").mkdir()
    token, port, log = secrets.token_hex(8), free_port(), base / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command(token, port, frontend),
            cwd=base / "notebooks",
            env=environment(base),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_it_answers(server, f"http://127.0.0.1:{port}/api?token={token}", log)
            yield lambda name: f"http://127.0.0.1:{port}/{frontend.path}/{name}?token={token}&reset"
        finally:
            end(server)


def command(token: str, port: int, frontend: Frontend) -> list[str]:
    """Return what starts the server. The browser may reach the application object: the tests ask it what is idle."""
    return [
        *(sys.executable, "-m", frontend.module, "--no-browser", "--allow-root"),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--{frontend.settings}.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]


def environment(base: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own Jupyter is read or written."""
    for name, value in SETTINGS.items():
        file = base / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")
    own = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    places = {name: str(base / folder) for name, folder in own.items()}
    templates = start.ROOT / "app" / "share"
    ours = {"JUPYTER_CONFIG_PATH": start.config_path(""), "JUPYTER_PATH": start.config_path("", templates)}
    return os.environ | places | ours


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(server: subprocess.Popen, address: str, log: Path) -> None:
    """Return when the server answers; tell its last words where it does not."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"Jupyter did not start:\n{log.read_text(errors='replace')[-2000:]}")


def end(server: subprocess.Popen) -> None:
    """End the server and its kernels: politely, then not. A kernel has a session of its own, so each is named."""
    try:
        family = psutil.Process(server.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    for act in (server.terminate, server.kill):
        act()
        try:
            server.wait(15)
            break
        except subprocess.TimeoutExpired:
            continue
    for process in psutil.wait_procs(family, timeout=5)[1]:
        process.kill()
    psutil.wait_procs(family, timeout=5)
