"""The store: items and their vectors in a Milvus collection, local or on a server. The only room with pymilvus."""

from rag_lib.collection.calls import MilvusError
from rag_lib.collection.milvus import Collection
from rag_lib.collection.owner import owner_name
from rag_lib.collection.parquet import export_parquet, import_parquet
from rag_lib.collection.searching import UnfoundWords

__all__ = ["Collection", "MilvusError", "UnfoundWords", "export_parquet", "import_parquet", "owner_name"]
