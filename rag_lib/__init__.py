"""Multimodal RAG with Milvus: composed image retrieval, reranked and explained by a vision-language model.

Importing this package is light: torch, pymilvus and openai are imported by the part that needs them.
"""

__version__ = "0.1.0"
