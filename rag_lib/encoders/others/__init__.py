"""Encoders that other libraries define: what sentence-transformers loads as multimodal, and BGE-VL."""
