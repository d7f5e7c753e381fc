"""Reading files, windows and streams."""
