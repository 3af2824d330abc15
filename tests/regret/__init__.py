"""The suggestion rules judged by real training."""
