"""The widget: ipywidgets and bqplot live here and nowhere else."""
