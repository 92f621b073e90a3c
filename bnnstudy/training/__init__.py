"""How one configuration becomes one result."""
