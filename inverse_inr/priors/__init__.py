"""Learnable fields."""
