"""Pictures by a trained generator, from a checkout: the same as `genstruct samples`. See its `--help`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["samples", *sys.argv[1:]]))
