"""Experience of agents: observations, actions, and what came next."""
