"""What a visitor may ask, from the page or over HTTP: values of the right kind, or one sentence about a wrong one.

In: values as JSON brings them. Out: a SearchRequest. Pydantic checks them; the sentences are ours.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from PIL import Image
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rag_lib.app.choices import PARTS
from rag_lib.errors import QueryError
from rag_lib.panorama import MAX_IMAGES

MAX_TEXT = 500  # characters
MAX_CATEGORIES = 100


def _as_text(value: str) -> str:
    """Runs of spaces become one. Half a sign, which JSON can hold and UTF-8 cannot, is no text: a ValueError."""
    return " ".join(value.encode().decode().split())


def _as_list(value: Any) -> Any:
    """A category alone is a list of one."""
    return [value] if isinstance(value, str) else value


def _as_whole(value: Any) -> Any:
    """JSON has no whole numbers of its own."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_String = Annotated[str, AfterValidator(_as_text)]
_Text = Annotated[_String, Field(max_length=MAX_TEXT, description=f"a text of at most {MAX_TEXT} characters")]
_Label = Annotated[_String, Field(description="the name of one that is offered")]


class SearchRequest(BaseModel):
    """The page's controls. `words` and `without` as in `mix_query`, the rest as in `Collection.search`.

    `title`: words to look for in titles; `category`: any of these; `price`: from, to (None: open). `catalog`,
    `encoder`, `reranker`, `milvus_uri`: labels of the app's choices, "" for the first.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    image: Image.Image | None = None
    text: _Text = ""
    words: _Number = Field(0.5, description="a number from 0, the picture alone, to 1, the words alone")
    without: _Text = ""
    title: _Text = ""
    category: Annotated[tuple[_String, ...], BeforeValidator(_as_list)] = Field(
        (), max_length=MAX_CATEGORIES, description="a list of the catalog's categories"
    )
    price: tuple[_Number | None, _Number | None] = Field(
        (None, None), description="a range [from, to] of finite numbers, null where it is open"
    )
    limit: Annotated[int, BeforeValidator(_as_whole)] = Field(
        9, strict=True, ge=1, le=MAX_IMAGES, description=f"a whole number from 1 to {MAX_IMAGES}"
    )
    catalog: _Label = ""
    encoder: _Label = ""
    reranker: _Label = ""
    milvus_uri: _Label = ""

    @classmethod
    def of(cls, **values: Any) -> "SearchRequest":
        """None is the default of each. Raises QueryError for a value of another kind and a range that holds nothing."""
        try:
            request = cls(**{name: value for name, value in values.items() if value is not None})
        except ValidationError as exc:
            wrong = exc.errors(include_url=False)[0]
            name = wrong["loc"][0]
            raise QueryError(f"{name} is {wrong['input']!r:.80}: give {cls.model_fields[name].description}.") from None
        low, high = request.price
        if low is not None and high is not None and low > high:
            raise QueryError(f"No price is from {low:g} to {high:g}: put the lower one first.")
        return request

    @property
    def where(self) -> dict[str, Any]:
        """The filter, as `Collection.search` takes it."""
        where: dict[str, Any] = {"category": list(self.category)} if self.category else {}
        return where | ({"price": self.price} if self.price != (None, None) else {})

    @property
    def parts(self) -> Mapping[str, str]:
        """part -> label."""
        return {part: getattr(self, part) for part in PARTS}
