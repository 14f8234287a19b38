"""Checks: scales that cost more than the bit they save, a batch limited by arithmetic, and a complete size."""

import numpy as np

from qviz.networks.layer_shapes import linear, stored_bytes
from qviz.numerics import IntFormat, PerGroup
from qviz.numerics.roofline import Roof, linear_work
from qviz.widgets.size import GRANULARITIES, State, compute

from ..answers import names_of, number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

MACHINE, WIDTH = Roof(peak=100.0, bandwidth=20.0, call_ms=0.01), 1000
LAYERS = [(64, 512, 4, 32), (10, 64, 3, 16), (5, 7, 3, 4), (16, 9, 8, 8), (1, 1000, 2, 128)]


@exercise(1, "A 16-bit scale for 8 weights costs 2 bits per weight, which is more than the bit that you saved.")
def scales_outgrow_a_bit(answer) -> None:
    """Ask for the granularities that make a 4-bit network larger than a 5-bit one with scales per channel."""
    names = names_of(answer, GRANULARITIES, "a name on the list One scale")
    limit = compute(State("wide", 5, "per channel")).whole.stored.total
    larger = {n for n in GRANULARITIES if compute(State("wide", 4, n)).whole.stored.total > limit}
    if extra := sorted(names - larger):
        size = compute(State("wide", 4, extra[0])).whole.stored.total
        raise Hint(f"{extra[0]}, 4 bits take {size:,} bytes, but 5 bits with a scale per channel take {limit:,}.")


@exercise(
    2,
    "All the inputs of a batch share the weights that are read. This is why servers collect requests into batches.",
)
def enough_inputs(answer) -> None:
    """Ask for the smallest batch for which arithmetic, not memory, is the limit."""
    batch = number_of(answer, "a number of inputs")
    if batch < 1 or batch != round(batch):
        raise Hint(f"The answer must be a whole number of inputs, at least 1: got {batch:g}.")
    work = linear_work(WIDTH, 1, int(batch), quantized=False)
    times = MACHINE.least_ms(work)
    memory, arithmetic = (f"{times[limit]:.3f} ms" for limit in ("memory", "arithmetic"))
    told = f"With a batch of {batch:.0f}, memory takes {memory} and arithmetic {arithmetic}"
    if MACHINE.limit(work) != "arithmetic":
        raise Hint(f"{told}: memory is still the limit.")
    if MACHINE.limit(linear_work(WIDTH, 1, int(batch) - 1, quantized=False)) == "arithmetic":
        raise Hint(f"{told}: that is correct, but fewer inputs are enough.")


@exercise(3, "The size includes everything that is stored: codes, scales, and the unused bits of the last byte.")
def honest_size(answer) -> None:
    """Ask for a function from outputs, inputs, bits and group to bytes of codes and scales."""
    refuse_unchanged(answer, lambda outputs, inputs, bits, group: outputs * inputs * bits / 8, LAYERS)
    for outputs, inputs, bits, group in LAYERS:
        arguments = outputs, inputs, bits, group
        (mine,) = numbers_of(result_of(answer, *arguments), 1, "a function that returns one number of bytes")
        stored = stored_bytes(linear("fc", inputs, outputs), IntFormat(bits), PerGroup(-1, group))
        if mine != stored.codes + stored.scales:
            told = f"For {outputs} outputs of {inputs} inputs, {bits} bits and groups of {group} it returns {mine:g}"
            raise Hint(f"{told}. {_why(mine, stored, arguments)}")


def _why(mine: float, stored, arguments) -> str:
    """Return a hint for a wrong number of bytes."""
    outputs, inputs, bits, group = arguments
    if mine in (stored.codes, outputs * inputs * bits / 8):
        return "The scales are missing."
    if mine == stored.codes + 2 * -(-outputs * inputs // group) or mine == stored.codes + 2 * (
        outputs * inputs // group
    ):
        return "No group continues in the next output, so the last group of each output may be shorter."
    if mine == stored.codes + 2 * outputs * (inputs // group):
        return "The last, shorter group of each output needs a scale too."
    if mine in (stored.codes + stored.scales // 2, stored.codes + 2 * stored.scales):
        return "A scale of 16 bits takes 2 bytes."
    if np.ceil(mine) == stored.codes + stored.scales:
        return "The size of a file is a whole number of bytes."
    return f"The codes take {stored.codes} bytes. Now count how many scales there are."
