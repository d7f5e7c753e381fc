"""Files of one's own: read as samples of a model, embedded and restored."""
