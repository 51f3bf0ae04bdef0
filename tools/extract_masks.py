"""Make masks from a checkout: the same as `genstruct masks`. See `python tools/extract_masks.py --help`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["masks", *sys.argv[1:]]))
