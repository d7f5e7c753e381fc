"""Data sets of the Hugging Face hub, or in any format that its library reads."""
