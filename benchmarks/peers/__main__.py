"""``python -m benchmarks.peers``."""

from benchmarks.peers import compare

if __name__ == "__main__":
    compare.main()
