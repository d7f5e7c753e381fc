"""Chapters 1 to 3 of the essay, and what studies them. Nothing outside this folder imports it."""
