"""The gallery shows one explorer at a time, frees the last one, and says what cannot run here."""

import ipywidgets
import pytest

import qviz.widgets
from qviz.widgets import ArenaExplorer, Gallery, ParetoExplorer, PhotoExplorer, QuantizeExplorer
from qviz.widgets.controls import controls_of
from qviz.widgets.gallery import all_explorers, summary


class Elsewhere(QuantizeExplorer):
    """An explorer whose source is not on this machine."""

    source = "no_such_module.Lab"


@pytest.fixture
def gallery():
    """Return a gallery of three, closed at the end."""
    gallery = Gallery([PhotoExplorer, QuantizeExplorer, Elsewhere])
    yield gallery
    gallery.close()


def test_all_explorers_of_the_course_are_there():
    names = {name for name in qviz.widgets.__all__ if name.endswith("Explorer")} - {"Explorer"}
    assert {kind.__name__ for kind in all_explorers()} == names


def test_each_is_told_in_a_short_line():
    lines = [summary(kind) for kind in all_explorers()]
    assert len(set(lines)) == len(lines)
    assert all(len(line) <= 110 for line in lines), lines


def test_it_opens_with_an_explorer_of_the_fewest_controls():
    gallery = Gallery()
    fewest = min(len(controls_of(kind.State)) for kind in all_explorers())
    assert len(gallery.explorer._controls) == fewest
    gallery.close()


def test_the_list_chooses(gallery):
    assert isinstance(gallery.explorer, PhotoExplorer)
    listed = gallery.children[0]
    listed.value = "QuantizeExplorer"
    assert isinstance(gallery.explorer, QuantizeExplorer)
    assert gallery.children[1].children == (gallery.explorer,)


def test_the_last_one_is_freed(gallery, alive):
    gallery.choose("QuantizeExplorer")
    gallery.choose("PhotoExplorer")
    before = alive()
    for name in ("QuantizeExplorer", "PhotoExplorer") * 2:
        gallery.choose(name)
    assert alive() == before


def test_what_cannot_run_here_is_told(gallery):
    gallery.choose("Elsewhere")
    assert gallery.explorer is None
    (said,) = gallery.children[1].children
    assert (
        isinstance(said, ipywidgets.HTML)
        and "Elsewhere cannot run here: No module named 'no_such_module'" in said.value
    )
    gallery.choose("PhotoExplorer")
    assert isinstance(gallery.explorer, PhotoExplorer)


def test_pareto_has_its_panel_of_times_where_there_is_torch(monkeypatch):
    pytest.importorskip("torch")
    for source, panels in ((ParetoExplorer.source, ["pareto", "latency"]), ("no_such_module.Lab", ["pareto"])):
        monkeypatch.setattr(ParetoExplorer, "source", source)
        gallery = Gallery([ParetoExplorer])
        assert list(gallery.explorer._canvas.panels) == panels
        gallery.close()


def test_close_frees_everything(alive):
    ArenaExplorer().close()
    before = alive()
    Gallery([ArenaExplorer]).close()
    assert alive() == before
