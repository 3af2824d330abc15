"""Pieces of HTML. Every text that comes from outside goes through `text`."""

from __future__ import annotations

from html import escape

from lrwidget.live.failure import Failure
from lrwidget.live.frames import Progress
from lrwidget.live.run_state import RunState
from lrwidget.live.trial_frames import TrialsFrame
from lrwidget.live.words import progress_text, step_text

_SIGNS = {"good": "✓", "bad": "!", "even": "≈", "neutral": "…"}


def text(content: str) -> str:
    """Text that is shown as it is, whatever is in it."""
    return escape(content, quote=True)


def code(content: str, attributes: str) -> str:
    """Code to be copied, in a box with these attributes.

    Lab's own shortcuts must not see the keys pressed in it: a C there copies a cell.
    """
    return (
        f'<textarea readonly data-lm-suppress-shortcuts="true" spellcheck="false" {attributes}>'
        f"{text(content)}</textarea>"
    )


def progress(progress: Progress) -> str:
    """The bar of a run and what stands beside it."""
    if progress.state is RunState.IDLE:
        return ""
    share = progress.num_done / max(1, progress.num_steps)
    words = progress_text(progress)
    return (
        f'<div class="lrw-bar lrw-bar-{progress.state}" role="progressbar" aria-label="Steps of the range test" '
        f'aria-valuemin="0" aria-valuemax="{progress.num_steps}" aria-valuenow="{progress.num_done}" '
        f'aria-valuetext="{text(words)}"><div style="width: {100 * share:.1f}%"></div></div>'
        f'<div class="lrw-progress-words"><span>{text(words)}</span>'
        f'<span class="lrw-faint">{text(step_text(progress))}</span></div>'
    )


def trials_progress(frame: TrialsFrame, name: str) -> str:
    """What trainings side by side will cost, and once they are under way a bar of that name and how far they are."""
    if not frame.state.is_active:
        return f'<div class="lrw-progress-words"><span>{text(frame.budget)}</span></div>'
    share, words = f"{100 * frame.fraction:.1f}", text(frame.progress)
    return (
        f'<div class="lrw-bar" role="progressbar" aria-label="{text(name)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share}" aria-valuetext="{words}"><div style="width: {share}%"></div></div>'
        f'<div class="lrw-progress-words"><span>{words}</span></div>'
    )


def verdict(mood: str, words: str, advice: str = "", sign: str = "") -> str:
    """What something comes to, with the sign of its mood or another one."""
    more = f'<div class="lrw-advice">{text(advice)}</div>' if advice else ""
    return (
        f'<div class="lrw-verdict lrw-{mood}" role="status">'
        f'<span class="lrw-sign" aria-hidden="true">{sign or _SIGNS[mood]}</span>'
        f"<div>{text(words)}{more}</div></div>"
    )


def failure(failure: Failure | None) -> str:
    """What broke: the type, the message, the line, and the traceback on request."""
    if failure is None:
        return ""
    line = f"<pre>{text(failure.line)}</pre>" if failure.line else ""
    where = f'<div class="lrw-faint">{text(failure.where)}</div>' if failure.where else ""
    return (
        f'<div class="lrw-failure" role="alert"><div><strong>{text(failure.kind)}</strong>: '
        f"{text(failure.message)}</div>{where}{line}"
        f'<details><summary title="The calls that led to the exception">Full traceback</summary>'
        f"<pre>{text(failure.details)}</pre></details></div>"
    )


def refusal(message: str) -> str:
    """Why a setting was refused."""
    return f'<div class="lrw-refusal" role="alert">{text(message)}</div>' if message else ""
