"""The corruption graph: its nodes, how it is built, and what is refused."""
