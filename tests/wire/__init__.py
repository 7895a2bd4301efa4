"""From bytes to commands, and from what was found to answers."""
