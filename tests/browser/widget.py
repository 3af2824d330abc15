"""The finder's widget as a user sees it: what it shows, and where to put the mouse."""

from __future__ import annotations

import json
import math
import re
import time

from playwright.sync_api import Locator

from tests.browser.pages import FrontEnd

# The smoothed curve: of the figure that shows losses, wherever among the figures of all tabs it stands.
_CURVE = """[...root.querySelectorAll('.lrw-figure')]
    .find(figure => [...figure.querySelectorAll('.axislabel')].some(label => label.textContent === 'loss'))
    ?.querySelector('path.line[style*="--lrw-curve"]')?.getAttribute('d') ?? ''"""

# Numbers of points of the smoothed curve that have been seen since, one after the other.
_GROWS = f"""([root, times, start]) => {{
    const num_points = ({_CURVE}).match(/[ML]/g)?.length ?? 0
    if (root.start !== start || num_points < root.seen.at(-1)) Object.assign(root, {{start, seen: [num_points]}})
    if (num_points > root.seen.at(-1)) root.seen.push(num_points)
    return root.seen.length > times
}}"""

# The ticks of an axis that have a number (a log axis may have others): [[text, x, y in the window], ...].
_TICKS = """(figure, label) => {
    const axes = [...figure.querySelectorAll('g.axis')]
    const axis = axes.find(axis => axis.querySelector('.axislabel')?.textContent === label)
    const place = tick => tick.querySelector('line').getBoundingClientRect()
    const ticks = [...axis.querySelectorAll('.tick')].filter(tick => tick.textContent)
    return ticks.map(tick => [tick.textContent, place(tick).x, place(tick).y])
}"""

# Lines with points in them, by the name of their colour.
_NUM_LINES = """(figure, colour) => [...figure.querySelectorAll(`path.line[style*="--lrw-${colour}"]`)]
    .filter(line => /[ML]/.test(line.getAttribute('d') ?? '')).length"""

# What sticks out of the widget, or is cut off by an element around it.
_CUT_TEXTS = """root => {
    const frame = root.getBoundingClientRect()
    const isCut = element => {
        const box = element.getBoundingClientRect()
        if (box.width === 0) return false
        const clips = getComputedStyle(element).overflowX !== 'visible' && !(element instanceof SVGElement)
        const isHidden = place => place !== root && (isHidden(place.parentElement) ||
            (getComputedStyle(place).overflowX === 'hidden' && box.right > place.getBoundingClientRect().right + 1))
        return box.left < frame.left - 1 || box.right > frame.right + 1 ||
            (clips && element.scrollWidth > element.clientWidth + 1) ||
            (!(element instanceof SVGElement) && isHidden(element.parentElement))
    }
    const shown = selector => [...root.querySelectorAll(selector)]
        .filter(element => element.checkVisibility({visibilityProperty: true}))
    const inputs = shown('input[type=text]').filter(input => input.scrollWidth > input.clientWidth + 1)
    return inputs.map(input => input.value).concat(shown('*')
        .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
        .filter(isCut).map(element => element.textContent))
}"""

# Numbers at an axis that lie on the one before.
_COVERED_NUMBERS = """root => [...root.querySelectorAll('.lrw-figure .axis')].flatMap(axis => {
    const shown = [...axis.querySelectorAll('.tick text')].filter(text => text.getBoundingClientRect().width)
    const boxes = shown.map(text => text.getBoundingClientRect())
    const isOn = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
    return shown.filter((_, i) => i && isOn(boxes[i - 1], boxes[i])).map(text => text.textContent)
})"""

_FITS = """root => {
    const right = root.getBoundingClientRect().right
    const areas = [...root.querySelectorAll('.plotarea_background')]
        .filter(area => area.checkVisibility({visibilityProperty: true}))
    return root.scrollWidth <= root.clientWidth && right <= innerWidth &&
        areas.every(area => area.getBoundingClientRect().right <= area.closest('.bqplot').getBoundingClientRect().right)
}"""

# Sliders cannot be named with ipywidgets; each has a box beside it that says the same and can be named.
# Controls that say nothing of themselves: ["name" or "tooltip", HTML]. The style sheet draws the tooltips of tabs.
_UNEXPLAINED = """root => {
    const label = e => [...(e.labels ?? [])].map(label => label.textContent).join('') ||
        document.getElementById(e.getAttribute('aria-labelledby'))?.textContent
    const name = e => e.getAttribute('aria-label') || label(e) || e.textContent.trim() || e.title
    const drawn = e => e.matches('[role=tab]') && /^"./.test(getComputedStyle(e, '::after').content)
    const tooltip = e => e !== root && (e.title || drawn(e) || tooltip(e.parentElement))
    return [...root.querySelectorAll('a[href], button, input, select, textarea, summary, [role=tab]')]
        .filter(e => e.checkVisibility({visibilityProperty: true}))
        .flatMap(e => [...(name(e) ? [] : [['name', e.outerHTML]]), ...(tooltip(e) ? [] : [['tooltip', e.outerHTML]])])
}"""


class Widget:
    """One display of a finder's widget.

    Parameters
    ----------
    front_end
        The page on which it is.
    number
        Which display, counted from 0.
    """

    def __init__(self, front_end: FrontEnd, number: int = 0) -> None:
        self.page = front_end.page
        self.root = front_end.page.locator(".jupyter-widgets.lrwidget").nth(number)  # no saved picture
        of_losses = front_end.page.locator(".axislabel").get_by_text("loss", exact=True)
        self.figure = self.root.locator(".lrw-figure").filter(has=of_losses)

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.root.get_by_role("button", name=name, exact=True)

    def tab(self, name: str) -> Locator:
        """The head of a tab."""
        return self.root.get_by_role("tab", name=name, exact=True)

    @property
    def panel(self) -> Locator:
        """What the open tab holds, once it is there."""
        return self.root.locator(".lrw-tabs > .widget-tab-contents > :not(.lm-mod-hidden) > *")

    @property
    def number_box(self) -> Locator:
        """The box with the selected learning rate."""
        return self.root.get_by_role("textbox", name="Selected LR", exact=True)

    @property
    def shown_lr(self) -> float:
        """The number in that box."""
        return float(self.number_box.input_value())

    def num_points(self, colour: str = "curve") -> int:
        """How many points the smoothed curve (``"raw"``: the losses) has on the screen."""
        line = self.figure.locator(f'path.line[style*="--lrw-{colour}"]').first
        return len(re.findall("M" if colour == "raw" else "[ML]", line.get_attribute("d") or ""))

    @property
    def legend(self) -> Locator:
        """The rows of the legend, one for each run."""
        return self.root.locator(".lrw-run-row")

    def num_lines(self, colour: str) -> int:
        """How many lines are drawn in colours of this kind: ``"past"`` for those of earlier runs."""
        return int(self.figure.evaluate(_NUM_LINES, colour))

    def wait_for_lines(self, colour: str, num_lines: int) -> None:
        """Wait until so many lines are drawn in such colours."""
        self.page.wait_for_function(
            f"([figure, colour, num_lines]) => ({_NUM_LINES})(figure, colour) === num_lines",
            arg=[self.figure.element_handle(), colour, num_lines],
        )

    def curve_path(self) -> str:
        """The smoothed curve as it is drawn."""
        return self.figure.locator('path.line[style*="--lrw-curve"]').get_attribute("d") or ""

    def wait_for_points(self, num_points: int) -> None:
        """Wait until the smoothed curve on the screen has so many points."""
        self._wait_for_curve(f"(path.match(/[ML]/g) ?? []).length === {num_points}")

    def wait_for_another_curve(self, path: str) -> None:
        """Wait until the smoothed curve is drawn in another way."""
        self._wait_for_curve(f"path !== {json.dumps(path)}")

    def _wait_for_curve(self, condition: str) -> None:
        self.page.wait_for_function(
            f"root => {{ const path = {_CURVE}; return {condition} }}",
            arg=self.root.element_handle(),
        )

    def wait_until_drawn(self, num_points: int) -> None:
        """Wait until the curve has so many points and stays as it is for a moment."""
        self.wait_for_points(num_points)
        path = ""
        while path != (path := self.curve_path()):
            self.page.wait_for_timeout(200)

    def wait_until_it_grows(self, times: int) -> None:
        """Wait until the curve on the screen has become longer so many times."""
        start = time.monotonic_ns()
        self.page.wait_for_function(_GROWS, arg=[self.root.element_handle(), times, start], polling=20)

    def slider(self, label: str) -> Locator:
        """The handle of the slider with this label, for the keyboard."""
        return self._setting(label).locator(".noUi-handle")

    def type_into(self, label: str, text: str) -> None:
        """Type into the box beside a slider, and leave it."""
        box = self._setting(label).locator("input")
        box.fill(text)
        box.press("Enter")

    def _setting(self, label: str) -> Locator:
        named = self.page.locator(".widget-label").get_by_text(label, exact=True)
        return self.root.locator(".lrw-setting").filter(has=named)

    @property
    def marker_slider(self) -> Locator:
        """The slider under the figure that moves the marker by the keyboard."""
        return self.root.locator(".lrw-marker-slider .noUi-handle")

    def wait_for_state(self, state: str, timeout_seconds: float = 60) -> None:
        """Wait until the widget shows that it is ``"running"``, ``"done"``, ..."""
        self.root.locator(f".lrw-is-{state}").wait_for(timeout=timeout_seconds * 1000)

    def x_of(self, lr: float) -> float:
        """The x coordinate in the window at which a learning rate is drawn."""
        (low, x_low), (high, x_high) = self._axis()
        return x_low + (x_high - x_low) * math.log(lr / low) / math.log(high / low)

    def lr_at(self, x: float) -> float:
        """The learning rate that is drawn at an x coordinate."""
        (low, x_low), (high, x_high) = self._axis()
        return float(low * (high / low) ** ((x - x_low) / (x_high - x_low)))

    def wait_until_shown(self, lr: float) -> None:
        """Wait until the box holds exactly this rate."""
        self.page.wait_for_function(
            "([box, lr]) => Number(box.value) === lr", arg=[self.number_box.element_handle(), lr]
        )

    def wait_for_marker(self, lr: float) -> None:
        """Wait until the marker stands at this rate, to a pixel or two."""
        deadline = time.monotonic() + 20
        while abs(self._marker_x() - self.x_of(lr)) > 2.5:
            if time.monotonic() > deadline:
                raise AssertionError(f"the marker should stand at {lr}, but is at {self.lr_at(self._marker_x())}")
            self.page.wait_for_timeout(50)

    def _marker_x(self) -> float:
        box = self.figure.locator('.object_grp path[style*="--lrw-mark"]').last.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2

    def drag_marker(self, lr: float, beyond: float = 0) -> float:
        """Drag the marker with the mouse to a rate (and so many pixels beyond) and return the rate under the mouse.

        The last message of a drag comes after it, so this waits until the number in the box is that of the mouse.
        """
        self.figure.scroll_into_view_if_needed()
        area = self.plot_area
        y = area["y"] + area["height"] / 2
        self.page.mouse.move(self.x_of(self.shown_lr), y)
        self.page.mouse.down()
        target = round(self.x_of(lr)) + beyond
        self.page.mouse.move(target, y, steps=10)
        self.page.mouse.up()
        under_the_mouse = self.lr_at(target)
        if not beyond:
            self._wait_until_near(under_the_mouse)
        return under_the_mouse

    def click_plot(self, lr: float) -> float:
        """Click on the plot's background at a rate; return the one under the mouse."""
        self.figure.scroll_into_view_if_needed()
        area = self.plot_area
        x = round(self.x_of(lr))
        self.page.mouse.click(x, area["y"] + 0.8 * area["height"])
        under_the_mouse = self.lr_at(x)
        self._wait_until_near(under_the_mouse)
        return under_the_mouse

    def _wait_until_near(self, lr: float) -> None:
        self.page.wait_for_function(
            "([box, lr]) => Math.abs(Number(box.value) / lr - 1) < 0.05", arg=[self.number_box.element_handle(), lr]
        )

    def wait_until_it_fits(self) -> None:
        """Wait until the widget is no wider than its place, and what is drawn no wider than its figure."""
        deadline = time.monotonic() + 20
        while not self.root.evaluate(_FITS):
            assert time.monotonic() < deadline, "the widget should fit into its place"
            for figure in self.root.locator(".bqplot:visible").all():
                figure.scroll_into_view_if_needed()  # bqplot lays a figure out when it is looked at
            self.page.wait_for_timeout(100)

    def cut_texts(self) -> list[str]:
        """Texts that are cut off or stick out."""
        return list(self.root.evaluate(_CUT_TEXTS))

    def covered_numbers(self) -> list[str]:
        """Numbers at the axes of figures that lie on the one before."""
        return list(self.root.evaluate(_COVERED_NUMBERS))

    def controls_without(self, what: str) -> list[str]:
        """The HTML of visible controls without a ``"name"`` or a ``"tooltip"``."""
        return [html for lacking, html in self.root.evaluate(_UNEXPLAINED) if lacking == what]

    @property
    def plot_area(self) -> dict[str, float]:
        """The box of the area inside the axes, in the window."""
        box = self.figure.locator("rect.plotarea_background").bounding_box()
        assert box is not None
        return dict(box)

    def _axis(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The first and the last tick of the learning rates: rate and x coordinate."""
        ticks = [(float(text), x) for text, x, _ in self.figure.evaluate(_TICKS, "learning rate")]
        return ticks[0], ticks[-1]

    @property
    def loss_ticks(self) -> list[tuple[float, float]]:
        """The ticks of the losses: loss and y coordinate in the window."""
        return [(float(text), y) for text, _, y in self.figure.evaluate(_TICKS, "loss")]

    def y_of(self, loss: float) -> float:
        """The y coordinate in the window at which a loss is drawn, on a linear axis."""
        (low, y_low), (high, y_high) = self.loss_ticks[0], self.loss_ticks[-1]
        return y_low + (y_high - y_low) * (loss - low) / (high - low)

    @property
    def lr_range(self) -> tuple[float, float]:
        """The learning rates at the left and the right edge of the figure."""
        area = self.plot_area
        return self.lr_at(area["x"]), self.lr_at(area["x"] + area["width"])

    def wait_for_tooltip(self, text: str) -> None:
        """Wait until the figure says this beside the mouse."""
        said = self.page.locator(".bqplot_mark_tooltip:visible").get_by_text(text, exact=True)
        said.wait_for()
