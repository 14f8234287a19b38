"""The energy counter, on folders like those of Linux."""

from pathlib import Path

import pytest

from qviz.pytorch.labs.power import Counter  # standard library alone


@pytest.fixture
def powercap(tmp_path):
    """Return a function that makes a zone, and one that lets all of them count on."""

    def zone(name, start, most, of="package-0"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(f"{of}\n")
        (folder / "energy_uj").write_text(f"{start}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")
        return folder

    return zone


def spend(folder, microjoules):
    most = int((folder / "max_energy_range_uj").read_text())
    now = int((folder / "energy_uj").read_text())
    (folder / "energy_uj").write_text(f"{(now + microjoules) % (most + 1)}\n")


def test_both_processors_are_added_and_what_counts_them_again_is_not(powercap, tmp_path):
    """Parts of a processor, as servers have them; "psys", the whole board, as laptops do."""
    zones = [powercap("intel-rapl:0", 500, 10**9), powercap("intel-rapl:1", 0, 10**9, "package-1")]
    again = [powercap("intel-rapl:0:0", 7, 10**9, "core"), powercap("intel-rapl:1:0", 7, 10**9, "dram")]
    again += [powercap("intel-rapl:2", 7, 10**9, "psys"), powercap("dtpm:0", 7, 10**9)]
    counter = Counter(tmp_path)
    assert counter.zones == zones
    joules, runs = counter.joules(lambda: [spend(zone, 2_000_000) for zone in zones + again], seconds=0)
    assert (joules, runs) == (4.0, 1)


def test_a_counter_that_starts_again_is_put_right(powercap, tmp_path):
    zone = powercap("intel-rapl:0", 990, 999)
    assert Counter(tmp_path).joules(lambda: spend(zone, 20), seconds=0) == (20e-6, 1)
    assert int((zone / "energy_uj").read_text()) == 10


def test_the_energy_of_one_input(powercap, tmp_path):
    zone = powercap("intel-rapl:0", 0, 10**12)
    named = {"float32": lambda: spend(zone, 1200), "int8": lambda: spend(zone, 300)}
    lines = Counter(tmp_path).compare(named, inputs=4, seconds=0).splitlines()
    assert lines[0] == "float32: 300 \N{MICRO SIGN}J per input, measured with RAPL"
    assert lines[1].startswith("int8: 75 ")


def test_a_zone_without_a_name_is_none(powercap, tmp_path):
    (powercap("intel-rapl:0", 1, 10) / "name").unlink()
    assert Counter(tmp_path).zones == []


@pytest.mark.parametrize("hide", [lambda f: f.write_text("no number"), Path.unlink])
def test_a_counter_that_cannot_be_read_is_none(hide, powercap, tmp_path):
    hide(powercap("intel-rapl:0", 1, 10) / "energy_uj")
    counter = Counter(tmp_path)
    assert counter.zones == []
    with pytest.raises(OSError, match="this machine has no energy counter that may be read here"):
        counter.joules(int)
    assert counter.compare({"float32": int}, inputs=1).startswith("Not measured: ")
