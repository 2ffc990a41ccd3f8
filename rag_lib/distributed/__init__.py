"""The same index by Ray Data: a folder of pictures, local or in a bucket, embedded by many workers."""

from rag_lib.distributed.job import Settings, embed
from rag_lib.distributed.parts import Embedded
from rag_lib.distributed.place import Place

__all__ = ["Embedded", "Place", "Settings", "embed"]
