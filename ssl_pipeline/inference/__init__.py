"""Trained graphs at work: embed, restore, translate, split."""
