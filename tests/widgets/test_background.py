"""Long work: the same steps by button and by code; a stop, an error and an interrupt each end it, and are told."""

import asyncio

import pytest

from qviz.widgets.background import Work


class Bench:
    """Work in five steps that notes what happens to it."""

    def __init__(self, fault=None):
        self.done, self.ended, self.closed, self.fault = [], [], 0, fault
        self.work = Work("Go", self.steps, self.ended.append)

    def steps(self):
        try:
            for n in range(1, 6):
                if n == 3 and self.fault:
                    raise self.fault
                self.done.append(n)
                yield n / 5
        finally:
            self.closed += 1

    @property
    def buttons(self):
        return [not button.disabled for button in self.work.children[:2]]

    def press(self, label):
        next(child for child in self.work.children if child.description == label).click()

    async def until(self, n):
        for _ in range(1000):
            if len(self.done) >= n:
                return
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        raise AssertionError(f"step {n} never came: {self.done}")

    async def idle(self):
        for _ in range(100):  # longer than the work's pause
            await asyncio.sleep(0.001)


@pytest.fixture
def bench():
    """Return work, and close it."""
    bench = Bench()
    yield bench
    bench.work.close()


def test_from_code_it_is_done_at_once(bench):
    bench.work.run()
    assert (bench.done, bench.ended, bench.closed) == ([1, 2, 3, 4, 5], [None], 1)
    assert bench.work.share == 1 and not bench.work.running and bench.buttons == [True, False]
    bench.work.run()
    assert bench.done == [1, 2, 3, 4, 5] * 2


def test_where_nothing_listens_the_button_does_the_same(bench):
    bench.press("Go")
    assert (bench.done, bench.ended) == ([1, 2, 3, 4, 5], [None])


def test_where_something_listens_the_button_takes_turns(bench):
    async def page():
        bench.press("Go")
        assert bench.done == [] and bench.work.running and bench.buttons == [False, True]
        await bench.until(2)
        assert bench.work.running and 0 < bench.work.share < 1
        await bench.until(5)
        await bench.idle()

    asyncio.run(page())
    assert (bench.done, bench.ended, bench.closed) == ([1, 2, 3, 4, 5], [None], 1)
    assert bench.buttons == [True, False]


def test_stop(bench):
    async def page():
        bench.press("Go")
        await bench.until(2)
        bench.press("Stop")
        assert not bench.work.running and bench.buttons == [True, False]
        await bench.idle()

    asyncio.run(page())
    assert (bench.done, bench.ended, bench.closed) == ([1, 2], [None], 1)
    bench.work.stop()  # nothing to stop
    assert bench.ended == [None]


def test_begun_anew_in_the_middle(bench):
    async def page():
        bench.work.start()
        await bench.until(2)
        bench.work.start()
        await bench.until(7)
        await bench.idle()

    asyncio.run(page())
    assert (bench.done, bench.ended, bench.closed) == ([1, 2, 1, 2, 3, 4, 5], [None], 2)


def test_closed_in_the_middle():
    bench = Bench()

    async def page():
        bench.work.start()
        await bench.until(2)
        bench.work.close()
        assert bench.closed == 1
        await bench.idle()

    asyncio.run(page())
    assert (bench.done, bench.ended) == ([1, 2], [])


@pytest.mark.parametrize("fault", [ValueError("no"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("listening", [False, True])
def test_a_fault_ends_it_and_is_told(fault, listening):
    bench = Bench(fault)

    async def page():
        bench.press("Go")
        await bench.until(2)
        await bench.idle()

    if listening:
        asyncio.run(page())
    else:
        bench.work.run()
    assert bench.done == [1, 2] and bench.buttons == [True, False]
    assert bench.ended == [fault if isinstance(fault, Exception) else None]
    bench.work.close()


def test_the_bar_begins_anew(bench):
    bench.work.run()
    assert bench.work.share == 1
    bench.work._begin()  # started, and no step done yet
    assert bench.work.running and bench.work.share == 0
