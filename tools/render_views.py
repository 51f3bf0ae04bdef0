"""Draw a mesh file from all around, from a checkout: the same as `genstruct views`. See its `--help`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["views", *sys.argv[1:]]))
