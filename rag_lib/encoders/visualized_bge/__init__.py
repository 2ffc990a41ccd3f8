"""Visualized BGE: the model, its fast form for inference, official checkpoints and their loading."""
