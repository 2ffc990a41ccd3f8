"""The encoder `photo`: photographs, words and both, from weights that lie in the package."""
