"""The site of the course: the stored pages, with explorers that run in the reader's browser."""

import os
from pathlib import Path

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx

project = "qviz"
author = "The qviz authors"
copyright = "The qviz authors, BSD 3-Clause"
html_title = "qviz"

extensions = ["myst_nb"]
root_doc = "index"
nb_execution_mode = "off"  # show the stored outputs, which nbval has compared
nb_mime_priority_overrides = [("html", "image/png", 0)]
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "sphinx_book_theme"
html_math_renderer = "mathml"  # browsers display it natively; MathJax would need a network
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["qviz.css", "live/live.css"]
_setup = Path(__file__).with_name("live.json")  # written by tools/live_site.py
_LIVE = _setup.read_text(encoding="utf-8") if _setup.exists() else "{}"
html_js_files = [
    ("live/live.js", {"defer": "defer", "data-setup": _LIVE}),
    ("live/guesses.js", {"defer": "defer"}),
]
html_context = {"default_mode": "auto"}  # light or dark, as set in the reader's system
REPOSITORY = os.environ.get("QVIZ_REPOSITORY", "")  # https://github.com/<owner>/qviz, if it is published
html_theme_options = {
    "navbar_persistent": [],  # the search is in the sidebar
    "use_download_button": True,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if REPOSITORY:
    html_theme_options |= {
        "repository_url": REPOSITORY,
        "use_repository_button": True,
        "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
    }


def _inline(translator, node):
    translator.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def _block(translator, node):
    formula = latex2mathml.converter.convert(node.astext(), display="block")
    # a scrollable element must be focusable and have a name
    translator.body.append(f'<div class="formula" tabindex="0" role="group" aria-label="formula">{formula}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx):
    """Convert formulas to MathML."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
