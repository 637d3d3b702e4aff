"""Private state behind a mailbox."""
