"""The widget: ipywidgets and bqplot live here and nowhere else.

A map, in the order in which to read it:

- What users name: `widget` with its `traits`; `race`, `stride`, `sweep_view`. Each has a `pump`, the one thread that
  draws. `running` starts runs: in the background where, as `front_end` tells, somebody watches.
- `parts` says what a part of the widget is, and `body` puts them together: `controls`, each a `setting` with one of the
  `sliders`; `tabs`; the `marker`; the `verdict` with its `failure_box`; a `saved_picture`.
- In the tabs: `range_test_tab`, with the `curve`, its `norms`, the `view_bar` and the `legend`; `schedule_tab`, with
  `schedule_controls`, `schedule_plot`, `schedule_export` and `schedule_trial`; `verify_tab`, which has `trials_view`
  and `trial_plot` in common with that trial; `data_tab`. A `variable` takes a table into the notebook.
- For the other widgets: `race_lanes`; `stride_parts` and `stride_pictures`.
- How it looks: `style`, `icons`, `schedule_style`, `verify_style`, `stride_style`. HTML: `markup`, `schedule_markup`,
  `verify_markup`, `sweep_markup`. What bqplot needs: `figures`, `marks`, `ticks`.
"""
