"""Compatibility name."""
