"""Check of the last exercise, a report on a model in W8A8 and W4A8: do its figures agree with the measurements?

A result of `evaluate` holds only arrays and numbers, so nothing here needs torch.
"""

import re

import numpy as np

from .answers import names_of, number_of
from .exercises import Hint, NotAttempted

NAMES = ("W8A8", "W4A8")
ENTRIES = ("measured", "size_bytes", "accuracy", "times_as_fast", "failed", "why")
LOSS = 0.02  # a network that loses more accuracy has failed
WORDS = 10  # minimum length of a reason


def refuse_report(answer) -> None:
    """Raise NotAttempted for an empty report, and a Hint for one that disagrees with the measurements.

    Parameters
    ----------
    answer : dict
        measured: what `evaluate` returned for "W8A8" and "W4A8"; size_bytes and accuracy: dicts of numbers for "float",
        "W8A8" and "W4A8"; times_as_fast: the same without "float"; failed: list of names; why: str.

    Examples
    --------
    >>> try:
    ...     refuse_report({"size_bytes": 1})
    ... except Hint as hint:
    ...     print(hint)
    The answer must be a dict with the entries measured, size_bytes, accuracy, times_as_fast, failed, why.
    """
    if not isinstance(answer, dict) or set(answer) != set(ENTRIES):
        raise Hint(f"The answer must be a dict with the entries {', '.join(ENTRIES)}.")
    if all(answer[entry] is None or (answer[entry] == {} and entry != "failed") for entry in ENTRIES):
        raise NotAttempted
    results = _measured(answer["measured"])
    int8, int4 = (results[name] for name in NAMES)
    _compare(answer, "size_bytes", {"float": int8.float_size_bytes} | _of(results, "size_bytes"), 0.01)
    _compare(answer, "accuracy", {"float": int8.float_accuracy} | _of(results, "accuracy"), 0.0)
    times = {name: each.float_latency.median_ms / each.latency.median_ms for name, each in results.items()}
    _compare(answer, "times_as_fast", times, 0.02, 0.051)
    failed = {name for name, each in results.items() if each.float_accuracy - each.accuracy > LOSS}
    if (mine := _failed(answer["failed"])) != failed:
        name = sorted(mine ^ failed)[0]
        lost = 100 * (results[name].float_accuracy - results[name].accuracy)
        raise Hint(f"{name} loses {lost:.1f} points. A network has failed if it loses more than {100 * LOSS:g}.")
    _read(answer["why"], int8 if failed == {"W8A8"} else int4)


def _measured(results) -> dict:
    """Return both results, or raise a Hint if they were not measured as the exercise asks."""
    if not isinstance(results, dict) or set(results) != set(NAMES):
        raise Hint('measured must be a dict of what evaluate returned, with the keys "W8A8" and "W4A8".')
    for name, result in results.items():
        if not all(hasattr(result, field) for field in ("layers", "latency", "float_accuracy", "size_bytes")):
            raise Hint(f"measured[{name!r}] must be what evaluate returned: got {type(result).__name__}.")
        if not np.isfinite([result.latency.median_ms, result.float_latency.median_ms]).all():
            raise Hint(f"{name} was not timed: give evaluate a number of repeats, such as 30.")
    bits = {name: max(map(_bits, (each for each in result.layers if each.weights))) for name, result in results.items()}
    if bits["W8A8"] != 8 or bits["W4A8"] != 4:
        raise Hint(
            f"The weights of W8A8 have {bits['W8A8']} bits, and those of W4A8 {bits['W4A8']}: look at weight_bits."
        )
    for field in ("float_accuracy", "float_size_bytes"):
        if getattr(results["W8A8"], field) != getattr(results["W4A8"], field):
            raise Hint("The two were compared with different float networks, or on different data.")
    for layer in results["W8A8"].layers:
        if layer.qparams is not None and layer.qparams.fmt.bits < 7:  # reduce_range takes 7
            raise Hint(f"The outputs of {layer.name} have {layer.qparams.fmt.bits} bits: W8A8 means 8 bits for both.")
    return {name: results[name] for name in NAMES}


def _bits(layer) -> int:
    """Return the bits of a layer's weights; for simulated quantization, derive them from the distinct values."""
    if layer.weights.qparams is not None:
        return layer.weights.qparams.fmt.bits
    rows = layer.weights.quantized.reshape(len(layer.weights.quantized), -1)
    return 4 if max(np.unique(row).size for row in rows) <= 16 else 8


def _of(results, field: str) -> dict:
    return {name: getattr(result, field) for name, result in results.items()}


def _compare(answer, entry: str, wanted: dict, rtol: float, atol: float = 0.0) -> None:
    """Raise a Hint for the first figure of an entry that disagrees with the measurement."""
    given = answer[entry]
    if not isinstance(given, dict) or set(given) != set(wanted):
        raise Hint(f"{entry} must be a dict with a number for each of {', '.join(wanted)}.")
    for name, measured in wanted.items():
        if given[name] is None:
            raise Hint(f"{entry} of {name} is still missing.")
        mine = number_of(given[name], f"a number for {name} in {entry}")
        if entry == "accuracy":
            mine /= 100 if mine > 1 else 1  # it is in percent
            atol = 0.0051 if abs(100 * mine - round(100 * mine)) < 1e-9 else 0.00051  # rounded to 1 or to 0.1 percent
        if abs(mine - measured) <= rtol * measured + atol:
            continue
        why = ""
        if np.isclose(mine * measured, 1, rtol=0.05) and entry == "times_as_fast":
            why = " It is the time of the float network divided by the time of this one."
        if np.isclose(mine, 8 * measured, rtol=0.01):
            why = " That is a number of bits."
        told = f"{measured:,}" if isinstance(measured, int) else f"{measured:.4g}"
        raise Hint(f"{entry} of {name} was measured as {told}, but the report says {mine:,.10g}.{why}")


def _failed(given) -> set[str]:
    """Return the names of the failed networks; an empty list, "none" and "neither" all mean none."""
    if given is None:
        raise Hint('Say in failed which of them failed: a list of "W8A8" and "W4A8", or [] if neither did.')
    if isinstance(given, str) and given.lower() in ("none", "neither", ""):
        return set()
    return set() if given in ([], ()) else names_of(given, NAMES, "names of what failed")


def _read(why, result) -> None:
    """Raise a Hint for a reason that names no layer, only layers that are not the weakest, or no figure."""
    if not isinstance(why, str) or len(why.split()) < WORDS:
        raise Hint(f"why must be a sentence or two, with at least {WORDS} words: which layer loses most, and why?")
    layers = [layer for layer in result.layers if layer.weights]
    named = {
        each.name for each in layers if re.search(rf"(?<![\w.]){re.escape(each.name)}(?![\w])", why, re.IGNORECASE)
    }
    if not named:
        raise Hint(f"Name the layer that loses most: one of {', '.join(layer.name for layer in layers)}.")
    weakest = {
        min(layers, key=lambda each: each.weights.sqnr_db).name,
        min(layers, key=lambda each: each.sqnr_db).name,
    }
    if not named & weakest:
        raise Hint(
            f"{sorted(named)[0]} is not the layer that loses most. Print the result, and look for the lowest SQNR."
        )
    rest = why
    for name in named:
        rest = rest.replace(name, "")
    if not re.search(r"\d", re.sub(r"W\d+(A\d+)?|\d+[ -]?bit", "", rest)):
        raise Hint("Give a figure that you measured, such as the SQNR of that layer's weights.")
