"""Data sets from folders of files."""
