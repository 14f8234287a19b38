"""Requantization: the code of each sum, as a ramp that is flat at both ends."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from qviz.numerics import UINT8, IntFormat

from .panel import Panel
from .style import CLIPPED, FLOAT, QUANTIZED, TITLE_SIZE, Labels, dress, legend

MARGIN = 0.75  # on each side, as a share of the range of codes


class RequantizePanel(Panel):
    """The code of each sum, with one sum marked; with a ReLU, the lower clipping bound is the zero point."""

    title = "Output code"

    def build(self, ax: Axes) -> None:
        """Create the ramp, the clip zones and the marks."""
        dress(ax, Labels(self.title, "sum times multiplier (hatched: clipped)", "code"))
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        zone = {"facecolor": "none", "edgecolor": CLIPPED, "hatch": "//", "linewidth": 0, "alpha": 0.8}
        self.zones = [
            self.moving(ax.add_patch(Rectangle((0, 0), 0, 1, transform=ax.get_xaxis_transform(), **zone)))
            for _ in range(2)
        ]
        self.ramp = self.moving(*ax.plot([], [], color="black", linewidth=2))
        self.guides = self.moving(*ax.plot([], [], color=QUANTIZED, linestyle=":", linewidth=1.5))
        hollow = {"color": FLOAT, "markersize": 11, "markerfacecolor": "white", "markeredgewidth": 2}
        self.before = self.moving(*ax.plot([], [], "o", label="before", **hollow))
        now = {"color": QUANTIZED, "markersize": 8, "markeredgecolor": "black"}
        self.now = self.moving(*ax.plot([], [], "D", label="now", **now))
        legend(ax, loc="lower right", bbox_to_anchor=(1, 0.99), ncols=2)

    def update(
        self,
        now: tuple[float, int],
        before: tuple[float, int],
        zero_point: int = 0,
        relu: bool = False,
        fmt: IntFormat = UINT8,
        arithmetic: str = "",
        home: int | None = None,
    ) -> None:
        """Show a sum, in steps of the output's scale, and its code, `now` and `before` a change.

        The title includes `arithmetic`. Sums beyond the axes are drawn at the edge as an arrow. The axes are based on
        the zero point `home`, so that a different `zero_point` moves the ramp and not the axes; None is `zero_point`.
        """
        home = zero_point if home is None else home
        lowest = zero_point if relu else fmt.qmin
        start, stop = lowest - zero_point, fmt.qmax - zero_point
        margin = MARGIN * (fmt.qmax - fmt.qmin)
        left, right = (home if relu else fmt.qmin) - home - margin, fmt.qmax - home + margin
        self.ax.set_title(f"{self.title} ({arithmetic})" if arithmetic else self.title, fontsize=TITLE_SIZE, loc="left")
        self.ax.set_xlim(left, right)
        edge = (fmt.qmax - fmt.qmin) / 20
        self.ax.set_ylim(fmt.qmin - edge, fmt.qmax + edge)
        self.ax.set_yticks(sorted({fmt.qmin, home, fmt.qmax}))
        ends = min(left, start), max(stop, right)
        self.ramp.set_data([ends[0], start, stop, ends[1]], [lowest, lowest, fmt.qmax, fmt.qmax])
        for zone, (begin, end) in zip(self.zones, ((ends[0], start), (stop, ends[1])), strict=True):
            zone.set_bounds(begin, 0, end - begin, 1)
        for mark, (steps, code), inside in ((self.now, now, "D"), (self.before, before, "o")):
            mark.set_data([min(max(steps, left), right)], [code])
            mark.set_marker("<" if steps < left else ">" if steps > right else inside)
        at = min(max(now[0], left), right)
        self.guides.set_data([at, at, left], [fmt.qmin - edge, now[1], now[1]])
        self.description = (
            f"{self.title}: {start} to {stop} steps become codes {lowest} to {fmt.qmax}, clipped outside; "
            f"{now[0]:.1f} becomes {now[1]} (before: {before[0]:.1f} becomes {before[1]})."
        )
