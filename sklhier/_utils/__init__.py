"""What every layer uses: checks of input, rows of X, work in parallel, versions of other packages."""
