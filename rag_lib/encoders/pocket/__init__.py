"""The pocket model: Visualized BGE at a few million parameters, with heads that name what it sees."""
