"""What was said and not yet heard; knows no actor."""
