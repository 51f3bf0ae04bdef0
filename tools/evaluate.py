"""Score masks or samples from a checkout: the same as `genstruct evaluate`. See `python tools/evaluate.py --help`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
