"""Optimisers: parameter groups, learning-rate rules and schedules."""
