"""What to do when an actor fails."""
