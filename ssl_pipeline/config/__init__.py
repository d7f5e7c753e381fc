"""Configuration: the language of the command line, the keys of a run, and from names to objects."""
