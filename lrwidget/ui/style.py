"""The style sheet of the widget: JupyterLab's variables, with fallbacks for pages that have none."""

from __future__ import annotations

from ipywidgets import HTML

from lrwidget.ui import icons
from lrwidget.ui.marks import PAST, colour_variables
from lrwidget.ui.saved_picture import HIDING_RULE

CSS = """
.lrwidget {
  --lrw-text: var(--jp-ui-font-color1, #24292f);
  --lrw-faint: color-mix(in srgb, var(--lrw-text) 75%, var(--lrw-card));
  --lrw-card: var(--jp-layout-color1, #ffffff);
  --lrw-soft: var(--jp-layout-color2, #f2f4f6);
  --lrw-edge: var(--jp-border-color2, #d9dee3);
  --lrw-grid: color-mix(in srgb, var(--lrw-text) 10%, transparent);
  --lrw-raw: #8a96a3;
  --lrw-curve: #0072b2;
  --lrw-mark: #c45500;
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
  --lrw-grid: color-mix(in srgb, var(--lrw-text) 15%, transparent);
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
/* Once the kernel is gone ipywidgets puts a broken link before every widget of the tree; one line says it for all. */
.lrwidget .jupyter-widgets-disconnected::before { display: none; }
.lrwidget.jupyter-widgets-disconnected::before { content: "The kernel is gone: run the cell again"; display: block;
  align-self: stretch; margin: var(--lrw-gap) var(--lrw-gap) 0; padding: 5px 12px; border-radius: 4px;
  border-left: 3px solid var(--lrw-bad); background: var(--lrw-soft); color: var(--lrw-text); font: inherit; }
.lrwidget .lrw-explained { display: contents; }
.lrwidget :is(input, select) { font-family: inherit; }
.lrwidget select { appearance: none; border-radius: 4px; background-color: transparent; color: var(--lrw-text);
  background-image: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
viewBox='0 0 16 16' fill='none' stroke='%23808a94' stroke-width='2'%3E%3Cpath d='M4 6l4 4 4-4'/%3E%3C/svg%3E");
  background-size: 14px; background-position: right 5px center; background-repeat: no-repeat; padding: 0 22px 0 8px; }
.lrwidget select option { background: var(--lrw-card); color: var(--lrw-text); }
.lrwidget :is(select, input[type="text"], input:not([type])) { border-radius: 4px; }
.lrwidget .lrw-row { display: flex; flex-flow: row wrap; align-items: center; gap: 4px 6px;
  overflow: visible; min-width: 0; }
.lrwidget .widget-html-content, .lrwidget .jupyter-widget-html-content { line-height: 1.45; font-size: 13px; }
.lrwidget .lrw-faint { color: var(--lrw-faint); }

.lrw-controls { padding: var(--lrw-gap) var(--lrw-gap) 8px; gap: 6px; overflow: visible; }
.lrwidget .lrw-controls .widget-html { height: auto; margin: 0; }
.lrwidget .lrw-controls > .widget-html:not(:has(.lrw-refusal)) { display: none; }
.lrw-toolbar { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; overflow: visible; }
.lrwidget .lrw-toolbar > button, .lrwidget .lrw-footer button { width: auto; min-width: 76px; margin: 0;
  padding: 0 12px; border-radius: 4px; line-height: 26px; height: 28px; }
.lrw-toolbar > button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.lrwidget .lrw-toolbar > .lrw-progress { flex: 1 1 240px; min-width: 0; }
@container (min-width: 600px) { .lrwidget .lrw-toolbar > .lrw-progress { margin-left: 10px; } }
@container (max-width: 440px) { .lrwidget .lrw-toolbar > button { min-width: 0; padding: 0 10px; } }
@container (max-width: 300px) {
  .lrw-toolbar { gap: 6px 3px; }
  .lrwidget .lrw-toolbar > button { padding: 0 4px; font-size: 12px; }
}
.lrw-progress { min-height: 28px; }  /* its room before there is one: with a run nothing is to move */
.lrw-is-idle .lrw-pause, .lrw-is-idle .lrw-stop, .lrw-is-done .lrw-pause, .lrw-is-done .lrw-stop,
.lrw-is-stopped .lrw-pause, .lrw-is-stopped .lrw-stop, .lrw-is-failed .lrw-pause, .lrw-is-failed .lrw-stop {
  opacity: 0.4; pointer-events: none;
}
.lrw-toolbar:not(.lrw-is-paused) .lrw-resume, .lrw-is-paused .lrw-pause { display: none; }
.lrw-is-stopping > :is(.lrw-pause, .lrw-resume, .lrw-stop) { opacity: 0.4; pointer-events: none; }
.lrw-bar { height: 6px; border-radius: 3px; background: var(--lrw-grid); overflow: hidden; }
.lrw-bar > div { height: 100%; border-radius: 3px; background: var(--lrw-curve); }
.lrw-bar-paused > div { background: var(--lrw-raw); }
.lrw-bar-failed > div { background: var(--lrw-bad); }
.lrw-progress-words { display: flex; gap: 0 12px; font-size: 12px; line-height: 18px;
  font-variant-numeric: tabular-nums; }
/* The newest step. Where there is no room for it beside the progress, it wraps out of sight. */
.lrw-progress-words > .lrw-faint { display: flex; flex-flow: row wrap; flex: 1; justify-content: flex-end; height: 18px;
  overflow: hidden; white-space: nowrap; }
.lrw-progress-words > .lrw-faint::before { content: ""; height: 18px; }

.lrwidget .lrw-settings { display: grid; grid-template-columns: 1fr; gap: 4px 20px; overflow: visible; width: 100%; }
@container (min-width: 440px) { .lrwidget .lrw-settings { grid-template-columns: 1fr 1fr; } }
@container (min-width: 1000px) { .lrwidget .lrw-settings { grid-template-columns: repeat(4, 1fr); } }
.lrwidget .lrw-setting { display: flex; align-items: center; min-width: 0; overflow: visible; }
.lrwidget .lrw-setting > .widget-slider { flex: 1 1 auto; width: auto; min-width: 0; margin: 0; }
.lrwidget .lrw-setting .widget-label { width: 54px; min-width: 54px; color: var(--lrw-faint); text-align: left; }
.lrwidget .lrw-setting > .lrw-number { width: 62px; flex: none; margin: 0; }
.lrwidget .lrw-number input { text-align: right; font-variant-numeric: tabular-nums; padding: 0 6px;
  border-color: transparent; background: transparent; }
.lrwidget .lrw-number input:is(:hover, :focus) { border-color: var(--lrw-edge); background: var(--lrw-soft); }
.lrwidget :is(.lrw-number, .lrw-run-name) input:focus { border-color: var(--jp-brand-color1, #1976d2); }
.lrwidget .lrw-number input[type=number] { appearance: textfield; }
.lrw-refusal { color: var(--lrw-bad); font-size: 12px; line-height: 1.4; overflow-wrap: anywhere; }

.lrwidget .lrw-tabs { margin: 0; }
.lrwidget .lrw-tabs > .widget-tab-contents { padding: 8px var(--lrw-gap); border-width: 1px 0;
  border-color: var(--lrw-edge); overflow: visible; }
/* A tab that is not shown keeps its width, so that what is drawn in it has a size; it takes no room and no focus. */
.lrwidget .lrw-tabs > .widget-tab-contents > .lm-mod-hidden { display: flex !important; visibility: hidden;
  height: 0 !important; overflow: hidden !important; }
.lrwidget .lrw-tabs.widget-tab > .lm-TabBar { font-family: inherit; padding: 0 var(--lrw-gap);
  overflow: visible; contain: none; }
.lrwidget .lrw-tabs > .lm-TabBar .lm-TabBar-content { overflow: visible; border: none; }
.lrwidget .lrw-tabs > .lm-TabBar .lm-TabBar-tab { position: relative; overflow: visible; contain: none;
  flex: 0 1 116px; min-width: 0; padding: 0 6px; line-height: 26px; background: transparent;
  border: 1px solid transparent;
  border-bottom: none; border-radius: 4px 4px 0 0; color: var(--lrw-faint); text-align: center;
  justify-content: center; }
@container (max-width: 440px) { .lrwidget .lrw-tabs > .lm-TabBar .lm-TabBar-tab { flex: 1 1 auto; padding: 0 4px; } }
.lrwidget .lrw-tabs > .lm-TabBar .lm-TabBar-tab:hover { background: var(--lrw-soft); }
.lrwidget .lrw-tabs > .lm-TabBar .lm-TabBar-tab.lm-mod-current { background: var(--lrw-card); color: var(--lrw-text);
  border-color: var(--lrw-edge); }
.lrwidget .lrw-tabs > .lm-TabBar .lm-TabBar-tab.lm-mod-current::before { border-radius: 4px 4px 0 0; }
.lrw-tabs > .lm-TabBar .lm-TabBar-tab::after { position: absolute; z-index: 10; left: 0; top: calc(100% + 4px);
  width: max-content; max-width: 230px; box-sizing: border-box; padding: 4px 8px;
  border: 1px solid var(--lrw-edge); border-radius: 4px;
  background: var(--lrw-card); color: var(--lrw-text); font-size: 12px; line-height: 1.4; text-align: left;
  white-space: normal; box-shadow: 0 2px 6px rgb(0 0 0 / 25%); visibility: hidden; pointer-events: none; }
@container (max-width: 300px) { .lrw-tabs > .lm-TabBar .lm-TabBar-tab::after { max-width: 160px; } }
/* None for the open tab, whose controls it would cover, and one at a time: the mouse comes before the keyboard. */
.lrw-tabs > .lm-TabBar .lm-TabBar-tab:not(.lm-mod-current):is(:hover,
  .lm-TabBar-content:not(:has(:hover)) > :focus-visible)::after { visibility: visible; transition: visibility 0s 0.6s; }
/* Lumino puts the last tab, and with it its tooltip, behind what is below. */
.lrw-tabs > .lm-TabBar .lm-TabBar-tab:is(:hover, :focus-visible) { z-index: 5 !important; }
.lrw-tabs > .lm-TabBar .lm-TabBar-tab:nth-child(n + 3)::after { left: auto; right: 0; }
.lrwidget .lrw-tabs .widget-tab-contents > * { margin: 0; overflow: visible; }
.lrw-view-bar { display: flex; flex-flow: row wrap; justify-content: space-between; gap: 4px 16px;
  overflow: visible; }
.lrw-view-bar .widget-dropdown { width: auto; height: 24px; margin: 0 6px 0 0; }
.lrw-view-bar .widget-dropdown .widget-label { width: auto; height: 24px; line-height: 24px; margin-right: 6px;
  font-size: 12px; color: var(--lrw-faint); }
.lrw-view-bar .widget-dropdown select { width: auto; height: 24px; font-size: 12px; field-sizing: content;
  min-width: 84px; max-width: 180px; }
.lrwidget .lrw-view-bar button, .lrwidget .lrw-run-row button { width: auto; height: 24px; line-height: 22px; margin: 0;
  padding: 0 7px; border-radius: 4px; font-size: 12px; box-shadow: none; }
.lrw-view-bar > .lrw-row { gap: 4px; }
@container (max-width: 400px) {
  .lrwidget .lrw-view-bar button { padding: 0 4px; }
  .lrw-view-bar > .lrw-row { gap: 3px; }
}
.lrwidget .lrw-view-bar [class*="lrw-icon-"]::before, .lrwidget .lrw-run-row [class*="lrw-icon-"]::before {
  margin-right: 4px; }
.lrwidget .lrw-toggle { background: transparent; border: 1px solid var(--lrw-edge); color: var(--lrw-faint); }
.lrwidget .lrw-toggle.mod-active { background: var(--lrw-soft); color: var(--lrw-text);
  border-color: var(--lrw-faint); }
.lrw-legend { padding: 4px 16px 0; overflow: visible; gap: 2px; }
@container (min-width: 900px) { .lrw-legend { padding-left: 56px; } }
.lrw-run-row { display: grid; grid-template-columns: 16px 130px minmax(0, 1fr) auto auto auto; align-items: center;
  gap: 0 6px; overflow: visible; }
.lrwidget .lrw-run-row > * { margin: 0; height: auto; min-width: 0; }
.lrw-run-row.lrw-is-hidden > :is(.lrw-swatch, .lrw-run-name, .lrw-run-summary) { opacity: 0.45; }
@container (max-width: 620px) {
  .lrw-legend { padding: 4px 0 0; }
  .lrw-run-row { grid-template-columns: 16px minmax(0, 1fr) auto auto auto; }
  .lrw-run-row > .lrw-run-summary { grid-row: 2; grid-column: 2 / -1; padding-left: 5px; }
  .lrwidget .lrw-run-row > button { font-size: 0; width: 28px; padding: 0; }
  .lrwidget .lrw-run-row > button::before { margin: 0; vertical-align: middle; }
}
.lrw-swatch i { display: block; width: 16px; height: 4px; border-radius: 2px; }
.lrw-run-row .lrw-run-name { width: 100%; }
.lrw-run-row .lrw-run-name input { border-color: transparent; background: transparent; padding: 0 4px; }
.lrw-run-row .lrw-run-name input:hover { border-color: var(--lrw-edge); }
.lrw-run-row .lrw-run-summary { color: var(--lrw-faint); }
.lrw-run-row .lrw-run-summary .widget-html-content { font-size: 12px; }
.lrw-figure { width: 100%; margin: 0; }
/* Of the numbers under a narrow figure every other one: there is no room for all. */
@container (max-width: 320px) {
  .lrw-figure .axis[text-anchor="middle"] .tick:nth-last-of-type(even) text { display: none; }
}
/* On a busy page bqplot can leave the axes as they were before the figure had a width. It draws them anew when the
   width changes, as it does here once the marks are there. */
.lrw-figure:not(:has(.g_legend)) { width: calc(100% - 1px); }
/* JupyterLab lets the browser leave cells alone that are out of sight. Of a figure that is drawn meanwhile Chromium
   goes on to show the axes as they were at first, wherever bqplot has put them since. */
.jp-Cell:has(.lrw-figure) { content-visibility: visible !important; }
/* Tooltips of figures hang on the page, outside of the widget. */
.bqplot_mark_tooltip:has(.lrw-tooltip) { padding: 2px 6px; border: 1px solid var(--jp-border-color2, #d9dee3);
  border-radius: 4px; background: var(--jp-layout-color1, #ffffff); box-shadow: 0 2px 6px rgb(0 0 0 / 25%);
  opacity: 1 !important; }
.lrw-tooltip .tooltiptext { padding: 2px; color: var(--jp-ui-font-color1, #24292f);
  font: 12px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); font-variant-numeric: tabular-nums; }
.lrw-figure text[style*="--lrw-mark"] { paint-order: stroke; stroke: var(--lrw-card); stroke-width: 3px;
  stroke-linejoin: round; }
.lrw-figure path.line, .lrw-figure path.area { pointer-events: none; }
.lrw-figure .object_grp { cursor: default; }
.lrw-figure .element[style*="--lrw-mark-line"], .lrw-figure .element[style*="--lrw-mark,"] { cursor: ew-resize; }
.lrw-figure .svg-background .domain { stroke: var(--lrw-grid); }
/* By their colours' names, not by the widget's classes: they go into saved pictures, with nothing around them. */
.bqplot > svg path[style*="--lrw-raw"] { stroke-linecap: round; }
.bqplot > svg path[style*="--lrw-curve"] { stroke-linecap: round; stroke-linejoin: round; }
.bqplot > svg .element[style*="--lrw-mark-line"] { transform: scale(0.1, 6); vector-effect: non-scaling-stroke; }

.lrw-marker-slider { padding: 0 16px 0 56px; overflow: visible; }
.lrw-marker-slider > .widget-slider { width: 100%; margin: 0; height: 20px; }
.lrw-marker { display: flex; flex: none; flex-flow: row wrap; align-items: center; gap: 4px 8px; overflow: visible; }
.lrw-marker .lrw-selected { width: 200px; margin: 0; }
.lrw-marker .lrw-selected input { font-variant-numeric: tabular-nums; font-weight: 600; }
.lrw-marker .lrw-selected .widget-label { width: auto; margin-right: 8px; }

.lrw-data { gap: 8px; overflow: visible; }
.lrw-data .widget-html { height: auto; margin: 0; }
.lrwidget .lrw-data > .lrw-row { gap: 6px; }
.lrw-variable, .lrw-variable > .lrw-row { display: contents; }
.lrw-link .widget-html-content { display: flex; }
.lrw-variable > .widget-html { order: 1; flex: 1 0 100%; }
.lrw-variable > .widget-html:not(:has([role])), .lrw-link:not(:has(*)), .lrw-copy:not(:has(*)),
.lrw-use:not(:has(textarea)), .lrw-use > .widget-html:not(:has(*)) { display: none; }
.lrw-variable .widget-text { flex: 1 1 190px; max-width: 230px; width: auto; margin: 0; }
.lrw-variable .widget-text .widget-label { width: auto; margin-right: 8px; color: var(--lrw-faint); }
.lrwidget .lrw-data .jupyter-button { display: inline-block; width: auto; margin: 0; padding: 0 12px;
  border-radius: 4px; height: 28px; line-height: 26px; text-decoration: none; color: var(--lrw-text); }
.lrw-data .jupyter-button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.lrw-data .lrw-row > * { margin: 0; }
.lrw-copy { flex: 0 1 auto; min-width: 0; }
.lrw-copy > .widget-html-content { display: flex; gap: 6px; min-width: 0; }
.lrwidget .lrw-copy textarea { flex: 0 1 auto; min-width: 0; min-height: 28px; padding: 5px 8px; border: none;
  border-radius: 4px; background: var(--lrw-soft); color: var(--lrw-text); line-height: 18px; font-size: 12px;
  font-family: var(--jp-code-font-family, monospace); field-sizing: content; resize: none; overflow: hidden; }
.lrwidget .lrw-copy button { flex: none; min-width: 84px; }
.lrw-table { width: 100%; min-width: 0; margin: 0; }
.lrw-table > .widget-html-content { min-width: 0; width: 100%; }
.lrw-scroll { max-height: 340px; overflow: auto; border: 1px solid var(--lrw-edge); border-radius: 4px; }
.lrw-scroll:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.lrw-scroll table { border-collapse: collapse; width: 100%; font-size: 12px; font-variant-numeric: tabular-nums; }
.lrw-scroll th { position: sticky; top: 0; background: var(--lrw-soft); font-weight: 600; }
.lrw-scroll th, .lrw-scroll td { text-align: right; padding: 2px 12px; white-space: nowrap; }
.lrw-scroll th:first-child, .lrw-scroll td:first-child { text-align: left; }
@container (max-width: 520px) {
  .lrw-scroll table { font-size: 11px; }
  .lrw-scroll th, .lrw-scroll td { padding: 2px 5px; }
  .lrw-scroll th { white-space: normal; vertical-align: bottom; }
}
@container (max-width: 300px) { .lrw-scroll th, .lrw-scroll td { padding: 2px 3px; } }
.lrw-scroll td:first-child { max-width: 120px; overflow: hidden; text-overflow: ellipsis; }
.lrw-scroll tbody tr:nth-child(even) { background: color-mix(in srgb, var(--lrw-soft) 50%, transparent); }

.lrw-footer { padding: 8px var(--lrw-gap) var(--lrw-gap); gap: 8px; overflow: visible; }
.lrw-footer .widget-html { height: auto; margin: 0; }
.lrw-footer :is(.widget-html, .widget-html-content) { min-width: 0; }
.lrw-chosen { display: flex; flex-flow: column; gap: 8px; overflow: visible; }
.lrw-words { flex: 1 1 auto; min-width: 0; gap: 6px; overflow: visible; }
@container (min-width: 820px) { .lrw-chosen { flex-flow: row; gap: 12px; align-items: flex-start; } }
.lrw-remedies { flex-flow: row wrap; gap: 6px; overflow: visible; }
.lrw-error { gap: 6px; overflow: visible; min-width: 0; }
.lrw-error > button { align-self: flex-start; }
.lrw-verdict { display: flex; gap: 10px; padding: 5px 10px; border-radius: 4px; background: var(--lrw-soft);
  border-left: 3px solid var(--lrw-edge); }
.lrw-verdict.lrw-good { border-left-color: var(--lrw-good); }
.lrw-verdict.lrw-bad { border-left-color: var(--lrw-bad); }
.lrw-sign { font-weight: 700; width: 1em; text-align: center; }
.lrw-good .lrw-sign { color: var(--lrw-good); }
.lrw-bad .lrw-sign { color: var(--lrw-bad); }
.lrw-advice { color: var(--lrw-faint); }
.lrw-failure { padding: 8px 12px; border-radius: 4px; border: 1px solid var(--lrw-bad);
  background: var(--lrw-soft); overflow-wrap: anywhere; }
.lrw-failure > div:first-child { max-height: 160px; overflow: auto; }
.lrw-failure pre { margin: 6px 0; padding: 6px 8px; overflow-x: auto; background: var(--lrw-card);
  color: var(--lrw-text); border-radius: 3px; font-size: 12px; white-space: pre-wrap;
  word-break: normal; overflow-wrap: anywhere; max-height: 300px; }
.lrw-failure summary { cursor: pointer; color: var(--lrw-faint); }
"""


def style_sheet() -> HTML:
    """The style sheet as a widget that is part of the tree, so that it goes wherever the widget is shown."""
    past = colour_variables(".lrwidget", "past", PAST)
    return HTML(f"<style>{CSS}{HIDING_RULE}{past}{icons.css()}</style>").add_class("lrw-style")
