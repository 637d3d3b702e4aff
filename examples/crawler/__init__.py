"""A site crawled by supervised actors, poison pages and all."""
