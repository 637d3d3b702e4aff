"""Nodes: one process, one store, and the actors that live there."""
