"""Studies and their sweeps: many runs, tuned, seeded, recorded."""
