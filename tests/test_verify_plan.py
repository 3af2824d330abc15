"""Which learning rates a verification tries, and what it costs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrwidget import LearningRateFinder, RangeTestResult, suggest
from lrwidget.verify_plan import first_lrs, lrs_around, next_lr, planned_trial

FINDER = LearningRateFinder(num_steps=100)


# --------------------------------------------------------------------------------------------------------- the cost


def test_without_rates_everything_costs_five_range_tests():
    """One range test of 100 steps and four trainings of as many are 500 steps."""
    plan = FINDER.verify_plan()
    assert (plan.range_test_steps, plan.num_lrs, plan.num_steps, plan.total_steps) == (100, 4, 100, 500)
    assert (plan.lrs, plan.is_open) == ((), True)


def test_around_a_known_rate_all_of_the_budget_goes_into_trainings():
    """Five trainings of 100 steps; three of their rates are certain, a factor of four apart."""
    plan = FINDER.verify_plan(around=0.01)
    assert (plan.range_test_steps, plan.num_lrs, plan.num_steps, plan.total_steps) == (0, 5, 100, 500)
    assert plan.lrs == (0.0025, 0.01, 0.04)


def test_with_an_own_number_of_steps_there_are_five_trainings():
    """They come on top of the range test, where there is one."""
    assert FINDER.verify_plan(num_steps=30, around=0.01).total_steps == 150
    assert FINDER.verify_plan(num_steps=30).total_steps == 100 + 150
    assert FINDER.verify_plan(num_steps=30).num_lrs == 5


def test_no_training_is_shorter_than_ten_steps():
    """Then all together cost more than five range tests, as is said: 100 rates, and range tests of five steps."""
    assert FINDER.verify_plan(np.geomspace(1e-3, 1, 100)).total_steps == 1000
    assert LearningRateFinder(num_steps=5).verify_plan().total_steps == 5 + 3 * 10
    assert "except where ten steps each come to more" in " ".join(LearningRateFinder.verify.__doc__.split())


def test_rates_of_ones_own_share_the_budget():
    """Two rates train 250 steps each, seven 71; an own number of steps counts as it is."""
    assert FINDER.verify_plan([0.1, 0.01]).num_steps == 250
    assert FINDER.verify_plan([0.1, 0.01]).lrs == (0.01, 0.1)
    assert FINDER.verify_plan(np.geomspace(1e-3, 1, 7)).num_steps == 71
    assert FINDER.verify_plan([0.1, 0.01], num_steps=30).total_steps == 60
    assert FINDER.verify_plan(10.0**-i for i in (1, 2)).lrs == (0.01, 0.1)


def test_the_time_is_told_from_a_range_test():
    """100 steps in 2 s make 500 steps 10 s; a test without a step tells nothing."""
    result = RangeTestResult(np.geomspace(1e-3, 1, 100), np.ones(100), seconds=2.0)
    assert FINDER.verify_plan(around=0.1).seconds(result) == pytest.approx(10.0)
    assert FINDER.verify_plan(around=0.1).seconds(RangeTestResult([], [])) is None


def test_the_plan_can_be_read():
    """The text has the rates, the steps and their sum."""
    assert str(FINDER.verify_plan([0.1, 0.01], 30)) == "2 trainings of 30 steps at 1.0e-02, 1.0e-01: 60 steps in all"
    assert str(FINDER.verify_plan([0.1], 1000)) == "1 training of 1,000 steps at 1.0e-01: 1,000 steps in all"
    assert str(FINDER.verify_plan()) == "1 range test of 100 steps, 4 trainings of 100 steps: 500 steps in all"
    assert str(FINDER.verify_plan(around=0.1)) == (
        "5 trainings of 100 steps at 2.5e-02, 1.0e-01, 4.0e-01 and where these point: 500 steps in all"
    )


# ------------------------------------------------------------------------------------------------------- the rates


def test_five_rates_around_one_are_halves_and_doubles():
    """The rate itself in the middle to the last bit."""
    assert lrs_around(0.03).tolist() == [0.0075, 0.015, 0.03, 0.06, 0.12]


def test_the_next_rate_lies_beyond_the_edge_while_the_best_does():
    """Four times as far, on either side."""
    assert next_lr({0.01: 3.0, 0.1: 2.0, 1.0: 1.0}) == 4.0
    assert next_lr({0.01: 1.0, 0.1: 2.0, 1.0: math.inf}) == 0.0025


def test_the_next_rate_lies_in_the_wider_gap_beside_the_best():
    """Of two equal gaps in that towards the better neighbour; halfway in the logarithm."""
    assert next_lr({0.01: 2.0, 0.1: 1.0, 1.0: 3.0}) == pytest.approx(10**-1.5)
    assert next_lr({0.01: 3.0, 0.1: 1.0, 1.0: 2.0}) == pytest.approx(10**-0.5)
    assert next_lr({0.01: 2.0, 0.1: 1.0, 0.3: 1.5, 1.0: 3.0}) == pytest.approx(10**-1.5)


def test_below_an_explosion_the_next_rate_goes_up_from_a_slope_and_down_from_a_plateau():
    """Where the upper neighbour came to nothing, only a tie with the lower one tells to go down."""
    low, middle, high = first_lrs(0.02)
    losses = {low: 1.1, middle: 1.0, high: math.inf}
    assert next_lr(losses) == pytest.approx(0.04)
    assert next_lr(losses, {low, middle}) == pytest.approx(0.01)


def test_where_the_gaps_are_narrow_there_is_no_next_rate():
    """Within a factor of 1.5 on either side there is nothing to be gained."""
    assert next_lr({0.1: 2.0, 0.14: 1.0, 0.2: 2.0}) is None
    assert next_lr({0.1: 2.0, 0.14: 1.0, 0.22: 2.0}) == pytest.approx(math.sqrt(0.14 * 0.22))


def test_close_below_a_rate_that_explodes_nothing_is_tried():
    """Within a factor of two a longer training may explode as well: the lower gap is next, or none if it is narrow."""
    assert next_lr({0.1: 2.0, 0.2: 1.0, 0.4: math.inf}) == pytest.approx(math.sqrt(0.1 * 0.2))
    assert next_lr({0.1: 2.0, 0.2: 1.0, 0.6: math.inf}) == pytest.approx(math.sqrt(0.2 * 0.6))
    assert next_lr({0.15: 2.0, 0.2: 1.0, 0.4: math.inf}) is None


def test_where_all_came_to_nothing_the_next_rate_lies_well_below():
    """A sixteenth of the lowest."""
    assert next_lr({0.16: math.inf, 1.0: math.inf}) == pytest.approx(0.01)


def test_a_rate_may_be_a_schedule():
    """A function of the step gives each step's rate; its name among the others is the highest of them."""
    planned = planned_trial(lambda step: 0.1 / (step + 1), 4)
    assert planned.lrs.tolist() == [0.1, 0.05, 0.1 / 3, 0.025]
    assert planned.lr == 0.1


def test_a_schedule_may_be_a_factor_on_every_rate():
    """The rate keeps its own name; the steps' rates are its product with the factor."""
    planned = planned_trial(0.4, 3, lambda step: 1 - step / 2)
    assert (planned.lr, planned.lrs.tolist()) == (0.4, [0.4, 0.2, 0.0])


# -------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lrs": []}, ValueError, r"need at least one learning rate, got lrs=\[\]"),
        ({"lrs": [0.1, 0.1]}, ValueError, "need different learning rates"),
        ({"lrs": [0.1, 0.0]}, ValueError, r"need a positive, finite learning rate, got 0\.0"),
        ({"lrs": [0.1, math.inf]}, ValueError, "got inf"),
        ({"lrs": ["0.1"]}, TypeError, "need a real number as learning rate, got '0.1'"),
        ({"lrs": [True]}, TypeError, "got True"),
        ({"lrs": 1e-3}, TypeError, r"need a list of learning rates, got lrs=0\.001; pass lrs=\[0\.001\]"),
        ({"lrs": np.array(1e-3)}, TypeError, r"need a list of learning rates, got lrs=array\(0\.001\)"),
        ({"lrs": "1e-3"}, TypeError, "need a list of learning rates, got lrs='1e-3'"),
        ({"lrs": [1e-3, "x"]}, TypeError, "need a real number as learning rate, got 'x'; pass a float"),
        ({"lrs": [1e-3, None]}, TypeError, "need a real number as learning rate, got None; pass a float"),
        ({"lrs": [lambda step: None]}, TypeError, "need a number at each step, got None at step 0"),
        ({"lrs": [lambda step: -1.0]}, ValueError, r"got -1\.0 at step 0"),
        ({"lrs": [lambda step: 0.0]}, ValueError, "need a learning rate above 0 at some step"),
        ({"lrs": [lambda step: math.nan if step == 3 else 1.0]}, ValueError, "got nan at step 3"),
        ({"around": -1.0}, ValueError, r"need a positive, finite around, got -1\.0"),
        ({"around": "auto"}, TypeError, "need a real number as around"),
        ({"num_steps": 5}, ValueError, "need num_steps >= 6, got num_steps=5; leave it out"),
        ({"num_steps": 10.0}, TypeError, "need a whole number num_steps"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments, error, message):
    """Each wrong argument raises before any training, with what was wanted and what came."""
    with pytest.raises(error, match=message):
        FINDER.verify_plan(**arguments)


def test_a_suggestion_without_a_rate_is_refused_with_its_reason():
    """Verifying around nothing needs rates of one's own."""
    flat = RangeTestResult(np.geomspace(1e-5, 1, 50), np.ones(50))
    for around in (flat, flat.suggest()):
        with pytest.raises(ValueError, match=r"need a suggestion with a learning rate, got none .*; pass lrs="):
            FINDER.verify_plan(around=around)


def test_a_range_test_and_its_suggestion_stand_for_the_suggested_rate():
    """Both give the same plan as the number."""
    lrs = np.geomspace(1e-5, 10, 100)
    losses = 2.0 - 1.0 / (1 + (0.01 / lrs) ** 2) + 3.0 * (lrs > 1) * lrs
    result = RangeTestResult(lrs, losses)
    suggestion = suggest(lrs, losses)
    assert suggestion.lr is not None
    plans = [FINDER.verify_plan(around=around) for around in (result, suggestion, suggestion.lr)]
    assert plans[0] == plans[1] == plans[2]
