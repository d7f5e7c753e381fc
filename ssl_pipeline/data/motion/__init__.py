"""What moves in a video."""
