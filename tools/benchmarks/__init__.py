"""What benchmark_training.py measures; for use from tools/."""
