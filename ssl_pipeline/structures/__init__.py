"""What flows through the pipeline: grids, batches, views, latents, and random numbers."""
