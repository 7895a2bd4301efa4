"""Version 1.1 JSON to domain commands and back; no I/O."""
