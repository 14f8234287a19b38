"""Training live: by button in turns, by code at once, with the same numbers; stopped by a button, a move or close."""

import asyncio
import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("torch")

from qviz.pytorch import digits_model, engines
from qviz.pytorch.labs.qat_lab import QATLab
from qviz.pytorch.qat import QATConfig, train_qat
from qviz.widgets import QATExplorer


@pytest.fixture
def explorer():
    """Return an explorer of three epochs, with a laboratory of its own, and close it."""
    explorer = QATExplorer(QATLab(), epochs=3)
    yield explorer
    explorer.close()


def press(explorer, label):
    next(child for child in explorer._work.children if child.description == label).click()


async def until(explorer, epochs):
    for _ in range(3000):
        if explorer.result.known.done >= epochs:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"epoch {epochs} never came: {explorer.readout}")


def test_from_code_it_trains_as_train_qat_does(explorer):
    before = explorer.png
    explorer.train()
    run = train_qat(digits_model.digits_cnn(), QATConfig(2, 4, epochs=3))
    known = explorer.result.known
    assert known.accuracies.tolist() == [e.accuracy for e in run.history]
    assert known.losses.tolist() == [e.loss for e in run.history[1:]]
    assert explorer.readout.endswith("\nTrained: 3 of 3 epochs.") and explorer.png != before
    last = run.history[3]
    assert f"after epoch 3: accuracy {last.accuracy:.2%} (fake-quantized), loss {last.loss:.4f}" in str(explorer)


def test_by_button_the_curves_grow_and_the_numbers_are_the_same(explorer):
    seen = []

    async def page():
        press(explorer, "Train")
        assert explorer.working
        for epoch in (1, 2, 3):
            await until(explorer, epoch)
            seen.append((explorer.png, explorer.readout))
        while explorer.working:
            await asyncio.sleep(0.005)

    asyncio.run(page())
    assert len({png for png, _ in seen}) == 3
    assert "\nTraining: 1 of 3 epochs. Stop, or a changed setting, ends it." in seen[0][1]
    by_button = explorer.result.known
    other = QATExplorer(QATLab(), epochs=3)
    other.train()
    assert other.readout == explorer.readout and other.png == explorer.png
    np.testing.assert_array_equal(other.result.known.losses, by_button.losses)
    other.close()


def test_stop_keeps_what_is_done(explorer):
    async def page():
        press(explorer, "Train")
        await until(explorer, 1)
        press(explorer, "Stop")
        done = explorer.result.known.done
        await asyncio.sleep(0.3)
        assert explorer.result.known.done == done < 3

    asyncio.run(page())
    assert not explorer.working
    assert f"\nStopped after {explorer.result.known.done} of 3 epochs, so nothing was converted." in explorer.readout
    stopped = explorer.readout
    explorer.seed = 5
    assert explorer.readout.endswith("press Train.")
    explorer.seed = 0
    assert explorer.readout == stopped


@pytest.mark.parametrize("move", [{"seed": 1}, {"weight_bits": 3, "seed": 1, "epochs": 4}])
def test_a_move_ends_the_training_and_shows_its_own_settings(explorer, move):
    async def page():
        press(explorer, "Train")
        await until(explorer, 1)
        explorer.set(**move)
        assert not explorer.working and explorer.result.known.done == 0
        await asyncio.sleep(0.3)
        assert explorer.result.known.done == 0 and explorer.readout.endswith("press Train.")

    asyncio.run(page())
    assert explorer.last_error is None


def test_a_training_that_is_done_is_shown_at_once(explorer, monkeypatch):
    explorer.train()
    trained = explorer.readout, explorer.png
    monkeypatch.setattr(digits_model, "_one_epoch", lambda *_: pytest.fail("it trained"))
    explorer.weight_bits = 8
    explorer.reset()
    assert (explorer.readout, explorer.png) == trained


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (ValueError("the disk is full"), "Not shown: the disk is full"),
        (ZeroDivisionError("x"), "Not shown: Something is wrong in QATExplorer: ZeroDivisionError('x'). Please report"),
    ],
)
def test_an_error_while_training_is_told(explorer, monkeypatch, fault, told):
    def fail(*_):
        raise fault

    monkeypatch.setattr(digits_model, "_one_epoch", fail)
    explorer.train()
    assert explorer.readout.startswith(told) and explorer.last_error is fault and not explorer.working
    explorer.seed = 1
    assert explorer.last_error is None


def test_an_interrupt_ends_the_training_not_the_program(explorer, monkeypatch):
    whole, asked = digits_model._one_epoch, []

    def interrupted(*arguments):
        asked.append(0)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(digits_model, "_one_epoch", interrupted)
    explorer.train()
    assert "Stopped after 1 of 3 epochs" in explorer.readout and not explorer.working


def test_closed_while_training_it_is_freed():
    explorer = QATExplorer(QATLab(), epochs=20)
    gone = weakref.ref(explorer)

    async def page(explorer):
        press(explorer, "Train")
        await until(explorer, 1)
        explorer.close()
        await asyncio.sleep(0.1)

    asyncio.run(page(explorer))
    del explorer
    gc.collect()
    assert gone() is None


def test_without_an_epoch_it_is_post_training_quantization(explorer):
    explorer.epochs = 0
    assert explorer.readout.endswith("\nTrained: 0 of 0 epochs.")
    explorer.train()
    assert explorer.readout.endswith("\nTrained: 0 of 0 epochs.")


def test_the_name_of_its_settings_is_theirs(explorer):
    assert "W2A4, one scale per channel, 3 epochs, learning rate 0.002, seed 0" in explorer.readout
    explorer.set(per_channel=False, lr=0.02)
    assert "one scale per layer, 3 epochs, learning rate 0.02" in explorer.readout
    assert (
        explorer.code
        == "qviz.widgets.QATExplorer(qviz.pytorch.labs.qat_lab.QATLab(), per_channel=False, epochs=3, lr=0.02)"
    )


def test_where_no_engine_is_the_readout_says_that_the_converted_network_is_simulated(monkeypatch):
    monkeypatch.setattr(engines, "supported", lambda: ())
    explorer = QATExplorer(QATLab(), epochs=0)
    known = explorer.result.known
    line = f"converted, simulated because this build of torch has no engine: {known.accuracies[0]:.2%}; same answer"
    assert line in explorer.readout
    explorer.close()
