"""The readout of an explorer: text to store and compare, and the same as HTML with real tables."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MONOSPACE = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
_HYPHENATED = re.compile(r"\S*\w[-/]\S*")
LINE_PX = 18  # height of a line
BUSY, SENDING = "qviz-busy", "qviz-sending"  # CSS classes of an explorer that computes, or receives a file
_SIGN = "position:absolute;top:0;right:0;z-index:1;padding:1px 8px;border-radius:3px;background:#E8E8E8;color:#000"
_WAIT = "Busy: a cell is running"
WAITING = f'<style>.qviz-readout::before{{content:"{_WAIT}";{_SIGN}}}</style>'
# JupyterLab breaks long words in a <pre> at any letter, and Voila gives it a proportional font.
STYLE = f"""<style>
.qviz-readout{{position:relative;overflow:auto;resize:vertical;box-sizing:border-box;padding:2px 0}}
.qviz-readout,.qviz-readout :is(pre,th,td){{font:13px/{LINE_PX}px {MONOSPACE}!important;
color:var(--jp-content-font-color1,inherit)}}
.qviz-readout pre{{margin:0;padding:0;white-space:pre-wrap!important;word-break:normal!important;
overflow-wrap:normal!important;background:none;border:0}}
.qviz-readout pre span{{white-space:nowrap}}
.qviz-readout table{{border-collapse:collapse;margin:0;width:auto}}
.qviz-readout :is(th,td){{padding:0 0 0 18px;border:0;text-align:right;white-space:nowrap;font-weight:normal!important}}
.qviz-readout :is(th[scope=row],.qviz-left){{text-align:left}}
.qviz-readout tr>:first-child{{padding-left:0}}
.qviz-readout thead th{{border-bottom:1px solid #9A9A9A}}
.qviz-readout tr.qviz-marked :is(th,td){{font-weight:bold!important}}
:is(.{BUSY},.{SENDING}) .qviz-readout::before{{content:"Working …";{_SIGN};
visibility:hidden;animation:qviz-working 1ms .3s forwards}}
@keyframes qviz-working{{to{{visibility:visible}}}}
.qviz-figures{{font-size:14px;line-height:28px;margin:0;display:flex;flex-wrap:wrap;column-gap:22px}}
.qviz-figures span{{white-space:nowrap}}
.qviz-figures b{{font-size:20px;font-variant-numeric:tabular-nums}}
</style>"""


@dataclass(frozen=True)
class Table:
    """A table whose first column holds the headings of the rows.

    Parameters
    ----------
    head : str for each column
    rows : sequence of rows, each a str for each column
    widths : int for each column, in characters of the stored text; negative for left-aligned columns
    marked : index of the highlighted row, or None
    mark : symbol before it
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[int]
    marked: int | None = None
    mark: str = ""

    def __str__(self) -> str:
        lines = [self._line(self.head, " " * len(self.mark))]
        lines += [
            self._line(row, self.mark if n == self.marked else " " * len(self.mark)) for n, row in enumerate(self.rows)
        ]
        return "\n".join(line.rstrip() for line in lines)

    def _line(self, cells: Sequence[str], mark: str) -> str:
        columns = self._columns(cells)
        text = "".join(f"{cell:<{-width}}" if width < 0 else f"{cell:>{width}}" for cell, width in columns)
        return f"{mark} {text}" if self.mark else text

    @property
    def html(self) -> str:
        """The table as HTML, with headings of columns and rows."""
        head = "".join(self._cell("th", cell, width, ' scope="col"') for cell, width in self._columns(self.head))
        body = "".join(self._row(n, row) for n, row in enumerate(self.rows))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _columns(self, cells: Sequence[str]) -> Iterable[tuple[str, int]]:
        return zip(cells, self.widths, strict=True)

    def _row(self, number: int, row: Sequence[str]) -> str:
        marked = number == self.marked
        first, *cells = self._columns(row)
        name = f"{self.mark if marked else ''} {first[0]}".strip()
        markup = self._cell("th", name, first[1], ' scope="row"') + "".join(self._cell("td", *cell) for cell in cells)
        return f'<tr class="qviz-marked">{markup}</tr>' if marked else f"<tr>{markup}</tr>"

    @staticmethod
    def _cell(tag: str, text: str, width: int, scope: str = "") -> str:
        left = ' class="qviz-left"' if width < 0 else ""
        return f"<{tag}{scope}{left}>{html.escape(text)}</{tag}>"


class Readout(str):
    """Lines of text and tables: a str, which also has an `html` attribute.

    Examples
    --------
    >>> table = Table(["name", "bits"], [["a", "3"], ["b", "8"]], [-6, 4], marked=1, mark="*")
    >>> readout = Readout.of("two rows:", table)
    >>> print(readout)
    two rows:
      name  bits
      a        3
    * b        8
    >>> readout.html.count("<th scope=")
    4
    """

    html: str

    @classmethod
    def of(cls, *parts: "str | Table") -> "Readout":
        """Join lines of text and tables."""
        readout = cls("\n".join(map(str, parts)))
        readout.html = "\n".join(part.html if isinstance(part, Table) else _lines(part) for part in parts)
        return readout


def html_of(text: str, note: str = "") -> str:
    """Return a readout as HTML that screen readers announce, below a note such as where a picture was saved."""
    lines = text.html if isinstance(text, Readout) else _lines(text)
    lines = f"{_lines(note)}\n{lines}" if note else lines
    return f'<div role="status" aria-live="polite">{lines}</div>'


def html_of_figures(figures: Mapping[str, str]) -> str:
    """Return the key figures as HTML, in large type, each with its name."""
    spans = "".join(f"<span>{html.escape(k)} <b>{html.escape(v)}</b></span>" for k, v in figures.items())
    return f'<div class="qviz-figures">{spans}</div>'


def signed(number) -> str:
    """Put a negative number in parentheses, for use after an operator."""
    return f"({number})" if str(number).startswith("-") else str(number)


def _lines(text: str) -> str:
    """Return lines of text as HTML; a word with a hyphen or a slash, such as min-max, is not broken there."""
    unbroken = _HYPHENATED.sub(r"<span>\g<0></span>", html.escape(text))
    return f"<pre>{unbroken}</pre>"
