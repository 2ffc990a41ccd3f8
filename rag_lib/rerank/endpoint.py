"""Where a vision-language model is asked: OpenAI, Azure OpenAI, or any server of that form.

In: the environment, and a base URL if one is given. Out: an Endpoint that knows its key and its client.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rag_lib.errors import RagError

OFFLINE = "or use reranker='pocket', which works offline"
_OPENAI = "https://api.openai.com/v1"
_HERE = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # a proxy would look for them on its own machine


class Endpoint(NamedTuple):
    """`url`: None for OpenAI itself. `api_version`: of Azure OpenAI's API, None for all others."""

    url: str | None
    api_version: str | None = None

    @property
    def address(self) -> str:
        """Without the user and password that an address may carry: it may be shown and kept."""
        parts = urlsplit(self.url or _OPENAI)
        version = f"?api-version={self.api_version}" if self.api_version else ""
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}{version}"

    @property
    def place(self) -> str:
        """For a sentence: who it is, by host and port."""
        if self.url is None:
            return "OpenAI"
        return f"{'Azure OpenAI' if self.api_version else 'the server'} at {urlsplit(self.address).netloc}"

    @property
    def key_name(self) -> str:
        """The environment variable that holds the key."""
        return "AZURE_OPENAI_API_KEY" if self.api_version else "OPENAI_API_KEY"

    @property
    def settings(self) -> str:
        """For a sentence: what names this endpoint."""
        if self.api_version:
            return "AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION"
        return "OPENAI_BASE_URL (or base_url; it usually ends in /v1)"

    @property
    def secret(self) -> str:
        """The key as the environment holds it, and nothing else; "" if it holds none."""
        return os.environ.get(self.key_name, "").strip()

    def key(self, model: str) -> str:
        """The key for a request; "" for a server of one's own that has none. Raises RagError where one is needed."""
        key = self.secret
        if not key and (self.url is None or self.api_version):
            raise RagError(
                f"{self.key_name} is not set, and {model} needs it. Set it in the environment, "
                f"or set OPENAI_BASE_URL to a local server, {OFFLINE}."
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise RagError(f"{self.key_name} holds a character that no key has, such as a space. Set it again.")
        return key

    def client(self, model: str, key: str, *, on_request: Callable[[Any], Awaitable[None]], **options: Any) -> Any:
        """The asynchronous `openai` client, with its `options`. `on_request` is called with every request that it
        sends. Raises RagError if it cannot be made.
        """
        try:
            import openai
        except ImportError:
            raise RagError(f"{model} needs the openai client: pip install openai") from None
        options["api_key"] = key or "none"  # it needs some string
        try:
            hooks = {"request": [on_request]}
            options["http_client"] = openai.DefaultAsyncHttpxClient(mounts=dict.fromkeys(_HERE), event_hooks=hooks)
            if self.api_version:
                return openai.AsyncAzureOpenAI(azure_endpoint=self.url, api_version=self.api_version, **options)
            return openai.AsyncOpenAI(base_url=self.url or _OPENAI, **options)
        except Exception as exc:  # an address that is none, of the endpoint or of a proxy; its text may hold a password
            raise RagError(
                f"The endpoint of {model} cannot be used ({type(exc).__name__}). Check {self.settings} and the "
                "variables that name a proxy, such as HTTPS_PROXY."
            ) from None


def find_endpoint(base_url: str | None = None) -> Endpoint:
    """`base_url`, else OPENAI_BASE_URL, else AZURE_OPENAI_ENDPOINT with OPENAI_API_VERSION, else OpenAI itself.

    Raises RagError for an address that is none, and for Azure without a version.
    """
    url = (base_url or "").strip() or _set("OPENAI_BASE_URL")
    azure = None if url else _set("AZURE_OPENAI_ENDPOINT")
    name = "AZURE_OPENAI_ENDPOINT" if azure else "OPENAI_BASE_URL"
    if (url or azure) and not (url or azure).lower().startswith(("http://", "https://")):
        raise RagError(f"The base URL of the endpoint must start with http:// or https://; see {name}.")
    if not azure:
        return Endpoint(url or None)
    version = _set("OPENAI_API_VERSION")
    if not version:
        raise RagError(
            "AZURE_OPENAI_ENDPOINT is set, but OPENAI_API_VERSION is not: it must name a version of Azure's API, such "
            "as 2024-10-21."
        )
    return Endpoint(azure, version)


def _set(name: str) -> str:
    return os.environ.get(name, "").strip()
