"""Which of the schedules the frameworks have themselves, and how they are called there.

A table per framework: the name of a schedule, and the call that makes it, with the schedule's arguments in braces.
Three more words can stand in the braces: `alpha` is floor / peak, `drops` the rates after each milestone, `before` the
steps before each milestone. A schedule whose arguments the framework cannot follow is left out by `_fits`.
"""

from __future__ import annotations

import re
from typing import Any

from .schedule import Schedule

NAMES = {"torch": "PyTorch", "transformers": "transformers", "keras": "Keras", "optax": "optax"}

_TORCH = {
    "constant": "ConstantLR(optimizer, factor=1.0, total_iters=0)",
    "linear": "LinearLR(optimizer, start_factor=1.0, end_factor={alpha!r}, total_iters={total_steps})",
    "cosine": "CosineAnnealingLR(optimizer, T_max={total_steps}, eta_min={floor!r})",
    "polynomial": "PolynomialLR(optimizer, total_iters={total_steps}, power={power!r})",
    "exponential": "ExponentialLR(optimizer, gamma={gamma!r} ** (1 / {decay_steps}))",
    "step_decay": "StepLR(optimizer, step_size={step_size}, gamma={gamma!r})",
    "multi_step": "MultiStepLR(optimizer, milestones={milestones!r}, gamma={gamma!r})",
    "cosine_warm_restarts": (
        "CosineAnnealingWarmRestarts(optimizer, T_0={first_cycle_steps}, T_mult={cycle_factor}, eta_min={floor!r})"
    ),
    "one_cycle": (
        "OneCycleLR(optimizer, max_lr={peak!r}, total_steps={total_steps}, pct_start={pct_start!r},"
        " anneal_strategy={anneal_strategy!r}, cycle_momentum={cycle_momentum}, base_momentum={base_momentum!r},"
        " max_momentum={max_momentum!r}, div_factor={div_factor!r}, final_div_factor={final_div_factor!r},"
        " three_phase={three_phase})"
    ),
    "cyclic": (
        "CyclicLR(optimizer, base_lr={floor!r}, max_lr={peak!r}, step_size_up={step_size_up},"
        " step_size_down={step_size_down}, mode={mode!r}, gamma={gamma!r}, cycle_momentum={cycle_momentum},"
        " base_momentum={base_momentum!r}, max_momentum={max_momentum!r})"
    ),
}

_WARMUP = "optimizer, num_warmup_steps={warmup_steps}"
_WHOLE = _WARMUP + ", num_training_steps={total_steps}"
_TRANSFORMERS = {
    "constant": "get_constant_schedule(optimizer)",
    "constant_with_warmup": f"get_constant_schedule_with_warmup({_WARMUP})",
    "linear_with_warmup": f"get_linear_schedule_with_warmup({_WHOLE})",
    "warmup_cosine": f"get_cosine_schedule_with_warmup({_WHOLE})",
    "cosine_with_warmup": f"get_cosine_schedule_with_warmup({_WHOLE}, num_cycles={{num_cycles!r}})",
    "cosine_with_restarts": f"get_cosine_with_hard_restarts_schedule_with_warmup({_WHOLE}, num_cycles={{num_cycles}})",
    "cosine_with_min_lr": (
        f"get_cosine_with_min_lr_schedule_with_warmup({_WHOLE}, num_cycles={{num_cycles!r}}, min_lr_rate={{alpha!r}})"
    ),
    "polynomial_with_warmup": (
        f"get_polynomial_decay_schedule_with_warmup({_WHOLE}, lr_end={{floor!r}}, power={{power!r}})"
    ),
    "inverse_sqrt": f"get_inverse_sqrt_schedule({_WARMUP}, timescale={{timescale}})",
    "warmup_stable_decay": (
        f"get_wsd_schedule({_WHOLE}, num_decay_steps={{decay_steps}}, warmup_type={{warmup_kind!r}},"
        " decay_type={decay_kind!r}, min_lr_ratio={alpha!r}, num_cycles={num_cycles!r})"
    ),
}

_KERAS = {
    "constant": "{peak!r}",
    "linear": "PolynomialDecay({peak!r}, decay_steps={total_steps}, end_learning_rate={floor!r}, power=1.0)",
    "polynomial": "PolynomialDecay({peak!r}, decay_steps={total_steps}, end_learning_rate={floor!r}, power={power!r})",
    "cosine": "CosineDecay({peak!r}, decay_steps={total_steps}, alpha={alpha!r})",
    "exponential": "ExponentialDecay({peak!r}, decay_steps={decay_steps}, decay_rate={gamma!r})",
    "step_decay": "ExponentialDecay({peak!r}, decay_steps={step_size}, decay_rate={gamma!r}, staircase=True)",
    "multi_step": "PiecewiseConstantDecay(boundaries={before!r}, values={drops!r})",
    "cosine_warm_restarts": (
        "CosineDecayRestarts({peak!r}, first_decay_steps={first_cycle_steps}, t_mul=1.0, alpha={alpha!r})"
    ),
    "warmup_cosine": (
        "CosineDecay(0.0, decay_steps={total_steps} - {warmup_steps}, warmup_target={peak!r},"
        " warmup_steps={warmup_steps})"
    ),
}

_OPTAX = {
    "constant": "constant_schedule({peak!r})",
    "linear": "linear_schedule({peak!r}, {floor!r}, transition_steps={total_steps})",
    "polynomial": "polynomial_schedule({peak!r}, {floor!r}, power={power!r}, transition_steps={total_steps})",
    "cosine": "cosine_decay_schedule({peak!r}, decay_steps={total_steps}, alpha={alpha!r})",
    "exponential": "exponential_decay({peak!r}, transition_steps={decay_steps}, decay_rate={gamma!r})",
    "step_decay": "exponential_decay({peak!r}, transition_steps={step_size}, decay_rate={gamma!r}, staircase=True)",
    "constant_with_warmup": "warmup_constant_schedule(0.0, {peak!r}, warmup_steps={warmup_steps})",
    "warmup_cosine": (
        "warmup_cosine_decay_schedule(0.0, {peak!r}, warmup_steps={warmup_steps}, decay_steps={total_steps})"
    ),
}

_CALLS = {
    "torch": ("torch.optim.lr_scheduler.", _TORCH),
    "transformers": ("transformers.", _TRANSFORMERS),
    "keras": ("keras.optimizers.schedules.", _KERAS),
    "optax": ("optax.", _OPTAX),
}
LINE_LENGTH = 79
_RESULTS = {"torch": "scheduler", "transformers": "scheduler", "keras": "learning_rate", "optax": "schedule"}


def native_code(schedule: Schedule, framework: str) -> str | None:
    """Give the text that makes a schedule with the framework's own means, None where it has none of just this kind."""
    prefix, calls = _CALLS[framework]
    if schedule.name in calls and _fits(schedule, framework):
        call = calls[schedule.name].format(**_words(schedule))
        prefix = "" if call == repr(schedule.peak) else prefix
        line = _wrapped(f"{_RESULTS[framework]} = {prefix}{call}")
        return f"import {framework}\n\n{_preparation(schedule, framework)}{line}\n"
    if framework == "transformers":  # it runs on PyTorch, whose own schedules serve as well
        text = native_code(schedule, "torch")
        return text and f"# transformers has none of its own; Trainer(optimizers=(optimizer, scheduler)) takes:\n{text}"
    return None


def _wrapped(line: str) -> str:
    """Give a call that is too long for a line with one argument on each; no argument holds a comma but in brackets."""
    if len(line) <= LINE_LENGTH:
        return line
    head, _, rest = line.partition("(")
    arguments = re.split(r", (?![^\[]*\])", rest.removesuffix(")"))
    return f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def _fits(schedule: Schedule, framework: str) -> bool:
    """Tell whether the framework's schedule can follow these arguments."""
    arguments = schedule.arguments
    if schedule.name == "polynomial" and framework == "torch":
        return bool(arguments["floor"] == 0)  # PolynomialLR knows no floor
    if schedule.name == "polynomial_with_warmup":
        return bool(arguments["floor"] < arguments["peak"])  # equal ones are refused there
    if schedule.name == "cosine_warm_restarts" and framework == "keras":
        return bool(arguments["cycle_factor"] == 1)  # growing cycles are found there by rounded logarithms
    if schedule.name in ("warmup_cosine", "constant_with_warmup"):
        return framework == "transformers" or arguments["warmup_steps"] > 0
    return True


def _words(schedule: Schedule) -> dict[str, Any]:
    """Give the arguments by name, and the words that are computed from them."""
    words = dict(schedule.arguments)
    if "floor" in words:
        words["alpha"] = words["floor"] / words["peak"]
    if "milestones" in words:
        words["milestones"] = list(words["milestones"])
        words["before"] = [milestone - 1 for milestone in words["milestones"]]
        words["drops"] = [words["peak"] * words["gamma"] ** i for i in range(len(words["milestones"]) + 1)]
    return words


def _preparation(schedule: Schedule, framework: str) -> str:
    """Give the lines that set the optimizer's own rate, where the call builds on it."""
    if framework not in ("torch", "transformers") or schedule.name in ("one_cycle", "cyclic"):
        return ""
    lines = [
        "# The scheduler builds on the rate that the optimizer has.",
        "for group in optimizer.param_groups:",
        f'    group["lr"] = group["initial_lr"] = {schedule.peak!r}',
    ]
    if schedule.name == "polynomial_with_warmup":
        lines.append(f'optimizer.defaults["lr"] = {schedule.peak!r}')
    return "\n".join(lines) + "\n"
