import os
from pathlib import Path
from unicodedata import normalize

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmbench.datasets.formats.captions import EOS, EXC, LENGTH, PAD, SPECIALS, Vocabulary, tokenise
from mmbench.media.pictures import sentence

# What nltk 3.10's NLTKWordTokenizer makes of each, one sentence at a time.
CASES = {
    "this bird has a red beak, and long legs.": "this bird has a red beak , and long legs .",
    "A Large Bird.": "a large bird .",
    "birds head,neck and breast": "birds head , neck and breast",
    "the bird's beak isn't red, it's black": "the bird 's beak is n't red , it 's black",
    "long tarsus', and webbed feet.": "long tarsus ' , and webbed feet .",
    "a gray-black, medium-sized bird": "a gray-black , medium-sized bird",
    "white throat/neck": "white throat/neck",
    "black tarsus and (webbed) feet, and": "black tarsus and ( webbed ) feet , and",
    "it has a long bill. the wings are black": "it has a long bill . the wings are black",
    "a short beak.and a long tail.": "a short beak.and a long tail .",
    "secondaries & primaries": "secondaries & primaries",
    "small ... and brown..": "small ... and brown ..",
    "white--and black": "white -- and black",
    "wings: black; tail: white!": "wings : black ; tail : white !",
    "about 1,590 at 2.5 to 3:1.": "about 1,590 at 2.5 to 3:1 .",
    'a "red" bird.': "a `` red '' bird .",
    '"a red bird."': "`` a red bird . ''",
    'it appears 11"-12" long.': "it appears 11 '' -12 '' long .",
    "it can't fly, you cannot see they're small": "it ca n't fly , you can not see they 're small",
    "a face , and long": "a face , and long",
    "the 'crown' is red": "the ' crown ' is red",
}


@pytest.mark.parametrize("text", CASES)
def test_words_are_those_of_the_penn_treebank(text):
    assert tokenise(text) == CASES[text].split()


def test_lost_and_curly_characters():
    # two of U+FFFD is how a no-break space arrives in the published captions
    assert tokenise("this\ufffd\ufffdbird’s beak") == ["this", "bird", "'s", "beak"]
    assert tokenise("this\u00a0bird") == ["this", "bird"]
    assert tokenise(" \ufffd\t") == []


def test_a_word_is_one_in_both_forms_of_unicode():
    assert tokenise("cafe\u0301 caf\u00e9") == ["caf\u00e9"] * 2


@given(st.text(st.characters(codec="utf-8", exclude_characters='"`‘’\ufffd'), max_size=40))
def test_nothing_is_lost_but_spaces(text):
    words = tokenise(text)
    assert "".join(words) == "".join(normalize("NFC", text).lower().split())
    assert all(word and not word.isspace() for word in words)


def test_a_vocabulary_keeps_words_that_occur_more_than_three_times():
    captions = [["b", "a"], ["a", "c"], ["b", "a", "a"], ["b", "c", "c", "b"], ["<eos>"] * 5]
    assert Vocabulary.of(captions).words == (*SPECIALS, "b", "a")  # in the order of first use
    assert (EXC, PAD, EOS) == tuple(map(SPECIALS.index, ("<exc>", "<pad>", "<eos>")))


def test_captions_are_ended_cut_and_padded():
    vocabulary = Vocabulary((*SPECIALS, "a", "b"))
    rows = vocabulary.tokens([["a", "x", "b"], ["a"] * 31, ["b"] * 32, []])
    assert rows.dtype == torch.int16 and rows.shape == (4, LENGTH)
    assert rows[0].tolist() == [3, EXC, 4, EOS] + [PAD] * 28
    assert rows[1].tolist() == [3] * 31 + [EOS]
    assert rows[2].tolist() == [4] * 31 + [EOS]
    assert rows[3].tolist() == [EOS] + [PAD] * 31


@given(st.lists(st.sampled_from("abcd"), max_size=31))
def test_tokens_read_back(words):
    vocabulary = Vocabulary((*SPECIALS, *"abcd"))
    (row,) = vocabulary.tokens([words]).tolist()
    assert sentence(vocabulary.words, row).split() == words


def test_rows_that_models_make_up_are_read_to_their_end():
    words = (*SPECIALS, "a", "b")
    assert sentence(words, [3, PAD, EXC, EOS, 4]) == "a <exc>"
    assert sentence(words, [4] * LENGTH).split() == ["b"] * LENGTH


@pytest.mark.realdata
def test_real_captions_fit_the_vocabulary():
    texts = Path(os.environ["MMBENCH_DATA"]) / "cub" / "text"
    if not texts.is_dir():
        pytest.skip(f"needs {texts}")
    captions = [
        tokenise(line)
        for path in sorted(texts.glob("*/*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(captions) == 3760
    assert sum(map(len, captions)) == 62_863  # as nltk 3.10.4 counts them after punkt
    vocabulary = Vocabulary.of(captions)
    assert "bird" in vocabulary.words and not any("." in w[:-1] for w in vocabulary.words[:100])
    unknown = sum(w not in vocabulary.words for caption in captions for w in caption)
    assert unknown / 62_863 < 0.02
