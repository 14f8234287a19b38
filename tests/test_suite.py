"""The suite's own rules bite: nothing is skipped where all is required, and no child reaches the network."""

import os
import shutil
import subprocess
import sys

import pytest

SKIPS = """
import pytest

def test_skips(): pytest.skip("no chromium")

@pytest.mark.skipif(True, reason="no fbgemm")
def test_marked(): pass

@pytest.mark.xfail(strict=True)
def test_expected(): assert False

def test_passes(): pass
"""


@pytest.fixture
def suite(root, tmp_path):
    """Run the conftest of this project over a few tests of its own."""
    (tmp_path / "tests").mkdir()
    shutil.copy(root / "tests/conftest.py", tmp_path / "tests/conftest.py")
    (tmp_path / "tests/test_skips.py").write_text(SKIPS)
    (tmp_path / "tests/test_module.py").write_text("import pytest\npytest.importorskip('no_such_part')\n")

    def run(**environment):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
        command.append("--continue-on-collection-errors")
        # xdist hands its own settings to children
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "QVIZ_"))}
        done = subprocess.run(command, cwd=tmp_path, env=clean | environment, capture_output=True, text=True)
        return done.stdout

    return run


def test_a_skip_is_a_skip(suite):
    assert "1 passed, 3 skipped, 1 xfailed" in suite()


def test_a_skip_fails_where_all_is_required(suite):
    output = suite(QVIZ_REQUIRE_ALL="1")
    assert "1 failed, 1 passed, 1 xfailed, 2 errors" in output
    for part in ("no chromium", "no fbgemm", "no_such_part"):
        assert part in output


@pytest.mark.parametrize(
    "call",
    [
        "socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "socket.getaddrinfo('example.com', 80)",
        "socket.gethostbyname('example.com')",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
        "urllib.request.urlopen('http://example.com')",
        "subprocess.run([sys.executable, '-c', 'import socket; socket.gethostbyname(chr(97))'], check=True)",
    ],
)
def test_a_child_finds_the_network_cut_off(call):
    program = f"import socket, subprocess, sys, urllib.request\n{call}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode != 0
    assert "the network is cut off here" in done.stderr


def test_loopback_still_works():
    program = (
        "import socket; server = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(('localhost', server.getsockname()[1])).close()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
