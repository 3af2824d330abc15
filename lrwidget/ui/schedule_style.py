"""The look of the Schedule tab: JupyterLab's own colours, and boxes that wrap where the notebook is narrow."""

# Colour and stroke of the two trainings of a trial: with the schedule, at a constant rate.
TRAININGS = (("var(--lrw-curve, #0072b2)", "solid"), ("var(--lrw-mark, #c45500)", "dashed"))

CSS = """
.lrw-schedule { container-type: inline-size; min-width: 0; overflow: hidden; }
.lrw-schedule .widget-box { overflow: visible; min-width: 0; }
.lrw-schedule-areas { display: grid; gap: 2px 24px; grid-template-columns: minmax(0, 1fr);
  grid-template-areas: "choice" "picture" "side" "try" "export"; }
@container (min-width: 860px) {
  .lrw-schedule-areas { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); grid-template-rows: auto auto auto 1fr;
    grid-template-areas: "choice picture" "side picture" "side try" "side export"; }
}
.lrw-schedule-choice { grid-area: choice; }
.lrw-schedule-side { grid-area: side; }
.lrw-schedule-picture { grid-area: picture; }
.lrw-schedule-export { grid-area: export; }
.lrw-schedule-try { grid-area: try; gap: 4px; margin-top: 4px; padding-top: 6px;
  border-top: 1px solid var(--jp-border-color2, #d9dee3); }
.lrw-schedule-try .widget-html { margin: 0; height: auto; min-width: 0; }
.lrw-schedule-try .widget-html-content { min-width: 0; }
.lrw-schedule-try > .widget-vbox { gap: 4px; }
.lrw-trial-head { font-weight: 600; }
.lrw-trial-actions { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; }
.lrw-schedule-try button { width: auto; margin: 0; align-self: flex-start; }
.lrw-schedule-try:not(.lrw-is-busy) .lrw-trial-stop { opacity: 0.4; pointer-events: none; }
.lrw-trial-actions .widget-text { width: 122px; margin: 0 0 0 6px; }
.lrw-trial-actions .widget-text .widget-label { width: auto; margin-right: 6px; color: var(--lrw-faint); }
.lrw-trial-actions input { font-variant-numeric: tabular-nums; }
.lrw-trial-actions > .widget-html { flex: 1 1 200px; margin-left: 6px; }
.lrw-trial-note { color: var(--lrw-faint); font-size: 12px; line-height: 1.4; }
.lrw-trial-rows { display: grid; grid-template-columns: auto auto 1fr; gap: 0 10px; align-items: center;
  justify-content: start; font-variant-numeric: tabular-nums; }
.lrw-trial-ahead { font-weight: 700; }
.lrw-trial-picture { position: relative; }
.lrw-trial-picture.lrw-is-empty { visibility: hidden; height: 0; overflow: hidden; }
.lrw-schedule .lrw-trial-log { position: absolute; top: 0; right: 4px; z-index: 1; height: 22px; line-height: 20px;
  padding: 0 8px; font-size: 12px; box-shadow: none; }
.lrw-schedule .widget-dropdown, .lrw-schedule .widget-toggle-buttons { width: auto; flex-shrink: 0; }
.lrw-schedule .widget-label { min-width: 0; text-align: left; flex-shrink: 0; }
.lrw-schedule-choice .widget-label, .lrw-schedule-side > * > .widget-label { width: 10.5em; }
.lrw-schedule .widget-toggle-buttons { display: flex; align-items: center; margin: 2px; }
.lrw-schedule .widget-toggle-buttons > div { margin-left: 6px; }
.lrw-schedule .widget-toggle-buttons .widget-toggle-button { width: auto; min-width: 52px; padding: 0 8px;
  box-shadow: none; }
.lrw-schedule-side > .widget-toggle-button { width: auto; align-self: flex-start; margin-left: calc(10.5em + 10px);
  box-shadow: none; }
.lrw-schedule-summary { color: var(--jp-ui-font-color2); line-height: 1.35; margin: 0 2px 4px; }
.lrw-schedule-values { display: flex; flex-flow: column; }
.lrw-value { display: flex; flex-flow: row nowrap; align-items: center; }
.lrw-value .lrw-value-input { flex: 1 1 auto; width: auto; min-width: 0; }
.lrw-value .lrw-value-name.widget-label { flex: 0 0 auto; width: 10.5em; margin-right: 8px; }
.lrw-value .lrw-value-text { flex: 0 0 84px; width: 84px; }
.lrw-value .lrw-value-unit.widget-label { flex: 0 0 60px; width: 60px; color: var(--jp-ui-font-color2); }
@container (max-width: 420px) {
  .lrw-schedule-choice .widget-label { width: auto; }
  .lrw-schedule-side > .widget-toggle-button { margin-left: 2px; }
  /* What a slider sets goes above it. */
  .lrw-value { flex-wrap: wrap; }
  .lrw-value > .widget-slider { display: contents; }
  .lrw-value > .widget-slider > .slider-container { flex: 1 1 60px; }
  .lrw-value .lrw-value-text { flex-basis: 64px; width: 64px; }
  .lrw-schedule :is(.widget-slider, .widget-toggle-buttons) > .widget-label { flex: 0 0 100%; width: 100% !important;
    height: 22px; line-height: 22px; margin: 0; padding-left: 2px; }
  .lrw-schedule .widget-toggle-buttons { flex-wrap: wrap; }
  .lrw-schedule .widget-toggle-buttons > div { margin-left: 0; }
  .lrw-value .widget-checkbox > .widget-label { display: none !important; }
}
.lrw-schedule-buttons { display: flex; flex-flow: row wrap; justify-content: flex-end; }
.lrw-schedule-buttons > button, .lrw-export-row button { width: auto; }
.lrw-schedule .lrw-phases { display: flex; flex-flow: row wrap; gap: 2px 14px; line-height: 1.5; }
.lrw-schedule .lrw-chip i { display: inline-block; width: 10px; height: 10px; margin-right: 5px; border-radius: 2px;
  opacity: 0.6; }
.lrw-overlays { display: flex; flex-flow: row wrap; align-items: center; gap: 0 14px; }
.lrw-overlays .widget-html { margin: 0 2px; height: auto; }
.lrw-overlay { display: flex; align-items: center; }
.lrw-overlays svg { vertical-align: middle; margin-right: 6px; }
.lrw-overlay button { width: 24px; padding: 0; background: transparent; }
.lrw-schedule .lrw-overlay button::before { margin-right: 0; }
.lrw-schedule-words { line-height: 1.5; }
.lrw-schedule .lrw-warning, .lrw-schedule .lrw-refusal {
  line-height: 1.4; margin: 3px 0; padding: 4px 10px; border-radius: 4px; font-size: inherit; color: inherit;
  border-left: 3px solid var(--jp-warn-color1, #d98200); background: var(--jp-layout-color2, #f2f4f6);
}
.lrw-schedule .lrw-refusal { border-left-color: var(--jp-error-color1, #d32f2f); }
.lrw-export { margin-top: 4px; padding-top: 4px; border-top: 1px solid var(--jp-border-color2, #d9dee3); }
.lrw-export-row { display: flex; flex-flow: row wrap; align-items: center; }
.lrw-export-row .widget-label { width: auto; margin-right: 8px; }
.lrw-export-row .widget-text { width: 170px; flex: 0 1 auto; }
.lrw-export-row .widget-dropdown { flex: 0 1 180px; margin-left: auto; }
.lrw-export-says { line-height: 1.5; }
.lrw-code textarea {
  width: 100%; box-sizing: border-box; resize: vertical; padding: 6px 8px;
  font-family: var(--jp-code-font-family, monospace); font-size: var(--jp-code-font-size, 13px); line-height: 1.4;
  color: var(--jp-content-font-color1, #24292f); background: var(--jp-cell-editor-background, #f7f7f7);
  border: 1px solid var(--jp-border-color1, #bdbdbd); border-radius: 3px; white-space: pre-wrap; overflow-x: hidden;
}
.lrw-download { color: var(--jp-content-link-color, #0072b2); text-decoration: underline; }
"""
