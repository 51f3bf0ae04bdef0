"""What all tests rely on."""

import signal

# A shell that starts the tests in the background has SIGINT ignored, and child processes inherit that: tests of Ctrl-C
# would wait for nothing. With a handler here, children begin with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)
