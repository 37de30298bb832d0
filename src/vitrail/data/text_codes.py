"""Text as numbers, and back: bytes, the characters of a text, or a file of the `tokenizers` library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vitrail.data.images import printable, read_bytes
from vitrail.errors import InputError, first_line

MOST = 2**32  # tokens that a vocabulary can have: shards hold 16 or 32 bits each


class Codes(Protocol):
    """encode and decode, and the number of tokens there are. `document()` is all that `from_document` needs."""

    @property
    def vocabulary(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]:
        """What each token is called, (V,)."""
        ...

    def encode(self, content: bytes, name: str) -> np.ndarray:
        """The tokens of a file, called `name` in errors: (n,) of `dtype_of(vocabulary)` or narrower.

        Raises: InputError for what has no token, or is no text.
        """
        ...

    def decode(self, tokens: Any) -> str:
        """The text of (n,) tokens; what is no whole character there becomes U+FFFD."""
        ...

    def document(self) -> dict[str, Any]: ...


class Bytes:
    """Each byte is a token, so any file will do: V = 256."""

    vocabulary = 256
    names = tuple(chr(byte) if byte < 128 else f"0x{byte:02x}" for byte in range(256))

    def encode(self, content: bytes, name: str) -> np.ndarray:
        return np.frombuffer(content, np.uint8)

    def decode(self, tokens: Any) -> str:
        return bytes(np.asarray(tokens, np.uint8).tolist()).decode(errors="replace")

    def document(self) -> dict[str, Any]:
        return {"kind": "bytes"}


class Characters:
    """Each character (code point) of an alphabet is a token, numbered in the order of the alphabet.

    Raises: InputError for an empty alphabet, or one with repeats.
    """

    def __init__(self, alphabet: str) -> None:
        if not alphabet or len(set(alphabet)) != len(alphabet):
            raise InputError(f"An alphabet of {len(alphabet)} characters: one or more are wanted, each once.")
        self.alphabet = alphabet
        points = np.frombuffer(alphabet.encode("utf-32-le", "surrogatepass"), np.uint32)
        self._order = np.argsort(points)
        self._points = points[self._order]

    @classmethod
    def of(cls, texts: list[str]) -> Characters:
        """Those that occur, by code point."""
        return cls("".join(sorted(set().union(*texts))))

    @property
    def vocabulary(self) -> int:
        return len(self.alphabet)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.alphabet)

    def encode(self, content: bytes, name: str) -> np.ndarray:
        text = text_of(content, name)
        points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        place = np.minimum(np.searchsorted(self._points, points), len(self._points) - 1)
        strange = np.flatnonzero(self._points[place] != points)
        if strange.size:
            first = int(strange[0])
            raise InputError(
                f"{name}: character {first + 1}, {text[first]!r} (U+{ord(text[first]):04X}), is none of the "
                f"{self.vocabulary} of the alphabet."
            )
        return self._order[place].astype(dtype_of(self.vocabulary))

    def decode(self, tokens: Any) -> str:
        return "".join(self.alphabet[number] for number in np.asarray(tokens).tolist())

    def document(self) -> dict[str, Any]:
        return {"kind": "characters", "alphabet": self.alphabet}


class Tokenizer:
    """What a `tokenizer.json` of Hugging Face's `tokenizers` says; no tokens are added at the ends.

    Args:
        text: The content of the file.
        name: What errors call it.
    Raises: InputError where the library is missing, or cannot read it.
    """

    def __init__(self, text: str, name: str = "the tokenizer") -> None:
        try:
            from tokenizers import Tokenizer as Inner
        except ImportError as error:
            raise InputError(
                f"{name}: a tokenizer's file needs tokenizers, which is missing: pip install 'vitrail[text]'"
            ) from error
        try:
            self._inner = Inner.from_str(text)
        except Exception as error:  # the library raises plain Exception
            raise InputError(f"{name} is no file of the tokenizers library: {first_line(error)}.") from error
        self._inner.no_truncation()
        self._inner.no_padding()
        self._text = text

    @property
    def vocabulary(self) -> int:
        """One more than the largest number of a token."""
        return max(self._inner.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._inner.id_to_token(number) or "" for number in range(self.vocabulary))

    def encode(self, content: bytes, name: str) -> np.ndarray:
        found = self._inner.encode(text_of(content, name), add_special_tokens=False).ids
        return np.array(found, dtype_of(self.vocabulary))

    def decode(self, tokens: Any) -> str:
        return self._inner.decode(np.asarray(tokens).tolist(), skip_special_tokens=False)

    def document(self) -> dict[str, Any]:
        return {"kind": "tokenizer", "json": self._text}


def from_document(document: Any, name: str) -> Codes:
    """What `document()` described. Raises: InputError, naming where it stood, for anything else."""
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind == "bytes":
        return Bytes()
    if kind == "characters" and isinstance(document.get("alphabet"), str):
        return Characters(document["alphabet"])
    if kind == "tokenizer" and isinstance(document.get("json"), str):
        return Tokenizer(document["json"], name)
    raise InputError(f"{name}: what it says of its tokens is none of bytes, characters and tokenizer.")


def open_tokenizer(path: str | Path) -> Tokenizer:
    """A `tokenizer.json`. Raises: InputError naming it where it cannot be used."""
    return Tokenizer(text_of(read_bytes(path), printable(path)), printable(path))


def text_of(content: bytes, name: str) -> str:
    """UTF-8, without a byte order mark. Raises: InputError that says where it is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: byte {error.start + 1}, 0x{content[error.start]:02x}, is no UTF-8; save it so, or take bytes."
        ) from None


def dtype_of(vocabulary: int) -> type[np.unsignedinteger]:
    """The narrowest unsigned type that numbers so many tokens. Raises: InputError for more than 2^32."""
    if vocabulary > MOST:
        raise InputError(f"{vocabulary} tokens; wanted {MOST} at most.")
    return np.uint16 if vocabulary <= 2**16 else np.uint32


def plain(document: dict[str, Any]) -> str:
    """A document as text: the same for the same codes."""
    return json.dumps(document, sort_keys=True)
