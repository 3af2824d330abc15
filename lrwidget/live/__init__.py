"""Runs that can be watched: drive a job, follow its records, make frames of it. No widgets here.

A map, in the order in which to read it:

- Driving. A `job` is driven by a `run`, in a thread under the caller's `context`, timed by a `stopwatch`; where it
  stands is its `run_state`, what broke it a `failure`. `sole` lets one run at a time have a model. Buttons work on a
  `driver`.
- The range test. `session` knows all of it and makes `frames`. It keeps `runs`; each is a `measurement`, its records a
  `series`. `curves` are drawn by the rules of `drawing`, as often as the `budget` allows. `reading` is what they
  suggest, `guidance` what the user chose, `progress` how far the newest run is, `words` how all this is said.
- Trainings side by side. `trainings` are several as one job; `live_trials` follows them, `trial_lines` draws them,
  `trials_model` makes `trial_frames`. Upon these stand the Verify tab (`verify_model`, `verify_frames`, `verify_words`)
  and "Try it" (`schedule_trial`, `schedule_trial_model`, `schedule_trial_frames`, `schedule_trial_words`).
- The schedule. `schedule_model` keeps `schedule_values` and makes a `schedule_preview`.
- `workbench` puts all of the above together for a widget.
- For widgets of their own: `race`; `sweep_curves` and `sweep_tables`; `descent` on `surfaces`.
"""
