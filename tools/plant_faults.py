"""Mutation testing: plant known faults one at a time, and check that the tests that should fail do fail.

    .venv/bin/python tools/plant_faults.py                 all of tools/planted_faults.toml
    .venv/bin/python tools/plant_faults.py NAME [NAME ...] some of them

A fault is a snippet that occurs exactly once in qviz/, its replacement, and the names of the tests that should fail.
Snippets and tests are found by search, so files and modules may be renamed; if none of the tests exists any more, all
tests of `package` are run. Faults are planted in a copy of the project, never in the work tree. The exit code is 1 if a
fault was missed or could not be planted.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("planted_faults.toml")
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-n0", "--tb=no", "--hypothesis-seed=0"]
OPTIONS += ["-o", "addopts=--import-mode=importlib --strict-markers --strict-config"]


def files_with(names, folder):
    """Return the test files that define any of these functions."""
    defined = re.compile(rf"^\s*(?:async )?def (?:{'|'.join(map(re.escape, names))})\(", re.MULTILINE)
    return [str(p) for p in sorted(folder.glob("tests/**/*.py")) if defined.search(p.read_text(encoding="utf-8"))]


def selection(fault, folder):
    """Return pytest's arguments: the named tests, or else the whole package, or nothing."""
    if files := files_with(fault["tests"], folder):
        return [*files, "-k", " or ".join(fault["tests"])]
    package = fault.get("package")
    return [f"tests/{package}"] if package and (folder / "tests" / package).is_dir() else []


def fails(arguments, folder):
    """Run tests; return whether one failed or could not be collected."""
    # Write no bytecode: Python would reuse it after a fault of equal length that is planted within the same second.
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *OPTIONS, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"pytest could not run {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return done.returncode > 0


def verdict(fault, arguments, folder):
    """Plant one fault, run its tests, and remove it again."""
    sources = {path: path.read_text(encoding="utf-8") for path in folder.glob("qviz/**/*.py")}
    found = [path for path, text in sources.items() for _ in range(text.count(fault["find"]))]
    if len(found) != 1:
        return f"snippet not found: it stands at {len(found)} places"
    if not arguments:
        return "MISSED: none of its tests is there"
    [path] = found
    path.write_text(sources[path].replace(fault["find"], fault["replace"]), encoding="utf-8")
    try:
        return "caught" if fails(arguments, folder) else "MISSED"
    finally:
        path.write_text(sources[path], encoding="utf-8")


def main(wanted):
    """Print a verdict for each fault, and how many were caught."""
    faults = tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]
    if unknown := set(wanted) - {fault["name"] for fault in faults}:
        raise SystemExit(f"no such fault: {', '.join(sorted(unknown))}")
    faults = [fault for fault in faults if not wanted or fault["name"] in wanted]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "project")
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        chosen = [selection(fault, folder) for fault in faults]
        named = {"tests": sorted({name for fault in faults for name in fault["tests"]})}
        packages = {tuple(arguments) for arguments in chosen if len(arguments) == 1}
        for arguments in filter(None, [selection(named, folder), *packages]):
            if fails(arguments, folder):
                raise SystemExit(f"these fail without any fault: pytest {' '.join(arguments)}")
        verdicts = []
        for fault, arguments in zip(faults, chosen, strict=True):
            began = time.monotonic()
            verdicts.append(verdict(fault, arguments, folder))
            print(f"{fault['name']:<40} {verdicts[-1]} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{verdicts.count('caught')} of {len(verdicts)} faults caught")
    return verdicts.count("caught") < len(verdicts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
