"""Find viewpoints from a checkout: the same as `genstruct viewpoints`, whose `--help` says more."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["viewpoints", *sys.argv[1:]]))
