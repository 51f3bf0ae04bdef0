"""Look at a set of images and pack it: the same as `genstruct data`. See `python tools/prepare_data.py --help`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["data", *sys.argv[1:]]))
