"""What all tests rely on."""

import signal

import hypothesis

# A shell that starts the tests in the background has SIGINT ignored, and child processes inherit that: tests of Ctrl-C
# would wait for nothing. With a handler here, children begin with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, so that a change alone decides whether tests pass. No limit on time: cores are shared.
hypothesis.settings.register_profile("genstruct", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("genstruct")
