"""The look of the stride's own parts; the rest is the widget's style sheet."""

from __future__ import annotations

from urllib.parse import quote

_STEP = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M3 2.5v11l7-5.5zM11 3h2v10h-2z"/></svg>'

CSS = f"""
.lrwidget .lrw-icon-step {{ --lrw-icon: url("data:image/svg+xml,{quote(_STEP)}"); }}
.lrwidget .lrw-toolbar > .lrw-play {{ min-width: 88px; }}
.lrw-stride-words {{ font-variant-numeric: tabular-nums; color: var(--lrw-faint); margin: 0 6px; }}
.lrw-stride-choices {{ display: flex; flex-flow: row wrap; gap: 6px; overflow: visible; }}
.lrw-stride .widget-dropdown {{ width: 160px; margin: 0; }}
@container (min-width: 860px) {{ .lrw-stride-choices {{ margin-left: auto; }} }}
.lrw-stride .widget-toggle-buttons {{ width: auto; margin: 0; }}
.lrw-stride .widget-toggle-button {{ width: auto; min-width: 60px; margin: 0 4px 0 0; border-radius: 4px;
  box-shadow: none; }}
.lrw-stride .widget-toggle-button.mod-active {{ background: var(--lrw-curve); color: var(--lrw-card); }}
.lrw-stride-settings {{ display: grid; grid-template-columns: minmax(0, 1fr); gap: 4px 24px; align-items: start;
  overflow: visible; }}
.lrwidget .lrw-stride .lrw-setting .widget-label, .lrwidget.lrw-stride .lrw-setting .widget-label {{ width: 84px;
  min-width: 84px; }}
.lrwidget.lrw-stride .lrw-setting > .lrw-number {{ width: 84px; }}
.lrw-stride-lr {{ overflow: visible; min-width: 0; }}
.lrw-ruler {{ position: relative; height: 20px; margin: -6px 84px 0 92px; font-size: 12px; line-height: 16px; }}
.lrw-ruler-beyond {{ position: absolute; right: 8px; top: 2px; height: 3px; border-radius: 2px;
  background: var(--lrw-bad); }}
.lrw-ruler-words {{ position: absolute; top: 6px; right: 8px; color: var(--lrw-bad); white-space: nowrap; }}
.lrw-stride-pictures {{ display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 12px; padding: 0 var(--lrw-gap);
  overflow: visible; }}
.lrw-stride-picture {{ min-width: 0; overflow: visible; }}
.lrw-stride-heading {{ font-weight: 600; padding: 6px 0 0 44px; }}
.lrw-stride-walk .lrw-figure {{ height: 380px; }}
.lrw-stride-chart .lrw-figure {{ height: 190px; }}
@container (min-width: 700px) {{
  .lrw-stride-settings {{ grid-template-columns: 3fr 2fr; }}
  .lrw-stride-pictures {{ grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }}
  .lrw-stride-walk {{ grid-row: 1 / span 2; }}
  .lrw-stride-walk .lrw-figure {{ height: 420px; }}
}}
"""
