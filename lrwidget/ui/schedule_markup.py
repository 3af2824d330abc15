"""The texts of the Schedule tab as HTML."""

from __future__ import annotations

import re

from lrwidget.live.schedule_preview import MOST_PHASES, Overlay, ScheduleFrame
from lrwidget.live.schedule_trial_frames import ScheduleTrialFrame
from lrwidget.ui import markup
from lrwidget.ui.marks import CURVE
from lrwidget.ui.schedule_plot import OVERLAYS, PHASES
from lrwidget.ui.schedule_style import TRAININGS

_MOST_CHIPS = 8
_CODE = re.compile("`([^`]*)`")
_STROKES = {"solid": "none", "dashed": "7 4", "dotted": "2 3", "dash_dotted": "7 3 2 3"}


def summary(frame: ScheduleFrame) -> str:
    """One line on the chosen schedule."""
    words = _CODE.sub(r"<code>\1</code>", markup.text(frame.summary))
    return f'<div class="lrw-schedule-summary">{words}</div>'


def phases(frame: ScheduleFrame) -> str:
    """The phases with their colours and steps."""
    if frame.preview is None:
        return ""
    found = frame.preview.phases
    if not found:
        return f'<div class="lrw-phases lrw-faint">More than {MOST_PHASES} phases, too many to shade.</div>'
    chips = [
        f'<span class="lrw-chip"><i style="background:{PHASES[phase.trend]}"></i>{markup.text(phase.name)} '
        f'<span class="lrw-faint">{phase.start:,.0f} – {phase.end:,.0f}</span></span>'
        for phase in found[:_MOST_CHIPS]
    ]
    if len(found) > _MOST_CHIPS:
        chips.append(f'<span class="lrw-faint">and {len(found) - _MOST_CHIPS} more</span>')
    return f'<div class="lrw-phases">{"".join(chips)}</div>'


def says(frame: ScheduleFrame) -> str:
    """The numbers in words; what is wrong, and what looks wrong."""
    lines = [markup.refusal(frame.refusal), markup.refusal(frame.problem)]
    lines += [f'<div class="lrw-warning" role="status">{markup.text(warning)}</div>' for warning in frame.warnings]
    if frame.preview is not None and not frame.problem:
        steps = f"{frame.total_steps:,} steps. "
        lines.append(f'<div class="lrw-schedule-words">{steps}{markup.text(frame.preview.words)}</div>')
    return "".join(lines)


def legend(frame: ScheduleFrame) -> str:
    """The chosen schedule, where there are others to tell it from."""
    return f"{_stroke(CURVE, 'solid')}<span>now</span>" if frame.overlays else ""


def overlay(overlay: Overlay, i: int) -> str:
    """One schedule to compare with: its stroke, its name, its numbers on hovering."""
    stroke = _stroke(*OVERLAYS[i])
    return f'{stroke}<span title="{markup.text(overlay.preview.words)}">{markup.text(overlay.words)}</span>'


def trial_plan(frame: ScheduleTrialFrame) -> str:
    """What is going to be tried, or why nothing can be."""
    words = frame.obstacle or frame.plan
    note = f'<div class="lrw-trial-note" role="status">{markup.text(words)}</div>' if words else ""
    return markup.refusal(frame.refusal) + note


def trial_rows(frame: ScheduleTrialFrame) -> str:
    """The two trainings: stroke, name, and how far each is or how it ended."""
    cells = [
        f"{_stroke(*TRAININGS[row.place])}<span{' class=lrw-trial-ahead' if row.place == frame.best_place else ''}>"
        f'{markup.text(row.name)}</span><span class="lrw-faint">{markup.text(row.words)}</span>'
        for row in frame.rows
    ]
    return f'<div class="lrw-trial-rows">{"".join(cells)}</div>' if cells else ""


def trial_says(frame: ScheduleTrialFrame) -> str:
    """What came out."""
    return markup.verdict(frame.mood, frame.conclusion, frame.caution) if frame.conclusion else ""


def _stroke(colour: str, style: str) -> str:
    return (
        f'<svg width="34" height="10" aria-hidden="true"><line x1="1" y1="5" x2="33" y2="5" stroke-width="2.5" '
        f'style="stroke:{colour}" stroke-dasharray="{_STROKES[style]}"/></svg>'
    )
