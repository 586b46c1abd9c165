"""Reports of where data lives: what they are made from, and how they are shown."""
