"""What is decoded once and kept."""
