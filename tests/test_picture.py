"""A result as a picture."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from lrwidget import RangeTestResult
from lrwidget.picture import plot, save_plot, to_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def good() -> RangeTestResult:
    """A noisy fall from 2.3 to 0.6 around 3e-3 that explodes at 0.5."""
    lrs = np.geomspace(1e-7, 1.0, 88)
    losses = 2.3 - 1.7 / (1 + (3e-3 / lrs) ** 1.2) + np.where(lrs > 0.5, (lrs / 0.5) ** 3 - 1, 0)
    losses += 0.03 * np.random.default_rng(0).standard_normal(len(lrs))
    return RangeTestResult(lrs, losses, "diverged")


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def axes_of(root: ElementTree.Element) -> ElementTree.Element:
    [axes] = root.findall(f"{SVG}svg")
    return axes


def texts_of(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_points_stand_where_their_rates_say(good: RangeTestResult) -> None:
    """The x axis is logarithmic: equal ratios of rates are equal distances, from edge to edge."""
    root = parsed(to_svg(good))
    axes = axes_of(root)
    line = axes.find(f"{SVG}path")
    places = np.array([pair.split() for pair in line.get("d")[1:].split("L")], dtype=float)
    assert len(places) == len(good)
    np.testing.assert_allclose(places[:, 0], np.linspace(0, float(axes.get("width")), len(good)), atol=0.06)


def test_heights_are_linear_in_the_loss(good: RangeTestResult) -> None:
    """A point's height, read against two ticks of the loss axis, gives back its loss."""
    root = parsed(to_svg(good))
    axes = axes_of(root)
    top = float(axes.get("y"))
    ticks = [(float(t.text), float(t.get("y")) - 4 - top) for t in root.iter(f"{SVG}text") if t.text in ("1.0", "2.0")]
    (low, y_low), (high, y_high) = ticks
    heights = np.array([float(c.get("cy")) for c in axes.iter(f"{SVG}circle")])
    losses = low + (heights - y_low) * (high - low) / (y_high - y_low)
    shown = [loss for loss in good.losses if loss < 3.2]
    assert len(losses) >= len(shown) - 4  # the top and bottom quantiles may fall off the picture
    assert all(np.abs(good.losses - loss).min() < 2e-3 for loss in losses)


def test_suggestion_is_drawn_where_it_is(good: RangeTestResult) -> None:
    """The dashed line stands at the suggested rate, the band around it spans its interval, the headline names both."""
    root = parsed(to_svg(good))
    axes = axes_of(root)
    width = float(axes.get("width"))

    def x(lr: float) -> float:
        return width * np.log(lr / good.lrs[0]) / np.log(good.lrs[-1] / good.lrs[0])

    suggestion = good.suggest()
    dashed = axes.findall(f"{SVG}path")[1]
    assert float(dashed.get("d").split()[0][1:]) == pytest.approx(x(suggestion.lr), abs=0.06)
    band = axes.find(f"{SVG}rect")
    assert float(band.get("x")) == pytest.approx(x(suggestion.low), abs=0.06)
    assert float(band.get("width")) == pytest.approx(x(suggestion.high) - x(suggestion.low), abs=0.11)
    assert any(f"{suggestion.lr:.1e}".replace("e-0", "e-").replace(".0e", "e") in text for text in texts_of(root))


def test_a_selected_rate_is_drawn_beside_the_suggestion(good: RangeTestResult) -> None:
    """A choice is a solid line a decade from the edge, the suggestion stays dashed, and the headline names both."""
    root = parsed(to_svg(good, selected_lr=1e-6))
    axes = axes_of(root)
    dashed, solid = axes.findall(f"{SVG}path")[1:]
    assert dashed.get("stroke-dasharray")
    assert not solid.get("stroke-dasharray")
    assert float(solid.get("d").split()[0][1:]) == pytest.approx(float(axes.get("width")) / 7, abs=0.06)
    [headline] = [text for text in texts_of(root) if "LR" in text]
    assert headline.startswith("Selected LR 1e-6, suggested ")
    assert float(headline.split()[-1]) == pytest.approx(good.suggest().lr, rel=0.05)


def test_verdict_is_part_of_the_picture(good: RangeTestResult) -> None:
    """The diagnosis, its advice, the number of steps and the reason of the end can be read."""
    flat = RangeTestResult(np.geomspace(1e-6, 1, 40), np.full(40, 2.3))
    words = " ".join(texts_of(parsed(to_svg(flat))))
    assert flat.diagnosis.message in words
    assert flat.diagnosis.advice in words
    assert "No suggested learning rate" in words
    assert "40 steps, completed" in words
    assert "88 steps, diverged at 1" in " ".join(texts_of(parsed(to_svg(good))))


def test_no_suggestion_draws_no_line() -> None:
    """Without a suggestion there is neither its line nor its interval."""
    axes = axes_of(parsed(to_svg(RangeTestResult(np.geomspace(1e-6, 1, 40), np.full(40, 2.3)))))
    assert len(axes.findall(f"{SVG}path")) == 1
    assert axes.find(f"{SVG}rect") is None


def test_texts_are_escaped(good: RangeTestResult) -> None:
    """An error message with markup and control characters in it is shown as text in a well-formed document."""
    hostile = "ValueError: </text><script>alert(1)</script>\x00\x1b & \"quotes\" '\ud800'"
    result = RangeTestResult(good.lrs[:30], good.losses[:30], "failed", error=hostile)
    root = parsed(to_svg(result))
    assert not list(root.iter(f"{SVG}script"))
    assert "<script>alert(1)</script>" in " ".join(texts_of(root))


def test_long_errors_are_wrapped_and_cut(good: RangeTestResult) -> None:
    """An error as long as a novel takes three lines."""
    result = RangeTestResult(good.lrs[:30], good.losses[:30], "failed", error="word " * 1000)
    lines = [text for text in texts_of(parsed(to_svg(result))) if "word" in text]
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert max(map(len, lines)) <= 90


@pytest.mark.parametrize(
    ("losses", "num_circles"),
    [([], 0), ([2.3], 1), ([np.nan], 0), ([np.inf, 2.0, np.nan], 1), ([2.3, 2.5, 1e3, 1e300, np.inf], 4)],
)
def test_any_curve_can_be_drawn(losses: list[float], num_circles: int) -> None:
    """Nothing, one point and losses that are not finite give a well-formed picture of what is finite."""
    root = parsed(to_svg(RangeTestResult(np.geomspace(1e-3, 1, 10)[: len(losses)], losses, "stopped")))
    assert len(list(root.iter(f"{SVG}circle"))) == num_circles
    assert "nan" not in "".join(path.get("d") for path in root.iter(f"{SVG}path"))


def test_result_shows_itself_in_a_notebook(good: RangeTestResult) -> None:
    """A result as the last line of a cell is this picture."""
    assert good._repr_svg_() == to_svg(good)


def test_picture_needs_nothing_from_outside(good: RangeTestResult) -> None:
    """No link, no script, no style sheet and no font file: the document stands alone, also inside another page."""
    svg = to_svg(good)
    assert svg.count("http") == 1  # the namespace
    assert "url(" not in svg
    assert not [element for element in parsed(svg).iter() if element.get("id") or element.tag == f"{SVG}script"]


def test_plot_draws_on_the_given_axes(good: RangeTestResult) -> None:
    """Raw points, smoothed line, suggestion: the artists hold exactly the result's numbers."""
    figure, ax = plt.subplots()
    try:
        assert plot(good, ax) is ax
        np.testing.assert_array_equal(ax.collections[0].get_offsets(), np.column_stack([good.lrs, good.losses]))
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), good.smoothed())
        assert ax.lines[1].get_xdata() == [good.suggested_lr, good.suggested_lr]
        assert ax.get_xscale() == "log"
        assert good.diagnosis.message in ax.get_title(loc="left")
    finally:
        plt.close(figure)


def test_plot_makes_axes_of_its_own(good: RangeTestResult) -> None:
    """Without axes a new figure is made; the method of the result is the same function."""
    ax = good.plot()
    try:
        assert ax.figure.number in plt.get_fignums()
    finally:
        plt.close(ax.figure)


def test_save_plot_writes_what_the_suffix_says(good: RangeTestResult, tmp_path: Path) -> None:
    """.svg is the picture itself; .png a real image, made without leaving a figure open; both replace the file."""
    for _ in range(2):
        save_plot(good, tmp_path / "curve.svg")
        good.save_plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8") == to_svg(good)
    with Image.open(tmp_path / "curve.png") as image:
        assert image.format == "PNG"
        assert image.width > 600
    assert plt.get_fignums() == []


def test_save_plot_refuses_a_name_without_suffix(good: RangeTestResult, tmp_path: Path) -> None:
    """The message says which endings there are."""
    with pytest.raises(ValueError, match=r"need a file name that ends in \.svg, \.png or \.pdf, got '.*curve'"):
        save_plot(good, tmp_path / "curve")
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_is_asked_for_by_name(
    good: RangeTestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without matplotlib SVG still works, and the rest says what to install."""
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    save_plot(good, tmp_path / "curve.svg")
    with pytest.raises(ImportError, match=r"pip install lrwidget\[plot\]"):
        save_plot(good, tmp_path / "curve.png")
    with pytest.raises(ImportError, match=r"pip install lrwidget\[plot\]"):
        plot(good)
