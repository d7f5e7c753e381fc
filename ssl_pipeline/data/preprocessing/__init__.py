"""How raw things become samples, told so that it can be done without this package."""
