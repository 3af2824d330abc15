"""What is drawn and said of a schedule."""

from __future__ import annotations

import numpy as np
import pytest

from lrwidget import schedules
from lrwidget.live.drawing import MOST_POINTS
from lrwidget.live.schedule_preview import MOST_PHASES, make_preview
from tests.schedule_cases import PLAIN, random_schedule


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("total_steps", [1, 2, 7, 499, 1000, 20_001, 1_000_000])
def test_few_points_none_invented(name: str, total_steps: int) -> None:
    """However long the training, few points are drawn, each a whole step with its true rate, both ends among them."""
    schedule = random_schedule(name, np.random.default_rng(9), max(total_steps, 8))
    preview = make_preview(schedule, total_steps)
    assert len(preview.steps) <= MOST_POINTS
    assert (preview.steps[0], preview.steps[-1]) == (0, total_steps - 1)
    assert (np.diff(preview.steps) > 0).all()
    assert (preview.steps == np.floor(preview.steps)).all()
    assert preview.lrs.tolist() == schedule(preview.steps).tolist()  # type: ignore[union-attr]
    if schedule.has_momentum:
        assert preview.momenta is not None
        assert preview.momenta.tolist() == schedule.momentum(preview.steps).tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", PLAIN)
def test_the_numbers_are_those_of_all_steps(name: str) -> None:
    """Highest and mean rate of a long training, of which only a part is looked at, are those of all its steps."""
    schedule = random_schedule(name, np.random.default_rng(10), 200_000)
    preview = make_preview(schedule, 200_000)
    values = schedule.values(200_000)
    assert preview.high == pytest.approx(values.max(), rel=1e-3)
    assert preview.mean == pytest.approx(values.mean(), rel=1e-2)


def test_cycles_shorter_than_what_is_looked_at() -> None:
    """Cycles as long as the distance of the steps looked at are seen at their full height, and their mean is right."""
    schedule = schedules.cosine_warm_restarts(1.0, 50)
    preview = make_preview(schedule, 1_000_000)
    assert preview.high == pytest.approx(1.0, rel=1e-3)
    assert preview.low < 0.01
    assert preview.mean == pytest.approx(schedule.values(50).mean(), rel=1e-2)
    assert preview.phases == ()
    assert preview.phase_at(3) == ""


def test_phases_to_shade() -> None:
    """As many phases as can be told apart are shaded, and each step has the name of its own."""
    few = make_preview(schedules.step_decay(0.1, 10), 10 * MOST_PHASES)
    assert len(few.phases) == MOST_PHASES
    assert (few.phase_at(0), few.phase_at(10), few.phase_at(25)) == ("level 1", "level 2", "level 3")
    assert make_preview(schedules.step_decay(0.1, 10), 10 * MOST_PHASES + 1).phases == ()


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (schedules.constant(0.01), "1e-2 at every step."),
        (schedules.linear(1.0, 101), "Starts at 1, ends at 9.9e-3. Mean 0.5, 50 % of the peak."),
        (
            schedules.linear_with_warmup(0.032, 101, 20),
            "Starts at 0, peaks at 3.2e-2 (step 20), ends at 4e-4. Mean 1.6e-2, 50 % of the peak.",
        ),
    ],
)
def test_words(schedule: schedules.Schedule, words: str) -> None:
    """First, highest, last and mean rate are said in words, as rates are written."""
    assert make_preview(schedule, 101).words == words
