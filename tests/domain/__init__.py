"""The rules of beliefs, each held against a slow, obvious second opinion."""
