"""The look of the Verify tab: one colour for each learning rate, and boxes that wrap where the notebook is narrow."""

from __future__ import annotations

from lrwidget.ui.marks import colour_variables

# Cold to warm with the learning rate, told apart by colour-blind eyes; beyond six the strokes differ, too.
COLOURS = {
    "light": ("#2a7ab2", "#003f70", "#00835f", "#877300", "#c45500", "#b0578d", "#5b6670", "#8a5a2b", "#6f777d"),
    "dark": ("#7cc4ee", "#4d94d6", "#2ec49b", "#e0cf4c", "#f0953f", "#e3a1c8", "#b8c2cc", "#cf9f6d", "#9aa4ae"),
}
STROKES = ("solid",) * 6 + ("dashed", "dotted", "dash_dotted")


def colour(place: int) -> str:
    """The colour of a rate by its place among the others; the fallback is for saved pictures."""
    return f"var(--lrw-trial-{place}, {COLOURS['light'][place]})"


STYLES = tuple((colour(place), stroke) for place, stroke in enumerate(STROKES))

_RULES = """
.lrw-verify { min-width: 0; overflow: hidden; }
.lrw-verify .widget-box { overflow: visible; min-width: 0; }
.lrw-verify .widget-html { margin: 0; height: auto; min-width: 0; }
.lrw-verify-actions { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; }
.lrwidget .lrw-verify button { width: auto; margin: 0; padding: 0 12px; border-radius: 4px; height: 28px;
  line-height: 26px; }
.lrw-verify button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.lrw-verify-actions .widget-text { width: 130px; margin: 0 0 0 6px; }
.lrw-verify-actions .widget-label { width: auto; margin-right: 6px; color: var(--lrw-faint); }
.lrw-verify input { font-variant-numeric: tabular-nums; }
.lrw-verify-actions > .widget-html { flex: 1 1 220px; margin-left: 6px; }
.lrw-verify:not(.lrw-is-busy) .lrw-verify-stop { opacity: 0.4; pointer-events: none; }
.lrw-verify-areas { display: grid; gap: 8px 20px; margin-top: 8px; grid-template-columns: minmax(0, 1fr);
  grid-template-areas: "list" "picture" "says"; }
@container (min-width: 760px) {
  .lrw-verify-areas { grid-template-columns: minmax(330px, 9fr) minmax(0, 11fr); grid-template-rows: auto 1fr;
    grid-template-areas: "list picture" "says picture"; }
}
.lrw-verify-list { grid-area: list; }
.lrw-verify-picture { grid-area: picture; position: relative; }
.lrw-verify-says { grid-area: says; gap: 6px; }
.lrw-trials { gap: 1px; }
.lrw-trial { display: flex; align-items: center; min-height: 28px; padding: 0 2px 0 8px; border-radius: 4px; }
.lrw-trial > .widget-html { flex: 1 1 auto; }
.lrw-trial .widget-html-content { font-size: 13px; line-height: 1.35; }
.lrw-trial-cells { display: grid; grid-template-columns: 26px 18px 58px minmax(0, 1fr) auto; gap: 0 6px;
  align-items: center; font-variant-numeric: tabular-nums; }
.lrw-trial-cells svg { display: block; }
@container (max-width: 420px) {
  .lrw-trial-cells { grid-template-columns: 26px 18px 58px minmax(0, 1fr); }
  .lrw-trial-cells .lrw-trial-detail { grid-column: 4; text-align: left; }
}
.lrw-trial-rank { color: var(--lrw-faint); text-align: right; }
.lrw-trial-detail { color: var(--lrw-faint); font-size: 12px; text-align: right; }
.lrw-trial-best { background: var(--lrw-soft); }
.lrw-trial-best .lrw-trial-lr, .lrw-trial-best .lrw-trial-loss { font-weight: 700; }
.lrw-trial-best .lrw-trial-detail { color: var(--lrw-good); font-weight: 600; }
.lrw-trial-active .lrw-trial-detail { color: var(--lrw-curve); }
.lrwidget .lrw-verify .lrw-trial button { flex: none; width: 24px; min-width: 0; padding: 0; margin-left: 6px;
  background: transparent; color: var(--lrw-faint); box-shadow: none; height: 24px; line-height: 24px; }
.lrwidget .lrw-trial button::before { margin-right: 0; }
.lrw-verify-add { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; margin-top: 6px; }
.lrw-verify-add .widget-text { width: 150px; margin: 0; flex: 0 1 150px; }
.lrw-verify-buttons { display: flex; flex-flow: row wrap; gap: 6px; }
.lrw-verify-note { color: var(--lrw-faint); font-size: 12px; line-height: 1.4; }
.lrwidget .lrw-verify-log { position: absolute; top: 0; right: 4px; z-index: 1; }
.lrwidget .lrw-verify .lrw-verify-log { height: 22px; line-height: 20px; padding: 0 8px; font-size: 12px;
  box-shadow: none; }
.lrw-verify-repeat { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; margin-top: 4px; padding: 8px 0;
  border-top: 1px solid var(--lrw-edge); }
.lrw-verify-repeat .widget-dropdown { width: auto; margin: 0; }
.lrw-verify-repeat .widget-dropdown .widget-label { width: auto; margin-right: 6px; }
.lrw-verify-repeat .widget-dropdown select { width: auto; }
.lrw-verify-repeat .widget-html { flex: 1 1 240px; }
"""


def css() -> str:
    """The style sheet."""
    return colour_variables(".lrw-verify", "trial", COLOURS) + _RULES
