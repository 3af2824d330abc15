"""Runs that can be watched: drive a job, follow its records, make frames of it. No widgets here."""
