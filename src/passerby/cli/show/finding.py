"""What the commands that find and show people say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from passerby.cli.show.console import (
    ALL_DONE,
    LISTED,
    NOTHING_DONE,
    console_on,
    duration_text,
    exit_code,
    failures_json,
    local_time,
    note,
    notes_json,
    printable,
    show_failures,
    show_json,
    show_notes,
    show_table,
)
from passerby.cli.show.words import show_not_understood
from passerby.words.description import thing_phrase

if TYPE_CHECKING:
    from passerby.demo import Demo
    from passerby.draw.heatmap import Relevance
    from passerby.find.answer import Answer
    from passerby.find.clip import PersonClip
    from passerby.find.embed import Embeddings
    from passerby.find.filter import Filtered
    from passerby.index.looked_into import Gap, LookedInto
    from passerby.types import Hit, Person
    from passerby.words.filters import Filter


def show_clip(cut: PersonClip, *, as_json: bool) -> int:
    """Say what was cut out of a video; returns the exit code."""
    if as_json:
        show_json(cut.to_json())
    clip = cut.clip
    how = "copied" if clip.copied else "encoded"
    note(f"{clip.start:.2f} to {clip.end:.2f} s of {cut.person.media.path}, {clip.frames} frames {how}, written to {cut.path}")
    if cut.silent:
        note("without sound: the video has none that browsers play")
    return ALL_DONE


def show_answer(answer: Answer, sheet: Path | None, frames: Path | None, *, as_json: bool) -> int:
    """Say who was found, and draw them, or the photos they are in, where that is asked for; returns the exit code."""
    asked, people = answer.question, answer.people
    selection = _show_selection(answer)
    drawn = _draw(answer, sheet, frames) if people else []
    show_notes(asked.notes)
    _show_reading(answer)
    _show_filtered(answer)
    if as_json:
        show_json(answer.to_json())
    elif people:
        _show_hits(people)
    for file in drawn:
        note(f"drawn: {file}")
    if not people:
        _show_nobody(answer, selection, as_json=as_json)
    if answer.looked_into.videos or (answer.looked_into.photos and not people):
        note(_looked_into(answer.looked_into))
    return ALL_DONE if people or answer.unlikely else NOTHING_DONE


def _draw(answer: Answer, sheet: Path | None, frames: Path | None) -> list[Path]:
    """Draw who was found; the files that were written."""
    if sheet:
        from passerby.draw.sheet import write_sheet

        write_sheet(sheet, [answer.section])
    if frames:
        from passerby.draw.frames import write_frames

        write_frames(frames, [answer.photos])
    return [file for file in (sheet, frames) if file]


def _show_nobody(answer: Answer, selection: str, *, as_json: bool) -> None:
    """Say why nobody is shown, and who could not have been seen."""
    if answer.unlikely:
        likeliest = answer.unlikely[0]
        best = f"{likeliest.probability if likeliest.together is None else likeliest.together:.1%}"
        (note if as_json else console_on(stderr=False).print)(f"no one here matches: the likeliest has a probability of {best}")
    elif selection and not answer.looked_at:
        note("nobody found: expected a selection that somebody is in; widen it")
    elif answer.filtered and answer.looked_at:
        nobody = list(_nobody(answer.filtered, answer.question.filters))
        among = " of those who are selected" if selection else ""
        asked = [one.asked for one in answer.question.filters]
        passes, less = ("passes all of", "one of them") if len(asked) > 1 else ("passes", "it")
        general = f"nobody{among} {passes} {', '.join(asked)}: expected filters that leave somebody; leave {less} out"
        for said in nobody or [general]:
            note(said)
    elif answer.beside and answer.looked_at:
        note("nobody found: expected people near each other, in a photo or a moment of a video, found none")
    else:
        note("nobody found: expected people in the index, found none; index pictures with: passerby index PATH…")


def _looked_into(looked: LookedInto) -> str:
    """What was looked at, and who could not be seen."""
    lowest, highest = math.ceil(looked.lowest), math.ceil(looked.highest)
    larger = f" ({highest} in the largest)" if highest > lowest else ""
    said = [
        f"videos looked at: {looked.videos:,} ({duration_text(looked.seconds)})" if looked.videos else "",
        f"photos looked at: {looked.photos:,}" if looked.photos else "",
        f"people lower than {lowest} pixels{larger} are mostly missed",
        f"frames or stretches that could not be read: {looked.broken:,}" if looked.broken else "",
        f"could not be read: {_gaps_text(looked.gaps)}" if looked.gaps else "",
        f"videos that end early: {looked.cut_short:,}" if looked.cut_short else "",
        f"frames skipped, as nothing moved: {looked.still:,}" if looked.still else "",
        f"videos not read to their end yet: {looked.unfinished:,}; index again to go on" if looked.unfinished else "",
        f"hidden, as they never move: {looked.static:,} (--static shows them)" if looked.static else "",
    ]
    return "; ".join(filter(None, said))


def _gaps_text(gaps: Sequence[Gap]) -> str:
    """The first few of stretches of videos."""
    more = len(gaps) - LISTED
    said = ", ".join(f"{gap.text} of {printable(gap.path.name)}" for gap in gaps[:LISTED])
    return said + (f", and {more:,} more stretches (passerby info lists all)" if more > 0 else "")


def _show_selection(answer: Answer) -> str:
    """Say who was asked about at all, and who was left out; in a few words, which are returned too."""
    selection = answer.question.selection
    if selection.is_everybody:
        return ""
    from passerby.find.selection import selected
    from passerby.media.clock import KnownBy

    said = selected(selection)
    note(f"{answer.looked_at} people are selected: {said}")
    if answer.undated:
        note(f"{answer.undated} were left out, as it is not known when they were seen")
    guessed = sum(hit.person.media.known_by == KnownBy.FILE for hit in answer.people) if selection.is_timed else 0
    if guessed:
        note(f"{guessed} of those shown are dated by when their file was last changed, which may be another time")
    return said


def _show_filtered(answer: Answer) -> None:
    """Say what to bear in mind of those who passed filters."""
    filtered = answer.filtered
    if answer.reindex:
        note("this index does not know what is worn, and filters and fits are relative: index again with --rebuild, and it will")
    if filtered is None:
        return
    if filtered.relative and answer.people:
        relative = ", ".join(filtered.relative)
        note(f"{relative}: relative; each keeps the quarter of those here that it fits best, or leaves it out, whoever has the thing")
    for asked in filtered.partly:
        note(f"{asked}: the model has no name for a part of this; whoever has the rest passes")
    for name, figure in filtered.unreliable:
        if figure is None:
            note(f"{name}: how often the model is right about it was not measured, as few had it")
        else:
            note(f"{name}: the model is often wrong about it; who has it stands above who has not {figure:.0%} of the time, by chance 50%")
    if filtered.unknown:
        note(f"{filtered.unknown} were indexed without what is worn and pass no filter: index again with --rebuild")


def _nobody(filtered: Filtered, filters: Sequence[Filter]) -> Iterator[str]:
    """Of each filter that nobody passes by itself, what that says of everybody here."""
    by_name = {one.asked: one for one in filters}
    for asked, likeliest in filtered.likeliest:
        one = by_name[asked]
        if likeliest < filtered.sure or (one.item.negated and likeliest == filtered.sure):
            thing = asked.removeprefix("--") if one.any_thing else thing_phrase(one.item)
            does = "lacks" if one.item.negated else "has"
            yield f"nobody here {does} {thing} with a probability of {filtered.sure:g} or more; the likeliest: {likeliest:.2f}"


def _show_reading(answer: Answer) -> None:
    """Say what of a description was not read."""
    asked = answer.question
    if answer.cut:
        note(f"only the start of the description was read: the last {answer.cut} word pieces are over the model's limit")
    if asked.foreign:
        note(f"nothing understood in {printable(asked.words)!r}: the model is asked it as it stands, and reads English")
    elif asked.not_understood:
        show_not_understood(asked.not_understood)
    if answer.beside and answer.beside.not_understood:
        show_not_understood(answer.beside.not_understood)


def show_embeddings(embeddings: Embeddings, path: Path, *, as_json: bool) -> int:
    """Say what was written; returns the exit code."""
    count = len(embeddings.names)
    if as_json:
        show_json({"embedded": count, "out": str(path), "failed": failures_json(embeddings.failed), "notes": notes_json(embeddings.notes)})
    note(f"{count} vectors written to {path}" if count else "nothing written: expected pictures or texts, found none; name some")
    show_notes(embeddings.notes)
    show_failures(embeddings.failed)
    return exit_code(count, len(embeddings.failed))


def show_relevance(relevance: Relevance, picture: Path, out: Path, *, as_json: bool) -> int:
    """Say which words and places count, and where they are drawn; returns the exit code."""
    if as_json:
        show_json(
            {
                "picture": str(picture),
                "model": relevance.model,
                "method": relevance.method,
                "similarity": relevance.similarity,
                "words": [{"word": word.text, "share": word.share} for word in relevance.words],
                "places": relevance.places.tolist(),
                "out": str(out),
            }
        )
    else:
        show_table(("word", "share"), [(word.text, f"{word.share:.0%}") for word in relevance.words])
        console_on(stderr=False).print(f"similarity {relevance.similarity:.3f}; {relevance.method}", highlight=False)
    (note if as_json else console_on(stderr=False).print)(f"drawn: {printable(out)}")
    return ALL_DONE


def show_demo(demo: Demo, *, as_json: bool) -> int:
    """Say what was asked and who was found; the sheet's name comes last. Returns the exit code."""
    if as_json:
        answers = [answer.to_json() for answer in demo.answers]
        show_json({"gallery": str(demo.gallery), "index": str(demo.index), "sheet": str(demo.sheet), "answers": answers})
    else:
        console_on(stderr=False).print(
            f"{demo.report.people} people in {demo.report.photos} drawn streets in {printable(demo.gallery)}", highlight=False
        )
        for answer in demo.answers:
            console_on(stderr=False).print(f"\n[bold]{answer.question.text}[/bold]", highlight=False)
            _show_hits(answer.people)
    show_failures(demo.report.failed)
    (note if as_json else console_on(stderr=False).print)(f"the answers, drawn: {printable(demo.sheet)}")
    return exit_code(demo.report.indexed, len(demo.report.failed))


def _stay(person: Person) -> str:
    """How long somebody was there."""
    return "" if person.first is None or person.last is None else f"{person.last - person.first:.0f} s"


def _companion(hit: Hit) -> str:
    """Who is near somebody: where, when, and how likely they are who was described."""
    from passerby.media.clock import seen_at

    box = hit.crop.box.text if hit.crop.box else ""
    probability = "" if hit.probability is None else f"{hit.probability:.0%}"
    return " ".join(filter(None, (box, seen_at(hit), probability)))


def _show_hits(hits: Sequence[Hit]) -> None:
    from passerby.media.clock import clock_of, seen_at

    boxes = [hit.crop.box for hit in hits]
    qualities = [hit.crop.quality for hit in hits]
    optional: dict[str, list[str | None]] = {
        "box": ["" if box is None else box.text for box in boxes],
        "quality": ["" if quality is None else f"{quality:.2f}" for quality in qualities],
        "probability": [None if hit.probability is None else f"{hit.probability:.0%}" for hit in hits],
        "with": ["" if hit.beside is None else _companion(hit.beside) for hit in hits],
        "together": [None if hit.together is None else f"{hit.together:.0%}" for hit in hits],
        "fits": [", ".join(fit.phrase for fit in hit.fits if fit.fits) for hit in hits],
        "doubtful": [", ".join(fit.phrase for fit in hit.fits if fit.doubtful) for hit in hits],
        "device": [hit.person.media.pushed_by for hit in hits],
        "copies": [f"+{hit.alike} alike" if hit.alike else "" for hit in hits],
        "clock": [clock_of(hit) for hit in hits],
        "time": [seen_at(hit) for hit in hits],
        "there": [_stay(hit.person) for hit in hits],
        "camera": [hit.person.media.camera or "" for hit in hits],
        "away": ["" if since is None else f"since {local_time(since)}" for since in (hit.person.media.away_since for hit in hits)],
    }
    shown = {name: column for name, column in optional.items() if any(column)}
    rows = [
        (hit.rank, f"{hit.score:.3f}", *cells, hit.person.media.own_path)
        for hit, cells in zip(hits, zip(*shown.values(), strict=True) if shown else [()] * len(hits), strict=True)
    ]
    show_table(("rank", "score", *shown, "path"), rows, whole="path")
