"""From raw things (images, sounds, texts, videos) to samples on a grid, and back."""
