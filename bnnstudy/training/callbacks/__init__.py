"""What looks on at a run, measures it and reports into its result."""
