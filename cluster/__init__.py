"""Nodes: one process, one store, and the actors that live there."""

from .launching import launch

__all__ = ["launch"]
