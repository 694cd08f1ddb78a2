"""Find people in photos by what they wear.

The names below are the public API: what you call, and the types that it takes and returns. Errors are in ``passerby.errors``, all of them
a ``PasserbyError``. The names are loaded when they are first used, so that ``import passerby`` is quick.

Wherever a path is taken, a ``str``, ``bytes`` or a path object will do; where several are, one alone too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passerby.data.datasets import load_dataset
    from passerby.errors import PasserbyError
    from passerby.find.answer import Answer, answer, answers, find
    from passerby.find.describe import Appearance, describe
    from passerby.find.embed import Embeddings, embed
    from passerby.find.ingest.report import IndexReport
    from passerby.find.ingest.run import index_paths
    from passerby.find.query import Query, ask
    from passerby.find.question import Question
    from passerby.find.search import search
    from passerby.index.info import IndexedModel, IndexInfo
    from passerby.index.sqlite.index import Index
    from passerby.measure.evaluation import Evaluation, evaluate
    from passerby.model.encoder import Encoder
    from passerby.resolve import load_model
    from passerby.types import Box, Caption, Dataset, Failure, Fit, Hit, Media, Person, Problem, Record, Split
    from passerby.words.description import Item, PersonDescription
    from passerby.words.parser import parse

    __version__: str

__all__ = [
    "Answer",
    "Appearance",
    "Box",
    "Caption",
    "Crop",
    "Dataset",
    "Embeddings",
    "Encoder",
    "Evaluation",
    "Failure",
    "Fit",
    "Hit",
    "Index",
    "IndexInfo",
    "IndexReport",
    "IndexedModel",
    "Item",
    "Media",
    "MediaKind",
    "PasserbyError",
    "Person",
    "PersonDescription",
    "Problem",
    "Query",
    "Question",
    "Record",
    "RemovalReport",
    "Split",
    "answer",
    "answers",
    "ask",
    "describe",
    "embed",
    "evaluate",
    "find",
    "index_paths",
    "load_dataset",
    "load_model",
    "parse",
    "remove_paths",
    "search",
]

_HOMES = {
    "Answer": "passerby.find.answer",
    "Appearance": "passerby.find.describe",
    "Box": "passerby.types",
    "Caption": "passerby.types",
    "Crop": "passerby.types",
    "Dataset": "passerby.types",
    "Embeddings": "passerby.find.embed",
    "Encoder": "passerby.model.encoder",
    "Evaluation": "passerby.measure.evaluation",
    "Failure": "passerby.types",
    "Fit": "passerby.types",
    "Hit": "passerby.types",
    "Index": "passerby.index.sqlite.index",
    "IndexInfo": "passerby.index.info",
    "IndexReport": "passerby.find.ingest.report",
    "IndexedModel": "passerby.index.info",
    "Item": "passerby.words.description",
    "Media": "passerby.types",
    "MediaKind": "passerby.types",
    "PasserbyError": "passerby.errors",
    "Person": "passerby.types",
    "PersonDescription": "passerby.words.description",
    "Problem": "passerby.types",
    "Query": "passerby.find.query",
    "Question": "passerby.find.question",
    "Record": "passerby.types",
    "RemovalReport": "passerby.find.removal",
    "Split": "passerby.types",
    "answer": "passerby.find.answer",
    "answers": "passerby.find.answer",
    "ask": "passerby.find.query",
    "describe": "passerby.find.describe",
    "embed": "passerby.find.embed",
    "evaluate": "passerby.measure.evaluation",
    "find": "passerby.find",
    "index_paths": "passerby.find.ingest.run",
    "load_dataset": "passerby.data.datasets",
    "load_model": "passerby.resolve",
    "parse": "passerby.words.parser",
    "remove_paths": "passerby.find.removal",
    "search": "passerby.find.search",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'passerby' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if _HOMES[name] == f"passerby.{name}" else getattr(home, name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("passerby")
    except PackageNotFoundError:
        return "unknown"
