"""What the book shows: tables, figures, costs, the explorer."""
