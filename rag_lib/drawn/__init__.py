"""The drawn world: what can be drawn, how it is called and asked for, and which of it training never sees."""
