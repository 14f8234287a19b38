"""A move is answered before cells that were asked for earlier, as after Run All; what the reader moved stays."""

from ipykernel.kernelbase import Kernel

from qviz.widgets import MappingExplorer
from qviz.widgets._moves_first import answer_moves

MADE = """
import time
from pathlib import Path
from qviz.widgets import QuantizeExplorer
explorer = QuantizeExplorer(bits=4)
slider = explorer._linked["bits"][0]
print(slider.comm.comm_id)
"""
WAIT = """
while not Path({!r}).exists():
    time.sleep(0.01)
time.sleep(0.3)  # for messages that are on their way
"""


def printed(client, request) -> list[tuple[str, str]]:
    """Return what was put out until that request is done, as (id of the request, text or status)."""
    seen = []
    while seen[-1:] != [(request, "idle")]:
        message = client.get_iopub_msg(timeout=120)
        assert message["msg_type"] != "error", message["content"]
        content = message["content"]
        said = content.get("text", content.get("execution_state"))
        if message["msg_type"] in ("stream", "status"):
            seen.append((message["parent_header"].get("msg_id"), said.strip()))
    return seen


def move(client, comm, value) -> str:
    update = {"method": "update", "state": {"value": value}, "buffer_paths": []}
    message = client.session.msg("comm_msg", {"comm_id": comm, "data": update})
    client.shell_channel.send(message)
    return message["header"]["msg_id"]


def run_all(client, tmp_path, *cells):
    """Ask for a cell that waits and for these, and move the slider only then; return what each put out, in order."""
    first = client.execute(MADE)
    comm = next(text for parent, text in printed(client, first) if parent == first and text not in ("busy", "idle"))
    flag = tmp_path / "go"
    names = {client.execute(WAIT.format(str(flag))): "waits"}
    names |= {(last := client.execute(cell)): cell for cell in cells}
    names[move(client, comm, 3)] = "move"
    flag.touch()
    return [(names.get(parent), text) for parent, text in printed(client, last)]


def test_a_move_comes_before_the_next_cell(kernel, tmp_path):
    seen = run_all(kernel, tmp_path, "print(explorer.bits, explorer.last_error)")
    cell = "print(explorer.bits, explorer.last_error)"
    assert (cell, "3 None") in seen
    assert seen.index(("move", "idle")) < seen.index((cell, "3 None"))  # the front end may send the next one


def test_a_move_comes_within_a_sweep(kernel):
    code = (
        "from qviz.lessons import sweep\n"
        "print(sweep(lambda i: print('step', i) or time.sleep(0.3) or explorer.bits, range(4), workers=1).results)"
    )
    first = kernel.execute(MADE)
    comm = next(text for parent, text in printed(kernel, first) if parent == first and text not in ("busy", "idle"))
    request = kernel.execute(code)
    while not kernel.get_iopub_msg(timeout=120)["content"].get("text", "").startswith("step 0"):
        pass
    move(kernel, comm, 3)
    said = "".join(text for parent, text in printed(kernel, request) if parent == request)
    assert "[4" in said and "3]" in said


def test_cells_keep_their_order(kernel, tmp_path):
    cells = [f"print({n})" for n in range(4)]
    seen = run_all(kernel, tmp_path, *cells)
    assert [text for _, text in seen if text.isdigit()] == ["0", "1", "2", "3"]


def test_a_page_ends_its_steps_where_the_reader_left_it(kernel, tmp_path):
    steps = "explorer.reset(bits=8)\nprint(explorer.bits)\nexplorer.reset()\nprint(explorer.bits)"
    assert (steps, "8\n3") in run_all(kernel, tmp_path, steps)


def test_the_button_forgets_what_the_reader_moved():
    explorer = MappingExplorer(bits=3)
    explorer._linked["bits"][0].value = 5
    explorer.reset()
    assert explorer.bits == 5
    explorer._on_reset(None)
    assert explorer.bits == 3
    explorer.close()


def test_without_a_kernel_nothing_happens():
    answer_moves()


def test_the_kernel_has_what_is_used_of_it():
    """These are no part of its public face: a new version of ipykernel may take them away, and then this fails."""
    for name in ("_publish_status", "dispatch_shell", "schedule_dispatch"):
        assert callable(getattr(Kernel, name)), name
