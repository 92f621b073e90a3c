"""What was run and what it says: records, claims, statistics, verdicts."""
