"""X to the scores of local models: problems, base estimators, fitting, linear short cuts."""
