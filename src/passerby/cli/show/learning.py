"""What a training run has made, and how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from passerby.cli.show.console import exit_code, note

if TYPE_CHECKING:
    from passerby.learn.lora.finetune import Finetuned


def show_finetuned(made: Finetuned, kind: str) -> int:
    """Say what was made and what it is worth beside its base; returns the exit code.

    Args:
        kind: ``adapter`` or ``model``.
    """
    if made.gain:
        note(f"val: Rank-1 {made.gain.mean:+.2f} beside the base (95 % interval {made.gain.low:+.2f} to {made.gain.high:+.2f})")
    if not made.is_better:
        note(f"caution: nothing that was learnt finds more on val than the base does; use the base without this {kind}, or learn from more")
    if unused := len(made.problems) + made.unread:
        note(f"what of the dataset could not be used, or is doubtful, is listed above ({unused})")
    note(f"the {kind} is {made.folder}")
    return exit_code(1, unused + (not made.is_better))
