"""A cell that takes long is told on every explorer from one second on until its end; a short one is not."""

import sys

import pytest

from qviz.widgets import MappingExplorer, _waiting
from qviz.widgets._readout import WAITING

MADE = """
import time
from qviz.widgets import MappingExplorer, _waiting
for former in globals().get("explorers", ()):
    former.close()
explorers = MappingExplorer(), MappingExplorer()
"""
LONG = "while not all(sign.value for sign in _waiting._signs):\n    time.sleep(0.05)\n"


def said(client, code) -> list[str]:
    """Return what the signs say, one after the other, until the cell is done."""
    request, seen = client.execute(code), []
    while True:
        message = client.get_iopub_msg(timeout=120)
        content = message["content"]
        assert message["msg_type"] != "error" or content["evalue"] == "planned", content
        if message["msg_type"] == "comm_msg" and (value := content["data"].get("state", {}).get("value")) is not None:
            seen += [value] if value in ("", WAITING) else []
        if (message["parent_header"].get("msg_id"), content.get("execution_state")) == (request, "idle"):
            return seen


def test_a_long_cell_is_told_and_its_end_too(kernel):
    said(kernel, MADE)
    assert said(kernel, LONG) == [WAITING] * 2 + [""] * 2
    assert said(kernel, "1 + 1") == []


def test_it_ends_with_a_cell_that_fails(kernel):
    said(kernel, MADE)
    assert said(kernel, LONG + "raise ValueError('planned')") == [WAITING] * 2 + [""] * 2


def test_what_is_closed_is_told_no_more(kernel):
    said(kernel, MADE)
    assert said(kernel, "[each.close() for each in explorers]\n" + LONG) == []


@pytest.mark.parametrize("platform", [sys.platform, "emscripten"])
def test_without_a_kernel_or_threads_nothing_is_said(platform, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    explorer = MappingExplorer()
    assert _waiting._timer is None
    explorer.close()
