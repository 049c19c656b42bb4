"""The published weights of Optimus in networks of another vocabulary, and what a protocol asks."""

import json
from argparse import Namespace

import pytest
import torch

from mmbench.architecture import Architecture, Pretrained, architectures, identified
from mmbench.core.data import Modality
from mmbench.core.likelihood import Likelihood
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.models.networks import optimus
from mmbench.models.networks.optimus import Size
from mmbench.seeds import stream

transformers = pytest.importorskip(
    "transformers", reason="needs mmbench[text]: the networks of BERT and GPT-2 go untested"
)

TINY = Size(16, 2, 2)
WORDS = (*SPECIALS, "a", "bird", "red", "reddish", "wing")
TEXT = Modality("sentence", "text", (6,), WORDS)
CATEGORICAL = Likelihood("categorical")
BERT_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "bird", "red", "##dish", "wing")
LETTERS = tuple("Ġabdeghinrsw")
MERGES = (
    "Ġ a",
    "Ġ b",
    "Ġb i",
    "Ġbi r",
    "Ġbir d",
    "Ġ r",
    "Ġr e",
    "Ġre d",
    "Ġ w",
    "Ġw i",
    "Ġwi n",
    "Ġwin g",
)
GPT2_PIECES = (*LETTERS, *(m.replace(" ", "") for m in MERGES), "<|endoftext|>")


def latents(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed, "latents"))


def published(latent=5):
    """Both networks over pieces of words, and their parameters by the authors' names."""
    torch.manual_seed(1)
    bert = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=len(BERT_PIECES),
            hidden_size=TINY.width,
            num_hidden_layers=TINY.layers,
            num_attention_heads=TINY.heads,
            intermediate_size=4 * TINY.width,
            max_position_embeddings=20,
        )
    ).eval()
    gpt2 = transformers.GPT2Model(
        transformers.GPT2Config(
            vocab_size=len(GPT2_PIECES) + 3,
            n_embd=TINY.width,
            n_layer=TINY.layers,
            n_head=TINY.heads,
            n_positions=30,
        )
    ).eval()
    state = {f"encoder.{k}": x for k, x in bert.state_dict().items()}
    state |= {f"decoder.transformer.{k}": x for k, x in gpt2.state_dict().items()}
    state["encoder.linear.weight"] = latents(2 * latent, TINY.width)
    state["decoder.transformer.linear.weight"] = latents(TINY.layers * TINY.width, latent, seed=1)
    state["decoder.transformer.linear_emb.weight"] = latents(TINY.width, latent, seed=2)
    state["decoder.lm_head.weight"] = state["decoder.transformer.wte.weight"]
    state["decoder.transformer.h.0.attn.bias"] = torch.ones(1, 1, 30, 30)  # a mask, of that time
    return bert, gpt2, state


def write(folder, state):
    args = Namespace(latent_size=5, device=torch.device("cpu"))
    content = {"iter": 1, "model_state_dict": state, "beta": 0.5, "args": args}
    torch.save(content, folder / "training.bin")
    (folder / "vocab.txt").write_text("\n".join(BERT_PIECES) + "\n")
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(GPT2_PIECES)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")


def loaded(folder, latent=5, outputs=10):
    part = Architecture(TEXT, optimus.load(folder, TINY), CATEGORICAL)
    return part, part.encoder(outputs).eval(), part.decoder(latent).eval()


SENTENCE = ["a", "red", "bird", "<eos>", "<pad>", "<pad>"]
TOKENS = torch.tensor([[WORDS.index(w) for w in SENTENCE]])


def test_the_encoder_is_the_published_one(tmp_path):
    bert, _, state = published()
    write(tmp_path, state)
    pieces = torch.tensor([[BERT_PIECES.index(p) for p in ("[CLS]", "a", "red", "bird", "[SEP]")]])
    linear = state["encoder.linear.weight"]
    expected = bert(pieces).pooler_output @ linear.T
    torch.testing.assert_close(loaded(tmp_path)[1](TOKENS), expected, atol=1e-5, rtol=1e-5)
    mean = loaded(tmp_path, outputs=5)[1](TOKENS)
    torch.testing.assert_close(mean, expected[:, :5], atol=1e-5, rtol=1e-5)


def test_the_decoder_is_the_published_one(tmp_path):
    """Its logits of words of one piece are those of the pieces, the memory before them."""
    _, gpt2, state = published()
    write(tmp_path, state)
    z = latents(1, 5)
    *_, begin, end = range(len(GPT2_PIECES) + 3)  # <PAD>, <BOS>, <EOS>
    one = {w: GPT2_PIECES.index(f"Ġ{w}") for w in ("a", "red", "bird", "wing")} | {"<eos>": end}
    seen = gpt2.wte(torch.tensor([[begin, *(one[w] for w in SENTENCE[:3])]]))
    seen = seen + z @ state["decoder.transformer.linear_emb.weight"].T
    memory = transformers.DynamicCache()
    for i, past in enumerate((z @ state["decoder.transformer.linear.weight"].T).chunk(2, 1)):
        past = past.view(1, TINY.heads, 1, -1)
        memory.update(past, past, i)
    hidden = gpt2(inputs_embeds=seen, past_key_values=memory).last_hidden_state
    expected = (hidden @ gpt2.wte.weight.T)[..., list(one.values())]
    logits = loaded(tmp_path)[2](z).logits(TOKENS)[:, :4, [WORDS.index(w) for w in one]]
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_a_word_of_several_pieces_begins_as_their_mean(tmp_path):
    bert, gpt2, state = published()
    write(tmp_path, state)
    _, encoder, decoder = loaded(tmp_path)
    for table, theirs, known, pieces in (
        (
            encoder.bert.embeddings.word_embeddings,
            bert.embeddings.word_embeddings,
            BERT_PIECES,
            ("red", "##dish"),
        ),
        (decoder.gpt2.wte, gpt2.wte, GPT2_PIECES, ("Ġred", "d", "i", "s", "h")),
    ):
        mean = theirs.weight[[known.index(p) for p in pieces]].mean(0)
        torch.testing.assert_close(table.weight[WORDS.index("reddish")], mean)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: s.pop("encoder.pooler.dense.bias"),
            "of 40 parameters of BERT it holds 39, and 0 others .it lacks bert.pooler.dense.bias",
        ),
        (
            lambda s: s.update({"encoder.encoder.layer.2.x": torch.ones(1)}),
            "and 1 others .it has bert.encoder.layer.2.x besides",
        ),
        (lambda s: s.pop("decoder.transformer.wte.weight"), "lacks gpt2.wte.weight"),
        (
            lambda s: s.update({"decoder.transformer.linear.weight": torch.ones(32, 7)}),
            r"memory.weight of shape \(32, 7\), expected \(32, 5\)",
        ),
        (
            lambda s: s.update({"decoder.transformer.wte.weight": torch.ones(20, 16)}),
            "vocab.json has more pieces than the 20 embeddings",
        ),
        (
            lambda s: s.update({"decoder.transformer.wpe.weight": torch.ones(3, 16)}),
            r"gpt2.wpe.weight of shape \(3, 16\), expected \(7, 16\)",
        ),
    ],
)
def test_other_weights_are_told(change, words, tmp_path):
    state = published()[2]
    change(state)
    write(tmp_path, state)
    with pytest.raises(ValueError, match=words):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("training.bin", b"no weights", "training.bin is not a readable file of weights"),
        ("vocab.json", b"{", "vocab.json is not a readable vocabulary"),
        ("vocab.txt", b"a\n", "vocab.txt is not a readable vocabulary"),
    ],
)
def test_damaged_files_are_told(name, content, words, tmp_path):
    write(tmp_path, published()[2])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        loaded(tmp_path)


# What a protocol may ask for


def table(network, **more):
    return {
        "sentence": {
            "network": f"mmbench.models.networks.{network}",
            "likelihood": {"distribution": "categorical"},
            **more,
        }
    }


def test_pretrained_networks_without_weights_are_refused(tmp_path):
    words = r"modalities\.sentence: .*optimus:pretrained begins .* expected their folder"
    with pytest.raises(ValueError, match=words):
        architectures([TEXT], table("optimus:pretrained"))
    with pytest.raises(FileNotFoundError, match=r"has no file training\.bin"):
        architectures([TEXT], table("optimus:pretrained", weights=str(tmp_path)))
    with pytest.raises(ValueError, match=r"weights is 'x', but .*optimus:small begins without"):
        architectures([TEXT], table("optimus:small", weights="x"))


def test_published_weights_are_known_by_their_content(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, published()[2])
    monkeypatch.setattr(optimus, "pretrained", Pretrained(lambda f: optimus.load(f, TINY)))
    a, b = (
        identified(table("optimus:pretrained", weights=str(tmp_path / name)))
        for name in ("a", "b")
    )
    assert a["sentence"]["sha256"] == b["sentence"]["sha256"]
    assert identified(a) == a
    architectures([TEXT], a)
    (tmp_path / "a" / "vocab.txt").write_text("\n".join(BERT_PIECES[::-1]))
    changed = identified(table("optimus:pretrained", weights=str(tmp_path / "a")))
    assert changed["sentence"]["sha256"] != b["sentence"]["sha256"]
    assert identified(a) == a  # of a record
    with pytest.raises(
        ValueError,
        match=r"modalities\.sentence: the weights in .* have the "
        f"sha256 {changed['sentence']['sha256'][:16]}, expected",
    ):
        architectures([TEXT], a)
    with pytest.raises(FileNotFoundError, match="there is no folder nowhere"):
        identified(table("optimus:pretrained", weights="nowhere"))
    plain = table("optimus:small")
    assert identified(plain) == plain


def test_the_full_size_is_that_of_the_paper():
    part = architectures([TEXT], table("optimus:full"))["sentence"]
    with torch.device("meta"):
        encoder, decoder = part.encoder(2 * 768), part.decoder(768)
    layers = 12 * (12 * 768**2 + 13 * 768)  # of either, without embeddings
    for network in (encoder.bert.encoder, decoder.gpt2.h):
        assert sum(p.numel() for p in network.parameters()) == layers
