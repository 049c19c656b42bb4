"""The published weights of Optimus, for captions of another vocabulary.

Their authors (https://github.com/ChunyuanLI/Optimus) train on pieces of words: bert-base-cased's
WordPiece and GPT-2's byte pairs, with three tokens of their own. Here a word is one token, and
begins with the mean of its pieces' embeddings: with the published embedding where it is one piece,
as most are. All other weights are used unchanged. A folder of weights holds

- training.bin: from the folder checkpoint-full-* that the authors publish;
- vocab.txt: the vocabulary of bert-base-cased;
- vocab.json and merges.txt: the vocabulary of gpt2.
"""

import argparse
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.errors import first_line

FILES = ("training.bin", "vocab.txt", "vocab.json", "merges.txt")

BERT = {"<exc>": "[UNK]", "<pad>": "[PAD]", "<eos>": "[SEP]"}
"""BERT's tokens for the special words of captions; a text begins with [CLS]."""
GPT2 = {"<exc>": "<|endoftext|>", "<pad>": "<PAD>", "<eos>": "<EOS>"}
"""GPT-2's tokens for them; a text begins with <BOS>."""
ADDED = ("<PAD>", "<BOS>", "<EOS>")
"""The tokens that the authors append to GPT-2's vocabulary."""

_COMPUTED = (".attn.bias", ".attn.masked_bias", ".position_ids")  # masks and numbers, no weights

RENAMED = {
    "transformer.linear.weight": "memory.weight",
    "transformer.linear_emb.weight": "embedding.weight",
}


def check(folder: Path) -> None:
    """Checks that a folder has all files.

    Raises:
        FileNotFoundError: A file is missing.
    """
    for name in FILES:
        if not (folder / name).is_file():
            expected = f"the weights of Optimus: {', '.join(FILES)}"
            raise FileNotFoundError(f"{folder} has no file {name}, expected {expected}")


def fill_encoder(network: nn.Module, words: Sequence[str], folder: Path) -> None:
    """Gives `mmbench.models.networks.optimus.Encoder` the published weights.

    With as many outputs as the published latent has values, the encoder returns the mean of the
    posterior; with twice as many, the mean and the log-variance.

    Args:
        network: The network to fill.
        words: The words of its modality.
        folder: The folder of the weights.

    Raises:
        ValueError: A file does not hold these weights, or they have other sizes.
    """
    path = folder / FILES[0]
    theirs = _state(path, "encoder")
    ours = {k if k == "linear.weight" else f"bert.{k}": x for k, x in theirs.items()}
    vocabulary, embeddings = folder / FILES[1], "bert.embeddings"
    pieces = _bert(vocabulary)
    rows = [pieces(BERT.get(w, w)) for w in words] + [pieces("[CLS]")]
    _words(ours, f"{embeddings}.word_embeddings.weight", rows, vocabulary)
    _first(ours, f"{embeddings}.position_embeddings.weight", network)
    outputs, linear = len(network.get_parameter("linear.weight")), ours.get("linear.weight")
    if linear is not None and 2 * outputs == len(linear):
        ours["linear.weight"] = linear[:outputs]
    _fill(network, ours, path, "BERT")


def fill_decoder(network: nn.Module, words: Sequence[str], folder: Path) -> None:
    """Gives `mmbench.models.networks.optimus.Decoder` the published weights, likewise."""
    path = folder / FILES[0]
    theirs = _state(path, "decoder")
    theirs.pop("lm_head.weight", None)  # it is the table of embeddings
    ours = {RENAMED.get(k, k.replace("transformer.", "gpt2.", 1)): x for k, x in theirs.items()}
    vocabulary = folder / FILES[2]
    pieces = _gpt2(vocabulary, folder / FILES[3])
    rows = [pieces(GPT2.get(w, w)) for w in words] + [pieces("<BOS>")]
    _words(ours, "gpt2.wte.weight", rows, vocabulary)
    _first(ours, "gpt2.wpe.weight", network)
    _fill(network, ours, path, "GPT-2")


def _state(path: Path, part: str) -> dict[str, Tensor]:
    """The parameters of a part, "encoder" or "decoder", by the authors' names."""
    try:
        # they keep the command's arguments beside the weights
        with torch.serialization.safe_globals([argparse.Namespace]):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        why = type(error).__name__
        raise ValueError(f"{path} is not a readable file of weights ({why})") from None
    state = found.get("model_state_dict") if isinstance(found, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f"{path} has no model_state_dict, expected training.bin of Optimus")
    prefix = f"{part}."
    return {
        k.removeprefix(prefix): x
        for k, x in state.items()
        if k.startswith(prefix) and not k.endswith(_COMPUTED)
    }


def _words(state: dict[str, Tensor], name: str, rows: list[list[int]], vocabulary: Path) -> None:
    """Replaces a table of pieces' embeddings by one of words', each row the mean of its pieces.

    The last row is the start of a text.
    """
    table = state.get(name)
    if table is None:
        return  # reported with all else that is missing
    if max(map(max, rows)) >= len(table):
        raise ValueError(
            f"{vocabulary} has more pieces than the {len(table):,} embeddings of {FILES[0]}, "
            "expected the vocabulary that they were trained with"
        )
    state[name] = torch.stack([table[row].mean(0) for row in rows])


def _first(state: dict[str, Tensor], name: str, network: nn.Module) -> None:
    """Keeps only as many positions as the network has."""
    if name in state:
        state[name] = state[name][: len(network.get_parameter(name))]


def _fill(network: nn.Module, state: dict[str, Tensor], path: Path, title: str) -> None:
    """Loads all parameters of a network, and nothing else."""
    expected = network.state_dict()
    missing = sorted(expected.keys() - state.keys())
    surplus = sorted(state.keys() - expected.keys())
    if missing or surplus:
        example = f"lacks {missing[0]}" if missing else f"has {surplus[0]} besides"
        raise ValueError(
            f"{path} is not an Optimus of this size: of {len(expected)} parameters of {title} it "
            f"holds {len(expected) - len(missing)}, and {len(surplus)} others (it {example})"
        )
    for name, x in state.items():
        if x.shape != expected[name].shape:
            wanted = f"expected {tuple(expected[name].shape)} for this latent and text"
            raise ValueError(f"{path} has {name} of shape {tuple(x.shape)}, {wanted}")
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

    files = str(vocabulary), str(merges)
    found = _readable(lambda: ByteLevelBPETokenizer(*files, add_prefix_space=True), vocabulary)
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
