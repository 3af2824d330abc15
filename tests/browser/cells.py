"""Cells for the notebooks of the tests: a training whose loss is known by formula, and its widget."""

# Trains "weights" that a run must put back. The loss falls from 2 to 1 around 1e-3 and explodes from 0.3.
TRAINING = """
import time
from lrwidget import LearningRateFinder, LRFinderWidget, RestoringStep

seconds = 0.002
wait = time.sleep
num_calls = 0
weights = {"steps": 0}

def loss_at(lr):
    return 2 - 1 / (1 + (1e-3 / lr) ** 2) + (lr / 0.3) ** 3

def train(lr):
    global num_calls
    num_calls += 1
    wait(seconds)
    weights["steps"] += 1
    return loss_at(lr)

step = RestoringStep(train, save=weights.copy, restore=weights.update)
"""

WIDGET = """
widget = LRFinderWidget(step, finder=LearningRateFinder(num_steps=100))
widget
"""

RUN = "widget.run()"
