"""How well the behaviour rules tell incidents from life: recall, false alerts, delay, beside two simpler ways."""
