"""Train from a checkout: the same as `genstruct train`. See `python tools/train.py --help`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
