"""What every room needs: errors, ranks, checkpoints on disk."""
