"""Pieces of HTML for the Verify tab."""

from __future__ import annotations

from lrwidget.axes import short_number
from lrwidget.live.run_state import RunState
from lrwidget.live.verify_frames import TrialRow, VerifyFrame
from lrwidget.ui import markup
from lrwidget.ui.verify_style import STROKES, colour

_DASHES = {"solid": "none", "dashed": "6 4", "dotted": "2 3", "dash_dotted": "6 3 2 3"}


def row(shown: TrialRow) -> str:
    """One learning rate: its stroke, its rank, its number, what is known of it."""
    mood = "lrw-trial-best" if shown.is_best else "lrw-trial-active" if shown.is_active else ""
    rank = "" if shown.rank is None else f"{shown.rank}."
    marker = ' <span title="the selected LR">▾</span>' if shown.is_selected else ""
    detail = shown.detail
    if shown.is_best:  # a suggestion is kept where nothing surely beats it, whatever its rank
        detail = "best" if shown.rank == 1 else "recommended"
    return (
        f'<div class="lrw-trial-cells {mood}">{_stroke(shown.place)}<span class="lrw-trial-rank">{rank}</span>'
        f'<span class="lrw-trial-lr">{short_number(shown.lr)}{marker}</span>'
        f'<span class="lrw-trial-loss">{markup.text(shown.words)}</span>'
        f'<span class="lrw-trial-detail">{markup.text(detail)}</span></div>'
    )


def says(frame: VerifyFrame) -> str:
    """What came out, what was refused, and what to know before."""
    parts = [markup.refusal(frame.refusal)]
    if frame.note:
        parts.append(f'<div class="lrw-verify-note" role="status">{markup.text(frame.note)}</div>')
    if frame.conclusion:
        parts.append(markup.verdict(frame.mood, frame.conclusion))
    elif frame.state is RunState.IDLE and not frame.note:
        parts.append(
            '<div class="lrw-verify-note">Each rate trains for a short while from the same state on the same batches; '
            "the model is put back afterwards. A training that is hopeless ends early.</div>"
        )
    return "".join(parts)


def _stroke(place: int) -> str:
    return (
        f'<svg width="26" height="8" aria-hidden="true"><line x1="1" y1="4" x2="25" y2="4" stroke-width="3" '
        f'style="stroke:{colour(place)}" stroke-dasharray="{_DASHES[STROKES[place]]}"/></svg>'
    )
