"""A bucket over HTTP for tests: the calls of S3 that a job makes, with no check of who calls.

`with serve(folder) as endpoint:`; the files of `folder`/bucket are the bucket's objects.
"""

import hashlib
import io
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    parts: dict

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        parts = urlsplit(self.path)
        query, file = parse_qs(parts.query), self.root / unquote(parts.path).strip("/")
        if "list-type" in query:
            return self.answer(200, self.listing(file, **{key: value[0] for key, value in query.items()}))
        if not file.is_file():
            code = "NoSuchKey" if file.parent != self.root else "NoSuchBucket"
            return self.answer(404, f"<Error><Code>{code}</Code><Message>none</Message></Error>".encode())
        body, told = file.read_bytes(), {}
        status = 200
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            told = {"Content_Range": f"bytes {first}-{min(int(last or len(body)), len(body) - 1)}/{len(body)}"}
            body, status = body[int(first) : int(last or len(body)) + 1], 206
        stamp = formatdate(file.stat().st_mtime, usegmt=True)
        self.answer(status, body, ETag='"x"', Last_Modified=stamp, Content_Type="application/octet-stream", **told)

    do_HEAD = do_GET

    def listing(self, bucket, prefix="", delimiter="", **_):
        files, folders = [], set()
        for file in sorted(bucket.rglob("*")):
            key = file.relative_to(bucket).as_posix()
            rest = key.removeprefix(prefix)
            if not file.is_file() or not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            stamp = datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            tag = hashlib.md5(file.read_bytes()).hexdigest()
            files.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{stamp}</LastModified>"
                f"<ETag>&quot;{tag}&quot;</ETag><Size>{file.stat().st_size}</Size></Contents>"
            )
        shared = "".join(f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>" for key in sorted(folders))
        count = f"<KeyCount>{len(files) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{count}{''.join(files)}{shared}</ListBucketResult>".encode()

    def do_PUT(self):
        file = self.root / unquote(urlsplit(self.path).path).strip("/")
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = unchunked(self.rfile) if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" in (self.headers.get("Content-Encoding") or ""):  # S3's own chunks, within those of HTTP
            body = unchunked(io.BytesIO(body))
        file.parent.mkdir(parents=True, exist_ok=True)
        number = parse_qs(urlsplit(self.path).query).get("partNumber")
        if number:
            self.parts.setdefault(file, {})[int(number[0])] = body
        else:
            file.write_bytes(body)
        self.answer(200, ETag='"x"')

    def do_POST(self):
        """An upload in parts: begun, or put together; only then can it be seen."""
        parts = urlsplit(self.path)
        file = self.root / unquote(parts.path).strip("/")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "uploads" in parse_qs(parts.query, keep_blank_values=True):
            return self.answer(
                200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            )
        file.write_bytes(b"".join(body for _, body in sorted(self.parts.pop(file).items())))
        self.answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")


def unchunked(stream):
    """The content of chunks, before each of which stands a line with its size in hexadecimal."""
    content = b""
    while size := int(stream.readline().split(b";")[0], 16):
        content += stream.read(size)
        stream.readline()
    while stream.readline().strip():  # checksums
        pass
    return content


@contextmanager
def serve(folder):
    handler = type("OneBucket", (Bucket,), {"root": Path(folder), "parts": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
