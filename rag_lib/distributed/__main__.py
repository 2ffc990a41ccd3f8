"""Embed a large folder by Ray Data: `python -m rag_lib.distributed --images FOLDER_OR_URL --out parquet/`.

Instead of --out, --milvus-uri fills a collection, local or on a server. Stopped at any point, the same command goes on
where it stopped. Needs the extra `ray`; MILVUS_TOKEN holds a server's credentials.
"""

import argparse
import json
import sys
from pathlib import Path

from tqdm.auto import tqdm

from rag_lib.errors import RagError
from rag_lib.paths import replacing, resolve

SHOWN = 10  # skipped files that are named; all are in the work folder


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rag_lib.distributed", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--images", required=True, help="a folder, or a url such as s3://bucket/photos, that every worker reaches")
    add("--encoder", default="photo", help="an encoder's name (photo)")
    add("--weights", help="its weights, if not the ones that belong to the name")
    add("--device", default="auto", help="of the workers: auto, cpu, cuda, mps")
    add("--dtype", default="auto", help="auto, float32, bfloat16, float16")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", help="a folder for Parquet files, for Milvus's bulk import")
    target.add_argument("--milvus-uri", help="fill the collection there: a local .db, or http(s)://host:port")
    add("--owner", help="on a server, the name of those who share the collection (RAG_OWNER)")
    add("--work", help="folder or url of what is done (data/distributed/...); of a cluster one that all workers reach")
    add("--workers", type=int, default=2, help="actors that embed (2)")
    add("--cpus-per-worker", type=float, default=1, help="cores of each (1)")
    add("--gpus-per-worker", type=float, default=0, help="GPUs of each (0)")
    add("--batch-size", type=int, default=64, help="pictures at a time (64)")
    add("--part-size", type=int, default=256, help="pictures of a part: what a kill can lose (256)")
    add("--ray-address", help="a cluster's: auto, host:port, ray://...; by default one starts here")
    given = parser.parse_args(words)
    if min(given.workers, given.batch_size, given.part_size) < 1:
        parser.error("--workers, --batch-size and --part-size are at least 1")
    try:
        run(given)
    except RagError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What is embedded is kept: the same command goes on from there.", file=sys.stderr)
        return 130
    return 0


def run(given: argparse.Namespace) -> None:
    from rag_lib.catalog.folder import catalog_name
    from rag_lib.distributed import Place, Settings, embed
    from rag_lib.distributed.job import connect, describe
    from rag_lib.index import collection_name

    settings = Settings(
        *(given.encoder, given.weights, given.device, given.dtype),
        *(given.workers, given.cpus_per_worker, given.gpus_per_worker, given.batch_size, given.part_size),
    )
    place = Place(given.images)
    rows = place.metadata(list(place.marks()))
    connect(settings, given.ray_address)
    model = describe(settings)
    kept = f"{catalog_name(place.root)}_{model.fingerprint}"
    work = Place(given.work or resolve("data") / "distributed" / kept)
    done = embed(place, work, model, settings)
    catalog, skipped = done.catalog(place.root, rows)
    batches = done.vectors
    if given.out:
        folder = resolve_here(given.out)
        n = write_out(folder, catalog, batches, model, collection_name(catalog, model, owner=given.owner))
        print(f"{n:,} rows in {folder.name}/, with import.json: how to import them")
    else:
        added, removed, name = fill(given.milvus_uri, catalog, batches, model, given.owner)
        print(f"{added:,} rows added and {removed:,} removed in the collection {name}")
    lines = "".join(json.dumps({"file": str(path), "reason": why}, ensure_ascii=False) + "\n" for path, why in skipped)
    work.write("skipped.jsonl", lines.encode("utf-8", "replace"))
    for path, reason in skipped[:SHOWN]:
        print(f"skipped {path.name}: {reason}")
    if len(skipped) > SHOWN:
        print(f"skipped {len(skipped) - SHOWN:,} more: see skipped.jsonl in {work.root.name}/")


def resolve_here(path: str) -> Path:
    """As of every --out: below the current folder."""
    return Path(path).expanduser().absolute()


def write_out(folder: Path, catalog, batches, model, name: str) -> int:
    """Parquet files, and import.json, written last; the number of rows."""
    from rag_lib.collection.bulk import write_bulk

    counted = tqdm(total=len(catalog.items), desc="write", unit="row")

    def told():
        for items, vectors in batches(catalog.items, catalog.root, model.dim):
            yield items, vectors
            counted.update(len(items))

    with counted:
        files = write_bulk(folder, told(), dim=model.dim, root=catalog.root)
    about = {"collection_name": name, "dim": model.dim, "encoder": model.name, "rows": counted.n}
    with replacing(folder / "import.json") as beside:
        beside.write_text(json.dumps({**about, "files": [[file.name] for file in files]}, indent=1) + "\n")
    return counted.n


def fill(uri: str, catalog, batches, model, owner: str | None) -> tuple[int, int, str]:
    """Make the collection hold the catalog's items, as `update_index` does: (rows added, rows removed, its name)."""
    from rag_lib.collection import Collection
    from rag_lib.index import collection_name

    name = collection_name(catalog, model, owner=owner)
    with Collection(uri, name, dim=model.dim, root=catalog.root, owner=owner) as collection:
        missing, besides, _ = collection.compare(catalog.items, progress=True)
        with tqdm(total=len(missing), desc="upsert", unit="row", disable=not missing) as bar:
            for items, vectors in batches(missing, catalog.root, model.dim):
                collection.upsert(items, vectors, progress=False)
                bar.update(len(items))
            added = bar.n
        collection.delete([item.image_id for item in besides])
    return added, len(besides), name


if __name__ == "__main__":
    sys.exit(main())
