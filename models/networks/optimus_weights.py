"""The published weights of Optimus, for captions of another vocabulary.

Their authors (https://github.com/ChunyuanLI/Optimus) train on pieces of words: bert-base-cased's
WordPiece and GPT-2's byte pairs, with three tokens of their own. Here a word is one token, and
begins with the mean of its pieces' embeddings: with the published embedding where it is one piece,
as most are. All else is taken as it is. A folder of weights holds

- training.bin: of the folder checkpoint-full-* that the authors publish;
- vocab.txt: the vocabulary of bert-base-cased;
- vocab.json and merges.txt: the vocabulary of gpt2.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.errors import first_line

FILES = ("training.bin", "vocab.txt", "vocab.json", "merges.txt")

BERT = {"<exc>": "[UNK]", "<pad>": "[PAD]", "<eos>": "[SEP]"}
"""What BERT calls the words of captions that are no words; a text begins with [CLS]."""
GPT2 = {"<exc>": "<|endoftext|>", "<pad>": "<PAD>", "<eos>": "<EOS>"}
"""What GPT-2 calls them; a text begins with <BOS>."""
ADDED = ("<PAD>", "<BOS>", "<EOS>")
"""What the authors append to GPT-2's vocabulary."""

_COMPUTED = (".attn.bias", ".attn.masked_bias", ".position_ids")  # masks and numbers, no weights

State = Mapping[str, Tensor]


def check(folder: Path) -> None:
    """Refuses a folder that lacks a file.

    Raises:
        FileNotFoundError: It does.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no file {name}, expected the weights of "
                                    f"Optimus: {', '.join(FILES)}")  # fmt: skip


def fill_encoder(network: nn.Module, words: Sequence[str], folder: Path) -> None:
    """Gives `mmbench.models.networks.optimus.Encoder` the published weights.

    Of as many outputs as the published latent has values it is the mean of the posterior; of twice
    as many, the mean and the log-variance.

    Args:
        network: What to fill.
        words: Of its modality.
        folder: Of the weights.

    Raises:
        ValueError: A file holds something else, or weights of other sizes.
    """
    path = folder / FILES[0]
    theirs = _state(path, "encoder")
    ours = {k if k == "linear.weight" else f"bert.{k}": x for k, x in theirs.items()}
    table, places = "bert.embeddings.word_embeddings.weight", "bert.embeddings.position_embeddings"
    pieces = _bert(folder / FILES[1])
    _words(
        ours, table, words, lambda w: pieces(BERT.get(w, w)), pieces("[CLS]"), folder / FILES[1]
    )
    _first(ours, f"{places}.weight", network)
    outputs, linear = len(network.get_parameter("linear.weight")), ours.get("linear.weight")
    if linear is not None and 2 * outputs == len(linear):
        ours["linear.weight"] = linear[:outputs]
    _fill(network, ours, path, "BERT")


def fill_decoder(network: nn.Module, words: Sequence[str], folder: Path) -> None:
    """Gives `mmbench.models.networks.optimus.Decoder` the published weights.

    Args:
        network: What to fill.
        words: Of its modality.
        folder: Of the weights.

    Raises:
        ValueError: A file holds something else, or weights of other sizes.
    """
    path = folder / FILES[0]
    renamed = {"transformer.linear.weight": "memory.weight",
               "transformer.linear_emb.weight": "embedding.weight"}  # fmt: skip
    ours = {
        renamed.get(k, k.replace("transformer.", "gpt2.", 1)): x
        for k, x in _state(path, "decoder").items()
        if k != "lm_head.weight"  # it is the table of embeddings
    }
    pieces = _gpt2(folder / FILES[2], folder / FILES[3])
    _words(ours, "gpt2.wte.weight", words, lambda w: pieces(GPT2.get(w, w)), pieces("<BOS>"),
           folder / FILES[2])  # fmt: skip
    _first(ours, "gpt2.wpe.weight", network)
    _fill(network, ours, path, "GPT-2")


def _state(path: Path, part: str) -> dict[str, Tensor]:
    """The parameters of a part, "encoder" or "decoder", by the authors' names."""
    try:
        # they keep the command's arguments beside the weights
        with torch.serialization.safe_globals([argparse.Namespace]):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a readable file of weights "
                         f"({type(error).__name__})") from None  # fmt: skip
    state = found.get("model_state_dict") if isinstance(found, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f"{path} has no model_state_dict, expected training.bin of Optimus")
    prefix = f"{part}."
    return {
        k.removeprefix(prefix): x
        for k, x in state.items()
        if k.startswith(prefix) and not k.endswith(_COMPUTED)
    }


def _words(
    state: dict[str, Tensor],
    name: str,
    words: Sequence[str],
    pieces: Callable[[str], list[int]],
    start: list[int],
    vocabulary: Path,
) -> None:
    """Replaces a table of pieces' embeddings by one of words', the start of a text being last."""
    table = state.get(name)
    if table is None:
        return  # told with all else that is missing
    rows = [*map(pieces, words), start]
    if max(map(max, rows)) >= len(table):
        raise ValueError(f"{vocabulary} has more pieces than the {len(table):,} embeddings of "
                         f"{FILES[0]}, expected that which they were trained with")  # fmt: skip
    state[name] = torch.stack([table[row].mean(0) for row in rows])


def _first(state: dict[str, Tensor], name: str, network: nn.Module) -> None:
    """Keeps as many positions as the network has."""
    if name in state:
        state[name] = state[name][: len(network.get_parameter(name))]


def _fill(network: nn.Module, state: State, path: Path, title: str) -> None:
    """Loads all parameters of a network, and nothing else."""
    expected = network.state_dict()
    missing, surplus = (
        sorted(expected.keys() - state.keys()),
        sorted(state.keys() - expected.keys()),
    )
    if missing or surplus:
        example = f"lacks {missing[0]}" if missing else f"has {surplus[0]} besides"
        raise ValueError(
            f"{path} is not an Optimus of this size: of {len(expected)} parameters of {title} it "
            f"holds {len(expected) - len(missing)}, and {len(surplus)} others (it {example})"
        )
    for name, x in state.items():
        if x.shape != expected[name].shape:
            shape = tuple(expected[name].shape)
            raise ValueError(f"{path} has {name} of shape {tuple(x.shape)}, expected {shape} for "
                             "this latent and text")  # fmt: skip
    network.load_state_dict(state)


def _bert(path: Path) -> Callable[[str], list[int]]:
    """WordPiece: a word -> its pieces."""
    from tokenizers import BertWordPieceTokenizer

    found = _readable(lambda: BertWordPieceTokenizer(str(path), lowercase=False), path)
    unknown = [found.token_to_id("[UNK]")]
    return lambda word: found.encode(word, add_special_tokens=False).ids or unknown


def _gpt2(vocabulary: Path, merges: Path) -> Callable[[str], list[int]]:
    """Byte pairs: a word, after a space, -> its pieces."""
    from tokenizers import ByteLevelBPETokenizer

    found = _readable(
        lambda: ByteLevelBPETokenizer(str(vocabulary), str(merges), add_prefix_space=True),
        vocabulary,
    )
    size = found.get_vocab_size()
    special = {name: [size + i] for i, name in enumerate(ADDED)}
    end = found.token_to_id("<|endoftext|>")
    special["<|endoftext|>"] = [] if end is None else [end]
    return lambda word: special.get(word) or list(found.encode(word).ids)


def _readable(read: Callable[[], Any], path: Path) -> Any:
    try:
        return read()
    except Exception as error:  # the library raises no narrower one
        raise ValueError(f"{path} is not a readable vocabulary ({first_line(error)})") from None
