"""What the API answers, as its OpenAPI document tells it. No path leaves the service: people and crops have ids."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ProblemSays(BaseModel):
    """Why something was not done: RFC 9457, and what was expected, what was found, what to do."""

    type: str
    title: str
    status: int
    detail: str
    expected: str
    found: str
    do: str


class PhraseSays(BaseModel):
    """How well somebody fits a thing that was asked for: by a probability, or by the share of the index that fits it less."""

    phrase: str
    above: float | None
    probability: float | None


class HitSays(BaseModel):
    """Somebody who was found."""

    model_config = ConfigDict(extra="allow")

    rank: int
    person: int
    crop: str = Field(description="The id of the crop that fits best: /api/v1/crops/{crop} is its picture.", examples=["14-0"])
    score: float
    probability: float | None
    name: str = Field(description="Of the file, without its folder.")
    away: str | None
    box: list[float] | None = Field(description="Left, top, width and height in pixels of the photo; null for the whole of it.")
    time: float | None
    clock: str | None
    camera: str | None
    device: str | None = Field(description="Which device pushed it; null of what the service's own machine indexed.")
    time_known_by: str | None
    track: int | None
    alike: int
    phrases: list[PhraseSays]


class AnswerSays(BaseModel):
    """People who were found, as `passerby search --json` prints them, but for paths."""

    model_config = ConfigDict(extra="allow")

    query: str
    filters: list[str]
    relative: bool
    partly: list[str]
    likeliest: dict[str, float]
    unreliable: dict[str, float | None]
    not_understood: list[str]
    cut: int
    selection: dict[str, Any] | None
    looked_at: int
    undated: int
    away: int
    hits: list[HitSays]
    unlikely: int


class SentSays(BaseModel):
    """Whom of the people in a picture was asked about."""

    taken: list[float] | None = Field(description="Left, top, width and height in pixels of the picture; null for the whole of it.")
    people: list[list[float]] = Field(description="Everybody who was found, likewise, the largest first; none in a crop of one person.")


class SimilarSays(AnswerSays):
    """People who were found for a picture."""

    picture: SentSays


class CropSays(BaseModel):
    id: str
    box: list[float] | None
    time: float | None
    quality: float | None


class AppearanceSays(BaseModel):
    """What somebody wears by the model's word."""

    sentence: str
    unclear: list[str] = Field(description="Parts of which the model cannot tell what is worn.")
    probabilities: dict[str, float]
    unreliable: dict[str, float | None] = Field(
        description="Attributes that the model is often wrong about, each with its figure; null where that was not measured."
    )


class DescribedSays(AppearanceSays):
    """What somebody in a picture wears."""

    picture: SentSays


class PersonSays(BaseModel):
    """Somebody in the index."""

    person: int
    name: str
    camera: str | None
    device: str | None = Field(description="Which device pushed it; null of what the service's own machine indexed.")
    device_away: bool = Field(description="Whether it cannot be asked for the photo now: then that is a small picture.")
    clock: str | None
    time_known_by: str | None
    first: float | None
    last: float | None
    crops: list[CropSays]
    wears: AppearanceSays | None = Field(description="null where the model or the index does not say it.")
    beside: list[str] = Field(description="Crops of the other people in the same photo or, of a video, at the same time.")


class ModelSays(BaseModel):
    name: str
    digest: str
    dim: int


class InfoSays(BaseModel):
    """What the index holds."""

    version: str
    people: int
    media: int
    embeddings: int
    alike: int
    unworn: int
    away: int
    failures: int
    created: str
    model: ModelSays | None
    cameras: list[dict[str, Any]]


class AuditSays(BaseModel):
    """Who asked what, the newest first."""

    entries: list[dict[str, Any]]
