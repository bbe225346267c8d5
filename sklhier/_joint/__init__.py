"""X to the scores of one joint model: network, losses, solvers."""
