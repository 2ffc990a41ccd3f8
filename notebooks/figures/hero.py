"""The README's picture, hero.jpg: the leopard query with its hits, over the explanation of the best. `make nb` runs it.

The same question and models as in notebooks 03 and 04.
"""

from pathlib import Path

from PIL import Image

from rag_lib.catalog import load_catalog
from rag_lib.display import PAPER, WIDTH, Picture, best, show_results
from rag_lib.encoders import load_encoder
from rag_lib.index import open_index
from rag_lib.records import Query
from rag_lib.rerank import load_reranker

shop, model = load_catalog("drawn"), load_encoder("pocket")
query = Query(shop.query_pictures["leopard"], "phone case with this image theme")
with open_index(shop, model, "data/milvus.db") as collection:
    hits = collection.search(model.encode_query(query.image, query.text), limit=9)
ranking = load_reranker("pocket").rank(query, hits)

parts = [show_results(query, ranking.hits).image, best(ranking, query).image]
hero = Image.new("RGB", (WIDTH, sum(part.height for part in parts)), PAPER)
hero.paste(parts[0], (0, 0))
hero.paste(parts[1], (0, parts[0].height))
print("written:", Picture(hero).save(Path(__file__).with_name("hero.jpg")).name)
