"""Measure the memory and processor time of a class on one machine: servers and kernels of all students at once.

    .venv/bin/python tools/students.py                   1, 4 and 8 students on the most demanding page
    .venv/bin/python tools/students.py calibration -n 16          a different page and number

Each student is a JupyterLab server and a kernel that runs the whole page, as on a JupyterHub. Memory that processes
share is counted once (proportional set size, from /proc; so Linux only). The hub itself is not counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil
from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.browser.server import end, free_port, wait_until_it_answers  # noqa: E402

SAMPLE_S = 0.5


def server(base):
    """Start one student's JupyterLab, with its own folders, and wait until it responds."""
    port, log = free_port(), base / "server.log"
    own = {f"JUPYTER_{name}_DIR": str(base / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=student"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | own, cwd=base, stdout=out, stderr=subprocess.STDOUT)
    wait_until_it_answers(process, f"http://127.0.0.1:{port}/api?token=student", log)
    return process


def run_page(client, path):
    """Run every cell of a notebook, and raise an error if one fails."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            reply = client.execute_interactive(cell.source, output_hook=lambda _: None, timeout=600)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"{path.name}: {cell.source[:60]!r} failed: {reply['content'].get('evalue')}")


def proportional_mb(processes):
    """Return the memory of all processes in MB, with shared memory counted once."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # it has ended
            continue
    return total / 1e6


def cpu_seconds(processes):
    """Return the processor time that all processes have used."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def room(students, path):
    """Let several students run a page at once; return the total peak memory in MB, CPU seconds and elapsed seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        bases = [Path(scratch, str(n)) for n in range(students)]
        for base in bases:
            base.mkdir()
        servers = [server(base) for base in bases]
        kernels = [start_new_kernel(cwd=path.parent) for _ in bases]
        mine = [psutil.Process(kernel.provisioner.pid) for kernel, _ in kernels]
        mine += [psutil.Process(process.pid) for process in servers]
        try:
            began, cpu = time.monotonic(), cpu_seconds(mine)
            work = [threading.Thread(target=run_page, args=(client, path), daemon=True) for _, client in kernels]
            for thread in work:
                thread.start()
            peak = 0.0
            while any(thread.is_alive() for thread in work):
                peak = max(peak, proportional_mb(mine))
                time.sleep(SAMPLE_S)
            return peak, cpu_seconds(mine) - cpu, time.monotonic() - began
        finally:
            for kernel, client in kernels:
                client.stop_channels()
                kernel.shutdown_kernel(now=True)
            for process in servers:
                end(process)


def main():
    """Print a line for each number of students."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", nargs="?", default="ptq", help="the beginning of a page's name")
    parser.add_argument("-n", type=int, nargs="+", default=[1, 4, 8], help="how many students at once")
    options = parser.parse_args()
    path = next((ROOT / "notebooks").glob(f"*_{options.page}*.ipynb"))
    print(f"{path.stem}, {os.cpu_count()} cores")
    for students in options.n:
        peak, cpu, seconds = room(students, path)
        print(
            f"{students:3} students: {peak:6,.0f} MB in all, {peak / students:4.0f} MB each; "
            f"{cpu / students:5.1f} s of processor time each, done after {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
