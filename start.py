#!/usr/bin/env python3
"""Set up qviz and run it: one command, nothing but Python needed.

    python3 start.py lab [JupyterLab options]     open the course
    python3 start.py app [Voila options]          open the explorers alone, without text and code
    python3 start.py slides NAME [Voila options]  show a page as slides with live explorers
    python3 start.py test [pytest options]        run every test; --thorough: many more random states
    python3 start.py notebooks [names] [--check]  build, run and store the notebooks; --instructor: with solutions
    python3 start.py site                         build the pages that need no kernel, into build/site
    python3 start.py bench [options]              print the benchmark table

The first call makes .venv and installs the versions in requirements.lock; later calls start at once.
The packages are listed in pyproject.toml, not here.
"""

# Every Python since 2.7 must be able to parse this file, so that it can print which version is needed.
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "[qviz] Python 3.11 or later is needed and this is %d.%d: install one from "
        "https://www.python.org/downloads/ and run start.py with it." % sys.version_info[:2]
    )

import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "qviz.json"  # what is installed; an empty object during a set-up
LOCK = ROOT / "requirements.lock"
SPACE = 3 * 10**9  # bytes: the environment with CPU-only torch, and pip's temporary files

# Extensions of JupyterLab cannot run in Voila, and would complain there.
WIDGETS_ONLY = "--VoilaConfiguration.extension_allowlist=%r" % [
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
]

COMMANDS = {  # command: (extras of pyproject.toml, what .venv's Python runs)
    "lab": ({"lab", "torch"}, ["-m", "jupyterlab", "notebooks/00_start_here.ipynb"]),
    "app": ({"app", "lab", "torch"}, ["-m", "voila", "app/explorers.ipynb", WIDGETS_ONLY, "--template=explorers"]),
    "slides": ({"app", "lab", "torch"}, ["tools/slides.py"]),
    "test": ({"app", "lab", "site", "test", "torch"}, ["-m", "pytest"]),
    "notebooks": ({"lab", "torch"}, ["tools/notebooks.py"]),
    "site": ({"site", "torch"}, ["tools/site.py"]),
    "bench": ({"bench", "lab", "torch"}, ["-m", "benchmarks"]),
}

FULL = r"No space left|Errno 28|not enough space"
CAUSES = {  # error output of pip or venv -> message for the user
    FULL: "The disk is full: free about 3 GB, then run the same command again.",
    r"connection broken|connection error|Max retries|ConnectionError|ReadTimeout|IncompleteRead": (
        "The package index cannot be reached: connect to the network, then run the same command again."
    ),
    r"No module named '?(venv|ensurepip)|ensurepip is not": (
        "This Python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv), "
        "then run the same command again."
    ),
    r"No matching distribution|requires a different Python": (
        "A part of the course has no build for this machine and this Python: try Python 3.11, 3.12 or 3.13."
    ),
}


def say(text):
    sys.stderr.write("[qviz] " + text + "\n")
    sys.stderr.flush()


def fail(error):
    """Exit with one sentence if the cause is known, else with the last lines of the error output."""
    for pattern, sentence in CAUSES.items():
        if re.search(pattern, error):
            sys.exit("[qviz] " + sentence)
    sys.exit("[qviz] The set-up failed; its last lines were:\n" + "\n".join(error.strip().splitlines()[-8:]))


def step(*command):
    """Run one step of the set-up, show its progress, and return its errors, or "" if it went well."""
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, errors="replace")
    return "" if done.returncode == 0 else done.stderr + "exit code %d" % done.returncode


def pip(*options):
    return step(PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *options)


def fingerprint(settings):
    """Hash everything that determines the content of .venv: requirements, lock file, its Python and its location."""
    asked = json.dumps([settings["project"], settings["build-system"], str(ROOT)])
    files = "".join(path.read_text(encoding="utf-8") for path in (LOCK, VENV / "pyvenv.cfg") if path.exists())
    return hashlib.sha256((asked + files).encode()).hexdigest()


def stamped():
    """Return the stamp: empty after an interrupted set-up, None if there is no readable stamp."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def stamp(**content):
    STAMP.write_text(json.dumps(content), encoding="utf-8")


def make_venv():
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        fail("No module named venv")
    if shutil.disk_usage(ROOT).free < SPACE:
        fail("No space left")
    say("making .venv with Python %d.%d" % sys.version_info[:2])
    error = step(sys.executable, "-m", "venv", "--clear", VENV)
    if error:
        fail(error)


def install(extras, settings):
    """Install into .venv; pip skips packages that already have the right version."""
    say("installing qviz[%s]: a few minutes the first time" % ",".join(sorted(extras)))
    # torch first, from the index of CPU-only wheels; if that index cannot be reached, the next call installs torch.
    torch = re.search(r"^torch==[\w.]+", LOCK.read_text(encoding="utf-8"), re.MULTILINE).group()
    index = settings["tool"]["qviz"]["torch-cpu-index"]
    pip("--quiet", "--no-deps", "--retries", "0", "--timeout", "15", "--index-url", index, torch)
    return pip("--constraint", str(LOCK), "--editable", ".[%s]" % ",".join(sorted(extras)))


def set_up(extras):
    """Make sure that .venv holds these extras, and install only what is missing."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    old = stamped()
    have = set((old or {}).get("extras", ()))
    if old and old["fingerprint"] == fingerprint(settings) and extras <= have and PYTHON.exists():
        return
    if old == {} or not PYTHON.exists() or step(PYTHON, "-c", "import pip"):
        make_venv()  # also after an interruption, because a package may be half installed
        have = set()
    stamp()
    error = install(extras | have, settings)
    if not error:
        stamp(extras=sorted(extras | have), fingerprint=fingerprint(settings))
        return
    if not re.search(FULL, error):
        stamp(extras=sorted(have), fingerprint="")  # pip rolled back, so .venv is outdated but intact
    fail(error)


def config_path(own, folder=ROOT / "tools" / "lab"):
    """Return a search path of Jupyter with a folder of the course before the user's own folders."""
    return os.pathsep.join([str(folder)] + list(filter(None, [own])))


def run(*command):
    """Run the command in place of this process, and exit with its exit code."""
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    sys.exit(subprocess.call(command))


def main(name="", *options):
    if name not in COMMANDS:
        asked = name in ("-h", "--help")
        (sys.stdout if asked else sys.stderr).write(__doc__)
        sys.exit(0 if asked else 2)
    os.chdir(ROOT)
    extras, command = COMMANDS[name]
    set_up(extras)
    if name == "test" and "--thorough" in options:
        options = tuple(o for o in options if o != "--thorough")
        os.environ.setdefault("QVIZ_STATES", "5000")  # random states of each explorer
    if name in ("lab", "app"):  # the networks are so small that a second thread makes them slower
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["JUPYTER_PATH"] = config_path(os.environ.get("JUPYTER_PATH", ""), ROOT / "app" / "share")  # for Voila
    if name == "lab":
        os.environ["JUPYTER_CONFIG_PATH"] = config_path(os.environ.get("JUPYTER_CONFIG_PATH", ""))
    if name == "lab" and os.name != "nt" and os.geteuid() == 0:
        options += ("--allow-root",)  # in a container the user is often root
    run(str(PYTHON), *(command + list(options)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("[qviz] Stopped: run the same command again to go on.")
    except OSError as problem:
        fail("No space left" if problem.errno == errno.ENOSPC else str(problem))
