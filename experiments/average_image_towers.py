"""Average the image towers of runs that went on from one model, that model's included; the text tower stays.

The mean of the weights of runs that differ by chance is often better than each (Wortsman et al., "Model soups", ICML 2022). Means and
spreads in the batch norms are taken anew, of training pictures as they are. Runs are of one config but for what chance decides:

    passerby train configs/passerby-s/6-again.toml
    passerby train configs/passerby-s/6-again.toml --set seed=12 --set out=runs/passerby-s/6-again-12
    python experiments/average_image_towers.py configs/passerby-s/6-again.toml runs/passerby-s/6-again*/model --out runs/passerby-s/6-mean
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from passerby.data.datasets import load_dataset
from passerby.learn.config import read_config
from passerby.learn.data.batches import resized
from passerby.learn.models.model_folder import read_compact, save_model
from passerby.learn.start import preprocessing_of, starting_model
from passerby.model.preprocess import Preprocessing, normalise
from passerby.types import Record, Split

BATCH = 128


def mean_of(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of weights of one shape, in float64; of counts, the first's."""
    first, *_ = states
    return {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(weight.dtype) if weight.is_floating_point() else weight
        for name, weight in first.items()
    }


def shown(records: Sequence[Record], preprocessing: Preprocessing) -> Iterator[Tensor]:
    """Pictures in batches, ``float32 (n, 3, h, w)``."""
    for start in range(0, len(records), BATCH):
        pixels = normalise(np.stack(list(resized(records[start : start + BATCH], preprocessing))), preprocessing)
        yield torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="of the runs; its start is averaged too")
    parser.add_argument("models", type=Path, nargs="+", help="what they made")
    parser.add_argument("--pictures", type=int, default=6144, help="that the batch norms see")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    config = read_config(given.config)
    preprocessing, stage = preprocessing_of(config.stages[-1]), config.stages[-1]
    model, tokenizer = starting_model(config)
    tower = model.image_tower
    tower.load_state_dict(mean_of([tower.state_dict(), *(read_compact(folder).image_tower.state_dict() for folder in given.models)]))
    records = load_dataset(Path(config.data), {Split.TRAIN}).records
    seen = records[:: max(1, len(records) // given.pictures)][: given.pictures]
    with torch.no_grad():
        update_bn(shown(seen, preprocessing), tower)
    save_model(
        given.out,
        model.eval(),
        tokenizer=tokenizer,
        max_tokens=config.words.max_tokens,
        preprocessing=preprocessing,
        temperature=stage.losses.info_nce_temperature,
        made_of={"start": config.start, "mean_of": [str(folder) for folder in given.models], "pictures": len(seen)},
    )
    print(f"{given.out}: the mean of {1 + len(given.models)} image towers, their batch norms by {len(seen)} pictures")


if __name__ == "__main__":
    main()
