"""The style sheet of the widget: JupyterLab's variables, with fallbacks for pages that have none."""

from __future__ import annotations

from ipywidgets import HTML

from lrwidget.ui import icons
from lrwidget.ui.marks import PAST
from lrwidget.ui.saved_picture import HIDING_RULE

CSS = """
.lrwidget {
  --lrw-text: var(--jp-ui-font-color1, #24292f);
  --lrw-faint: var(--jp-ui-font-color2, #5b6670);
  --lrw-card: var(--jp-layout-color1, #ffffff);
  --lrw-soft: var(--jp-layout-color2, #f2f4f6);
  --lrw-edge: var(--jp-border-color2, #d9dee3);
  --lrw-grid: var(--jp-border-color3, #e9edf0);
  --lrw-raw: #8a96a3;
  --lrw-curve: #0072b2;
  --lrw-mark: #d55e00;
  --lrw-mark-line: var(--lrw-mark);
  --lrw-band: #d55e00;
  --lrw-typical: #009e73;
  --lrw-good: #00795a;
  --lrw-bad: #b34700;
  --lrw-norm: #a8538a;
  --lrw-gap: 12px;
  --bq-axis-path-stroke: transparent;
  --bq-axis-tick-stroke: var(--lrw-grid);
  --bq-axis-tick-text-fill: var(--lrw-faint);
  --bq-axis-tick-text-font: 11px var(--jp-ui-font-family, system-ui, sans-serif);
  --bq-axislabel-fill: var(--lrw-faint);
  --bq-axislabel-font: 12px var(--jp-ui-font-family, system-ui, sans-serif);
  --bq-plotarea-background-fill: transparent;
  --bq-background: transparent;
  border: 1px solid var(--lrw-edge);
  border-radius: 6px;
  background: var(--lrw-card);
  color: var(--lrw-text);
  font-family: var(--jp-ui-font-family, system-ui, sans-serif);
  font-size: 13px;
  max-width: 1100px;
  min-width: 0;
  overflow: hidden;
  container-type: inline-size;
}
[data-jp-theme-light="false"] .lrwidget {
  --lrw-raw: #7d8996;
  --lrw-curve: #56b4e9;
  --lrw-mark: #f0953f;
  --lrw-band: #f0953f;
  --lrw-typical: #2ec49b;
  --lrw-good: #2ec49b;
  --lrw-bad: #f0953f;
  --lrw-norm: #e3a1c8;
}
.lrwidget * { box-sizing: border-box; }
.lrwidget .lrw-style { display: none; }
.lrwidget .lrw-row { display: flex; flex-flow: row wrap; align-items: center; gap: 4px 6px;
  overflow: visible; min-width: 0; }
.lrwidget .widget-html-content, .lrwidget .jupyter-widget-html-content { line-height: 1.45; font-size: 13px; }
.lrwidget .lrw-faint { color: var(--lrw-faint); }

.lrw-controls { padding: var(--lrw-gap) var(--lrw-gap) 4px; gap: 8px; overflow: visible; }
.lrw-toolbar { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; overflow: visible; }
.lrwidget .lrw-toolbar > button, .lrwidget .lrw-footer button { width: auto; min-width: 76px; margin: 0;
  padding: 0 12px; border-radius: 4px; line-height: 26px; height: 28px; }
.lrw-toolbar > button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.lrw-toolbar > .lrw-progress { flex: 1 1 220px; min-width: 0; margin: 0 0 0 6px; height: auto; }
.lrw-is-idle .lrw-pause, .lrw-is-idle .lrw-stop, .lrw-is-done .lrw-pause, .lrw-is-done .lrw-stop,
.lrw-is-stopped .lrw-pause, .lrw-is-stopped .lrw-stop, .lrw-is-failed .lrw-pause, .lrw-is-failed .lrw-stop {
  opacity: 0.4; pointer-events: none;
}
.lrw-toolbar:not(.lrw-is-paused) .lrw-resume, .lrw-is-paused .lrw-pause { display: none; }
.lrw-bar { height: 6px; border-radius: 3px; background: var(--lrw-grid); overflow: hidden; }
.lrw-bar > div { height: 100%; border-radius: 3px; background: var(--lrw-curve); }
.lrw-bar-paused > div { background: var(--lrw-raw); }
.lrw-bar-failed > div { background: var(--lrw-bad); }
.lrw-progress-words { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 12px;
  font-size: 12px; line-height: 18px; font-variant-numeric: tabular-nums; }

.lrwidget .lrw-settings { display: grid; grid-template-columns: 1fr; gap: 4px 20px; overflow: visible; width: 100%; }
@container (min-width: 440px) { .lrwidget .lrw-settings { grid-template-columns: 1fr 1fr; } }
@container (min-width: 1000px) { .lrwidget .lrw-settings { grid-template-columns: repeat(4, 1fr); } }
.lrwidget .lrw-setting { display: flex; align-items: center; min-width: 0; overflow: visible; }
.lrwidget .lrw-setting > .widget-slider { flex: 1 1 auto; width: auto; min-width: 0; margin: 0; }
.lrwidget .lrw-setting .widget-label { width: 54px; min-width: 54px; color: var(--lrw-faint); text-align: left; }
.lrwidget .lrw-setting > .lrw-number { width: 62px; flex: none; margin: 0; }
.lrwidget .lrw-number input { text-align: right; font-variant-numeric: tabular-nums; padding: 0 6px;
  border-color: transparent; background: transparent; }
.lrwidget .lrw-number input:hover, .lrwidget .lrw-number input:focus { border-color: var(--lrw-edge);
  background: var(--lrw-soft); }
.lrw-refusal { color: var(--lrw-bad); font-size: 12px; }

.lrwidget .lrw-tabs { margin: 0; }
.lrwidget .lrw-tabs > .widget-tab-contents { padding: 8px var(--lrw-gap); border-width: 1px 0; }
.lrwidget .lrw-tabs .widget-tab-contents > * { margin: 0; overflow: visible; }
.lrw-view-bar { display: flex; flex-flow: row wrap; justify-content: space-between; gap: 4px 16px;
  overflow: visible; }
.lrw-view-bar .widget-dropdown { width: auto; margin: 0 8px 0 0; }
.lrw-view-bar .widget-dropdown .widget-label { width: auto; margin-right: 6px; color: var(--lrw-faint); }
.lrw-view-bar .widget-dropdown select { width: auto; }
.lrwidget .lrw-view-bar button, .lrwidget .lrw-run-row button { width: auto; height: 24px; line-height: 22px; margin: 0;
  padding: 0 8px; border-radius: 4px; font-size: 12px; box-shadow: none; }
.lrwidget .lrw-toggle { background: transparent; border: 1px solid var(--lrw-edge); color: var(--lrw-faint); }
.lrwidget .lrw-toggle.mod-active { background: var(--lrw-soft); color: var(--lrw-text);
  border-color: var(--lrw-faint); }
.lrw-legend { padding: 4px 16px 0 56px; overflow: visible; gap: 2px; }
.lrw-run-row { display: flex; flex-flow: row wrap; align-items: center; gap: 2px 8px; overflow: visible; }
.lrw-run-row > * { margin: 0; }
.lrw-swatch i { display: block; width: 16px; height: 4px; border-radius: 2px; }
.lrw-run-row .lrw-run-name { width: 130px; }
.lrw-run-row .lrw-run-name input { border-color: transparent; background: transparent; padding: 0 4px; }
.lrw-run-row .lrw-run-name input:hover, .lrw-run-row .lrw-run-name input:focus { border-color: var(--lrw-edge); }
.lrw-run-row .lrw-run-summary { flex: 1 1 180px; min-width: 0; color: var(--lrw-faint); }
.lrw-run-row .lrw-run-summary .widget-html-content { font-size: 12px; }
.lrw-curve { overflow: visible; padding: 0; gap: 0; }
.lrw-figure { width: 100%; margin: 0; }
.lrw-figure path.line, .lrw-figure path.area { pointer-events: none; }
.lrw-figure .object_grp { cursor: default; }
.lrw-figure .element[style*="--lrw-mark-line"], .lrw-figure .element[style*="--lrw-mark,"] { cursor: ew-resize; }
.lrw-figure .svg-background .domain { stroke: var(--lrw-grid); }
/* By their colours' names, not by classes of ours: these rules go into saved pictures, where nothing is around them. */
.bqplot > svg path[style*="--lrw-raw"] { stroke-linecap: round; }
.bqplot > svg path[style*="--lrw-curve"] { stroke-linecap: round; stroke-linejoin: round; }
.bqplot > svg .element[style*="--lrw-mark-line"] { transform: scale(0.1, 6); vector-effect: non-scaling-stroke; }

.lrw-marker-slider { padding: 0 16px 0 56px; overflow: visible; }
.lrw-marker-slider > .widget-slider { width: 100%; margin: 0; height: 20px; }
.lrw-marker { display: flex; flex-flow: row wrap; align-items: center; gap: 4px 8px; overflow: visible; }
.lrw-marker .lrw-selected { width: 200px; margin: 0; }
.lrw-marker .lrw-selected input { font-variant-numeric: tabular-nums; font-weight: 600; }
.lrw-marker .lrw-selected .widget-label { width: auto; margin-right: 8px; }

.lrw-data { gap: 8px; overflow: visible; }
.lrwidget .lrw-data > .lrw-row { gap: 4px 16px; align-items: flex-start; }
.lrw-link { line-height: 28px; }
.lrw-variable { overflow: visible; gap: 2px; }
.lrw-variable .widget-text { width: 220px; margin: 0; }
.lrw-variable .widget-text .widget-label { width: auto; margin-right: 8px; color: var(--lrw-faint); }
.lrwidget .lrw-data button { width: auto; margin: 0; padding: 0 12px; border-radius: 4px; height: 28px;
  line-height: 26px; }
.lrw-data .lrw-row > * { margin: 0; }
.lrw-code code { user-select: all; padding: 5px 10px; border-radius: 4px; background: var(--lrw-soft);
  color: var(--lrw-text); font-family: var(--jp-code-font-family, monospace); font-size: 12px; }
.lrwidget .lrw-download { color: var(--jp-content-link-color, #0072b2); text-decoration: underline; }
.lrw-table { width: 100%; min-width: 0; margin: 0; }
.lrw-table > .widget-html-content { min-width: 0; width: 100%; }
.lrw-scroll { max-height: 340px; overflow: auto; border: 1px solid var(--lrw-edge); border-radius: 4px; }
.lrw-scroll:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.lrw-scroll table { border-collapse: collapse; width: 100%; font-size: 12px; font-variant-numeric: tabular-nums; }
.lrw-scroll th { position: sticky; top: 0; background: var(--lrw-soft); font-weight: 600; }
.lrw-scroll th, .lrw-scroll td { text-align: right; padding: 2px 12px; white-space: nowrap; }
.lrw-scroll th:first-child, .lrw-scroll td:first-child { text-align: left; }
.lrw-scroll tbody tr:nth-child(even) { background: color-mix(in srgb, var(--lrw-soft) 50%, transparent); }

.lrw-footer { padding: 8px var(--lrw-gap) var(--lrw-gap); gap: 8px; overflow: visible; }
.lrw-verdict { display: flex; gap: 10px; padding: 8px 12px; border-radius: 4px; background: var(--lrw-soft);
  border-left: 3px solid var(--lrw-edge); }
.lrw-verdict.lrw-good { border-left-color: var(--lrw-good); }
.lrw-verdict.lrw-bad { border-left-color: var(--lrw-bad); }
.lrw-sign { font-weight: 700; width: 1em; text-align: center; }
.lrw-good .lrw-sign { color: var(--lrw-good); }
.lrw-bad .lrw-sign { color: var(--lrw-bad); }
.lrw-advice { color: var(--lrw-faint); }
.lrw-failure { padding: 8px 12px; border-radius: 4px; border: 1px solid var(--lrw-bad);
  background: var(--lrw-soft); overflow-wrap: anywhere; }
.lrw-failure pre { margin: 6px 0; padding: 6px 8px; overflow-x: auto; background: var(--lrw-card);
  color: var(--lrw-text); border-radius: 3px; font-size: 12px; white-space: pre; max-height: 300px; }
.lrw-failure summary { cursor: pointer; color: var(--lrw-faint); }
"""


def style_sheet() -> HTML:
    """The style sheet as a widget that is part of the tree, so that it goes wherever the widget is shown."""
    return HTML(f"<style>{CSS}{HIDING_RULE}{_past_colours()}{icons.css()}</style>").add_class("lrw-style")


def _past_colours() -> str:
    light, dark = (
        " ".join(f"--lrw-past-{place}: {colour};" for place, colour in enumerate(PAST[theme]))
        for theme in ("light", "dark")
    )
    return f'.lrwidget {{ {light} }}\n[data-jp-theme-light="false"] .lrwidget {{ {dark} }}\n'
