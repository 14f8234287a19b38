"""Energy measured, where the machine has a counter that may be read: RAPL, through Linux's powercap files.

The counter is that of the whole processor, so that it counts all that runs at the time. Many laptops have a second
one, "psys", for the whole board: the processor is in it, so that it is left out. Since 2020 most systems let
only the administrator read it, because it tells an attacker too much (CVE-2020-8694); virtual machines have none.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from qviz.numerics.unavailable import Unavailable

POWERCAP = Path("/sys/class/powercap")


class Counter:
    """The energy counters of all processors of this machine, read together.

    Parameters
    ----------
    folder : Path
        Where Linux shows them.

    Attributes
    ----------
    zones : list of Path: one a processor, none where there is nothing to read

    Examples
    --------
    >>> Counter(Path("no such folder")).zones
    []
    """

    def __init__(self, folder: Path = POWERCAP):
        found = sorted(folder.glob("intel-rapl:*")) if folder.is_dir() else []
        self.zones = [zone for zone in found if _is_processor(zone) and _readable(zone)]

    def joules(self, act: Callable[[], object], seconds: float = 0.5) -> tuple[float, int]:
        """Run `act` for so many seconds, and return the energy of all runs, and how many there were.

        A counter that starts again from 0 meanwhile is put right, once.
        """
        if not self.zones:
            raise Unavailable("this machine has no energy counter that may be read here")
        before, runs, start = self._read(), 0, perf_counter()
        while not runs or perf_counter() - start < seconds:
            act()
            runs += 1
        used = zip(self.zones, before, self._read(), strict=True)
        return sum(
            (late - early) % (_number(zone, "max_energy_range_uj") + 1) for zone, early, late in used
        ) / 1e6, runs

    def compare(self, named: dict[str, Callable[[], object]], inputs: int, seconds: float = 0.5) -> str:
        """Say how much energy one input takes, for each by name; or that nothing can be measured here.

        Examples
        --------
        >>> print(Counter(Path("no such folder")).compare({"float32": int}, inputs=1))
        Not measured: this machine has no energy counter that may be read here. So there is only the estimate.
        """
        lines = []
        for name, act in named.items():
            try:
                joules, runs = self.joules(act, seconds)
            except Unavailable as error:
                return f"Not measured: {error}. So there is only the estimate."
            lines.append(f"{name}: {joules / runs / inputs * 1e6:.3g} \N{MICRO SIGN}J per input, measured with RAPL")
        return "\n".join([*lines, "The counter is that of the whole processor, at rest and at work."])

    def _read(self) -> list[int]:
        return [_number(zone, "energy_uj") for zone in self.zones]


def _is_processor(zone: Path) -> bool:
    """Whether it is one whole processor, "package-0" and so on: parts of one have other names, as has the board."""
    try:
        return (zone / "name").read_text(encoding="ascii").startswith("package")
    except (OSError, ValueError):
        return False


def _number(zone: Path, name: str) -> int:
    return int((zone / name).read_text(encoding="ascii"))


def _readable(zone: Path) -> bool:
    try:
        return _number(zone, "energy_uj") >= 0 and _number(zone, "max_energy_range_uj") > 0
    except (OSError, ValueError):
        return False
