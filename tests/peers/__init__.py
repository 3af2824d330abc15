"""The other tools themselves, to hold our versions of their rules against."""
