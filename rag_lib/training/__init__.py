"""How the pocket weights were made, and how to make your own: `python -m rag_lib.training`."""
