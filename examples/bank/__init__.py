"""A bank whose money is conserved whatever crashes, and the test that tries to make it lose some."""
