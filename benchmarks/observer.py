"""A histogram of 100 million values that arrive in chunks, whose range nobody knows beforehand."""

import tracemalloc
from collections.abc import Iterator

import numpy as np

from qviz.numerics import HistogramObserver

from .frame import Row, interleaved, median, side_by_side, times

CHUNK, CHUNKS, DISTINCT, BINS = 4_000_000, 25, 4, 4096


def compare() -> list[Row]:
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(CHUNK, dtype=np.float32) for _ in range(DISTINCT)]

    def chunks() -> Iterator[np.ndarray]:
        return (made[i % DISTINCT] for i in range(CHUNKS))

    def ours() -> HistogramObserver:
        observer = HistogramObserver(BINS)
        for chunk in chunks():
            observer.update(chunk)
        return observer

    def theirs(known: tuple[float, float] | None = None) -> np.ndarray:
        """Go through the data twice: np.histogram needs the range first."""
        lo = known[0] if known else min(float(chunk.min()) for chunk in chunks())
        hi = known[1] if known else max(float(chunk.max()) for chunk in chunks())
        return sum(np.histogram(chunk, BINS, range=(lo, hi))[0] for chunk in chunks())

    observer = ours()
    h = observer.histogram()
    right = h.count == theirs().sum() == CHUNK * CHUNKS and equal_counts(h, made)
    own, known = interleaved(ours, lambda: theirs((h.min, h.max)), 3)
    notes = [
        f"a histogram of {h.counts.size} bins, the same counts as np.histogram on its edges; "
        f"peak memory growth {peak_megabytes(ours):.1f} MB",
        f"np.histogram goes through the data twice, for the range first; were it known: "
        f"{times(median(known) / median(own))}",
    ]
    return [side_by_side("observer, 100M values", ours, "np.histogram", theirs, 3, 5, notes, right)]


def equal_counts(h, made: list[np.ndarray]) -> bool:
    """Compare with np.histogram on our own edges, chunk by distinct chunk."""
    often = [len(range(i, CHUNKS, DISTINCT)) for i in range(DISTINCT)]
    expected = sum(n * np.histogram(chunk, h.edges)[0] for n, chunk in zip(often, made, strict=True))
    return bool((h.counts == expected).all())


def peak_megabytes(function) -> float:
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6
