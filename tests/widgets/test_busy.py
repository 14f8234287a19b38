"""While an explorer works the browser knows, from before the work until after it; a style shows it after 0.3 s."""

import pytest

from qviz.widgets import CalibrationExplorer
from qviz.widgets._readout import BUSY, STYLE

SLOW = """
import time
from pathlib import Path
from qviz.widgets import QuantizeExplorer
explorer = QuantizeExplorer(bits=4)
def compute(state):
    while not Path({!r}).exists():
        time.sleep(0.01)
    return QuantizeExplorer.compute(explorer, state)
explorer.compute = compute
print(explorer._linked["bits"][0].comm.comm_id, explorer.comm.comm_id, explorer._image.comm.comm_id)
"""


def updates(client):
    """Yield what the kernel sends of widgets, as (id, state), until it is idle; any message late by 2 minutes fails."""
    while (message := client.get_iopub_msg(timeout=120))["content"].get("execution_state") != "idle":
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "comm_msg":
            yield message["content"]["comm_id"], message["content"]["data"].get("state", {})


def test_the_browser_is_told_before_the_work(kernel, tmp_path):
    go = tmp_path / "go"
    request = kernel.execute(SLOW.format(str(go)))
    while (message := kernel.get_iopub_msg(timeout=120))["msg_type"] != "stream":
        assert message["msg_type"] != "error", message["content"]
    slider, explorer, image = message["content"]["text"].split()
    while (message["parent_header"].get("msg_id"), message["content"].get("execution_state")) != (request, "idle"):
        message = kernel.get_iopub_msg(timeout=120)
    move = {"method": "update", "state": {"value": 3}, "buffer_paths": []}
    kernel.shell_channel.send(kernel.session.msg("comm_msg", {"comm_id": slider, "data": move}))
    seen = []
    for comm, state in updates(kernel):
        if comm == image:
            seen.append("picture")
        if comm == explorer and "_dom_classes" in state:
            seen.append(BUSY in state["_dom_classes"])
            go.touch()  # the work ends only once the browser knows of it
    assert seen == [True, "picture", False]


def test_every_way_to_begin_is_told_and_every_end(shown, monkeypatch, tmp_path):
    explorer, told = shown(CalibrationExplorer), []
    monkeypatch.setattr(explorer, "compute", lambda state: told.append(BUSY in explorer._dom_classes) or 1 / 0)
    explorer._linked["bits"][0].value = 3
    explorer.bits = 5
    explorer.set(bits=2, method="mse")
    explorer.reset()
    (tmp_path / "mine.npy").write_bytes(b"no array")
    explorer._on_file(str(tmp_path / "mine.npy"), "mine.npy")
    with pytest.raises(ValueError, match="must be a name on the list"):
        explorer.data = "mine"
    assert told == [True] * 4
    assert BUSY not in explorer._dom_classes


def test_the_sign_waits():
    assert f".{BUSY}" in STYLE and "1ms .3s forwards" in STYLE
