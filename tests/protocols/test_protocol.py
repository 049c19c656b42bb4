import tomllib
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from mmbench.core.data import Kind
from mmbench.files.toml import to_toml
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.protocols import shipped
from mmbench.protocols.protocol import digest, load, override, part, resolve
from mmbench.protocols.variants import shipped_hash, variants

PROTOCOL = {
    "modalities": {"a": {"network": "x:y"}},
    "models": {"mld": {"d": 0.5, "score": {"epochs": 3}}, "mvae": {}},
    "evaluation": {"metrics": {}},
}


SHIPPED = sorted({f.stem for f in Path(str(files("mmbench") / "protocols")).rglob("*.toml")})


def test_a_whole_number_for_a_float_is_the_float(tmp_path):
    """Equal settings must have equal hashes, or a run is made again in a row of its own."""
    name = "mhd-mini"
    table = load(name)["models"]["mopoe"]
    beta, rate = table["beta"], table["training"]["learning_rate"]
    assert beta == 1.0 and isinstance(beta, float) and isinstance(rate, float)
    own = tmp_path / "own.toml"
    own.write_text("[models.mopoe]\nbeta = 1\n")
    for changed in (load(name, None, ["models.mopoe.beta=1"]), load(name, str(own))):
        assert digest(resolve(changed, "mopoe")) == digest(resolve(load(name), "mopoe"))
    settings = ["models.mopoe.training.learning_rate=2", "models.mopoe.training.epochs=2"]
    training = load(name, None, settings)["models"]["mopoe"]["training"]
    assert isinstance(training["learning_rate"], float) and isinstance(training["epochs"], int)
    of_like = override(
        {**PROTOCOL, "models": {"mld": {"d": 0.5}, "own": {"like": "mld"}}}, ["models.own.d=1"]
    )
    assert isinstance(of_like["models"]["own"]["d"], float)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_protocol_is_well_formed(name):
    protocol = load(name)
    for model in protocol["models"]:
        if ":" in model and not find_spec("multivae"):
            continue  # needs the extra [multivae]
        assert set(resolve(protocol, model)) == {"modalities", "model", "evaluation"}


def test_override_changes_a_copy():
    settings = "models.mld.score.epochs=10|models.mld.d = 0.25|models.mld.latent={a=4}"
    changed = override(PROTOCOL, [*settings.split("|"), "models.mld.kind=plain"])
    mld = changed["models"]["mld"]
    assert mld == {"d": 0.25, "score": {"epochs": 10}, "latent": {"a": 4}, "kind": "plain"}
    assert PROTOCOL["models"]["mld"]["d"] == 0.5


def test_a_setting_of_a_modality_may_have_its_name_where_the_protocol_has_its_kind():
    kinds = load("mine")["modalities"]
    assert set(kinds) >= {"<text>", "<image>"}
    changed = load("mine", settings=["modalities.image.network=generic/vector"])["modalities"]
    assert changed == kinds | {"image": {"network": "generic/vector"}}
    with pytest.raises(ValueError, match=r"did you mean 'modalities\.sentence\.network'"):
        load("cub", settings=["modalities.sentense.network=generic/text"])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("models.mdl.d=1", "models has no table 'mdl'; did you mean 'models.mld.d'"),
        ("model.mld.d=1", "the protocol has no table 'model'; did you mean 'models.mld.d'"),
        (
            "models.mld.scores.epochs=1",
            "no table 'scores'; did you mean 'models.mld.score.epochs'",
        ),
        ("mld.epochs=1", "no table 'mld'; did you mean 'models.mld.score.epochs'"),
        ("epochs=1", "'epochs' is not a setting; did you mean 'models.mld.score.epochs'"),
        ("foo.bar=1", "no table 'foo'; there is modalities, models, evaluation"),
        ("models.mld.d", "not of the form KEY=VALUE"),
        ("=3", "not of the form KEY=VALUE"),
        ("models=3", "models is a whole table: set a key in it, as in"),
        ("model=3", "'model' is not a setting; did you mean 'models'"),
    ],
)
def test_bad_settings_are_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        override(PROTOCOL, [setting])


def test_a_table_of_a_model_may_be_left_at_its_default():
    """As factors by modality: which settings the model takes is checked where it is built."""
    changed = override(PROTOCOL, ["models.mld.weights.photo=2", "models.mld.weights.walk=3"])
    assert changed["models"]["mld"]["weights"] == {"photo": 2, "walk": 3}


def test_a_setting_is_looked_for_in_the_model_that_runs_first():
    for model, stage in (("mvae", "training"), ("mld", "score")):
        with pytest.raises(ValueError, match=rf"did you mean 'models\.{model}\.{stage}\.epochs'"):
            load("mhd-mini", settings=["epochs=3"], model=model)
    with pytest.raises(ValueError, match=r"did you mean 'models\.mvae\.training\.epochs'"):
        load("mhd-mini", settings=["models.mvae.train.epochs=3"], model="mvae")


@pytest.mark.parametrize(
    ("model", "setting", "words"),
    [
        ("mld", "models.mvae.beta=1", "of mvae, and the model that runs is mld$"),
        ("mld", "models.mvae.latent=4", "did you mean 'models.mld.latent'"),
        ("mld", "models.mvae.training.epochs=2", "did you mean 'models.mld.[a-z]*.epochs'"),
        ("mld", "models.mld-uni.width=4", "of mld-uni, and the model that runs is mld; did you"),
        ("mld", "models.mdl.score.epochs=2", "no table 'mdl'; did you mean 'models.mld.score.ep"),
        ("my_vae.py:MyVae", "models.my-vae.k=2", "did you mean 'models.my_vae.py:MyVae.k'"),
        ("my_vae.py:MyVae", "models.MyVae.training.k=2", "'models.my_vae.py:MyVae.training.k'"),
        ("my_vae.py:MyVae", "models.mld.k=2", "did you mean 'models.my_vae.py:MyVae.k'"),
    ],
)
def test_a_setting_of_another_model_than_the_one_that_runs_is_refused(model, setting, words):
    with pytest.raises(ValueError, match=words):
        load("mhd-mini", settings=[setting], model=model)


def test_a_setting_of_the_table_that_a_model_s_begins_with_concerns_it():
    found = load("mhd-mini", settings=["models.mld.width=32"], model="mld-uni")
    assert found["models"]["mld-uni"]["width"] == 32
    assert load("mhd-mini", settings=["models.mvae.latent=4"])["models"]["mvae"]["latent"] == 4


def test_resolve_names_what_there_is():
    with pytest.raises(LookupError, match=r"no model is called 'mdl'; did you mean 'mld'\?"):
        resolve(PROTOCOL, "mdl")
    with pytest.raises(LookupError, match=r"this protocol has no table models.mld"):
        resolve({**PROTOCOL, "models": {}}, "mld")


@pytest.mark.parametrize(
    ("model", "has_one"),
    [(m, True) for m in ("mld", "mmbench.models.mld:MLD")]
    + [(m, False) for m in ("mvae", "mmbench.baselines.mvae:MVAE")],
)
def test_a_sampler_counts_only_for_models_that_have_one(model, has_one):
    evaluation = {"metrics": {}, "sampler": {"name": "euler"}}
    protocol = {**PROTOCOL, "models": {model: {}}, "evaluation": evaluation}
    other = override(protocol, ["evaluation.sampler.steps=3"])
    a, b = resolve(protocol, model), resolve(other, model)
    assert ("sampler" in a["evaluation"]) == (digest(a) != digest(b)) == has_one
    assert "metrics" in a["evaluation"] and "sampler" in protocol["evaluation"]


def test_digest_ignores_order_only():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x =", "is not valid TOML"),
        ("[modality.a]\n", "has a table 'modality'; did you mean 'modalities'"),
        ("whole = true\n[modalities]\n[models]\n", "has no table 'evaluation'"),
        ("whole = 3\n", "whole is 3, expected true or false"),
        ("[models.mdl]\n", "has a model 'mdl'; did you mean 'mld'"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, words):
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=words):
        load("any", file)


def test_a_data_set_without_a_protocol_gets_the_default():
    assert load("nothing") == load("default")
    kinds = {f"<{kind}>" for kind in get_args(Kind)}
    assert set(load("nothing")["modalities"]) == kinds


def test_a_model_of_ones_own_needs_no_table():
    model = "mmbench.models.mld:MLD"
    assert resolve(PROTOCOL, model)["model"] == {}
    settings = [f"models.{model}.d=0.3", f"models.{model}.score={{epochs=1}}"]
    changed = load("mhd-mini", settings=settings, model=model)
    assert resolve(changed, model)["model"] == {"d": 0.3, "score": {"epochs": 1}}
    one = load("mhd-mini", settings=[f"models.{model}.score.epochs=2"], model=model)
    assert resolve(one, model)["model"] == {"score": {"epochs": 2}}
    assert resolve(changed, "mld")["model"] == load("mhd-mini")["models"]["mld"]
    with pytest.raises(ValueError, match=r"'mine:Modle'; did you mean 'models\.mine:Model\.d'"):
        load("mhd-mini", settings=["models.mine:Modle.d=1"], model="mine:Model")
    with pytest.raises(ValueError, match=r"models\.mld is 3, expected a table"):
        resolve(override(PROTOCOL, ["models.mld=3"]), "mld")
    with pytest.raises(LookupError, match=r"no table models\.mld-uni; did you mean 'mld'"):
        resolve(PROTOCOL, "mld-uni")
    with pytest.raises(ValueError, match="has no table 'multivae:mopo'"):
        override(PROTOCOL, ["models.multivae:mopo.beta=1"])


def test_another_packages_model_needs_no_table(installed):
    installed("mine", models={"mine": "mmbench.models.mld:MLD"})
    assert resolve(PROTOCOL, "mine")["model"] == {}
    changed = load("mhd-mini", settings=["models.mine.d=0.3"], model="mine")
    assert resolve(changed, "mine")["model"] == {"d": 0.3}


def test_a_records_model_is_never_imported(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert shipped_hash("mhd-mini", "trap:Model") is None
    assert shipped_hash("mhd-mini", "mld") == digest(resolve(load("mhd-mini"), "mld"))


def test_files_that_are_no_protocols(tmp_path):
    path = tmp_path / "mine.toml"
    with pytest.raises(FileNotFoundError, match=r"there is no protocol .*mine\.toml"):
        load("mhd-mini", path)
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match=r"mine\.toml is not a text in UTF-8"):
        load("mhd-mini", path)


PART = """
[models.mld.score]
epochs = 1
[models.mvae]
latent = 3
[modalities.image.likelihood]
distribution = "laplace"
[evaluation]
metrics = { coherence = "all" }
"""


def test_a_part_of_a_protocol_is_laid_over_the_data_sets_own(tmp_path):
    """Key by key in models; a likelihood and the metrics are replaced as a whole."""
    file = tmp_path / "part.toml"
    file.write_text(PART)
    own, found = load("mhd-mini"), load("mhd-mini", file)
    settings = (
        "models.mld.score.epochs=1",
        "models.mvae.latent=3",
        "modalities.image.likelihood={distribution='laplace'}",
        "evaluation.metrics={coherence='all'}",
    )
    assert found == load("mhd-mini", settings=settings) != own
    file.write_text("[samplers]\nmine = { name = 'euler', steps = 3 }\n")
    assert load("mhd-mini", file) == own
    sampler = load("mhd-mini", file, sampler="mine")["evaluation"]["sampler"]
    assert sampler == {"name": "euler", "steps": 3}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_models_part_written_as_toml_is_read_as_the_same_protocol(name, tmp_path):
    file, whole = tmp_path / "own.toml", load(name)
    for model in whole["models"]:
        if ":" in model and not find_spec("multivae"):
            continue  # needs the extra [multivae]
        file.write_text(to_toml(part(whole, model)), encoding="utf-8")
        assert resolve(load(name, file, model=model), model) == resolve(whole, model)


@pytest.mark.parametrize("text", ["é", "画", "😀", 'a"b', "a\\b", "\x7f", "\n", "a.b"])
def test_any_text_is_a_key_and_a_value_of_a_protocol(text):
    table = {"modalities": {text: {"network": text}}}
    assert tomllib.loads(to_toml(table)) == table


LIKE = """
whole = true
[modalities]
[models.mld]
d = 0.5
width = 8
score = { epochs = 3 }
[models.mld-uni]
like = "mld"
without = ["d"]
width = 16
[evaluation]
"""


def test_a_model_s_table_may_begin_with_another_s(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(LIKE)
    models = load("x", file)["models"]
    assert models["mld-uni"] == {"width": 16, "score": {"epochs": 3}}
    assert models["mld"] == {"d": 0.5, "width": 8, "score": {"epochs": 3}}


BOTH = ["models.mld.score.epochs=1", "models.mld-uni.score.epochs=2"]


@pytest.mark.parametrize("settings", [BOTH, BOTH[::-1]])
def test_settings_reach_the_tables_that_are_like_theirs(tmp_path, settings):
    file = tmp_path / "own.toml"
    file.write_text(LIKE)
    models = load("x", file, [*settings[:1], "models.mld.d=0.1", "models.mld.width=9"])["models"]
    first = 1 if settings[0].startswith("models.mld.") else 2
    assert models["mld"] == {"d": 0.1, "width": 9, "score": {"epochs": 1 if first == 1 else 3}}
    assert models["mld-uni"] == {"width": 16, "score": {"epochs": first}}
    both = load("x", file, settings)["models"]  # in either order
    assert both["mld-uni"]["score"] == {"epochs": 2} and both["mld"]["score"] == {"epochs": 1}
    with pytest.raises(ValueError, match=r"'mdl'; did you mean 'models\.mld\.d'"):
        load("x", file, ["models.mdl.d=0.1"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('like = "mld"', 'like = "mdl"', "models.mld-uni is like 'mdl'; did you mean 'mld'"),
        ('like = "mld"', 'like = "mld-uni"', "is like 'mld-uni'; did you mean 'mld'"),
        ('like = "mld"', "like = 3", "models.mld-uni is like '3'|models.mld-uni is like 3"),
        ('["d"]', '["widht"]', "models.mld-uni is without 'widht'; did you mean 'width'"),
        ('like = "mld"', "", "models.mld-uni is like None"),
        ('like = "mld"', 'like = "x"', "models.x is 3, expected a table"),
    ],
)
def test_what_it_begins_with_must_exist(tmp_path, old, new, words):
    file = tmp_path / "own.toml"
    file.write_text("models.x = 3" + LIKE.replace(old, new))
    with pytest.raises(ValueError, match=words):
        load("x", file)


def test_a_paper_s_protocol_is_asked_for_by_its_name():
    own, theirs = load("cub"), load("cub", "diff-mvae")
    assert theirs["models"]["mopoe"]["latent"] == 768 != own["models"]["mopoe"]["latent"]
    assert theirs["modalities"]["sentence"]["network"] == "optimus/pretrained"
    assert load("cub", "mld") == own == load("cub", Path("mld"))
    assert load("celebamask-hq", "diff-mvae") == load("celebamask-hq")
    with pytest.raises(
        FileNotFoundError, match="no protocol 'dif-mvae', expected a file; cub has mld"
    ):
        load("cub", "dif-mvae")
    with pytest.raises(FileNotFoundError, match=r"no protocol 'diff-mvae', expected a file$"):
        load("mhd-mini", "diff-mvae")
    with pytest.raises(FileNotFoundError, match=r"is a folder, expected a file$"):
        load("mhd-mini", Path(__file__).parent)


def test_a_model_that_the_compact_protocol_lacks_is_not_run_by_the_paper_s():
    assert "mld" in load("polymnist", "compact", model="mld")["models"]
    with pytest.raises(LookupError, match=r"no table models\.mmvae-plus"):
        resolve(load("polymnist", "compact", model="mmvae-plus"), "mmvae-plus")


def test_a_model_that_a_paper_quotes_is_run_by_the_data_set_s_own_protocol():
    for model in ("mld", "mmvae-plus"):
        assert load("cub", "diff-mvae", model=model) == load("cub")
        assert load("cub", Path("diff-mvae"), model=model) == load("cub")
        quoted = load("cub", "diff-mvae", ["models.mld.d=0.1"], "mld")
        assert quoted["models"]["mld"]["d"] == 0.1


@pytest.mark.parametrize(("name", "calls"), [("mhd", 110), ("polymnist", 103)])
def test_the_fast_sampler_is_a_preset_beside_the_papers(name, calls):
    papers, fast = (load(name, sampler=s)["evaluation"]["sampler"] for s in (None, "fast"))
    assert papers == {"name": "repaint", "steps": 250, "resamplings": 10, "jump": 10}
    assert make_sampler(papers, "sampler").evaluations == 2410
    assert make_sampler(fast, "sampler").evaluations == calls
    changed = load(name, settings=["evaluation.sampler.steps=7"], sampler="fast")
    assert changed["evaluation"]["sampler"] == fast | {"steps": 7}
    assert load(name, sampler="ancestral")["evaluation"]["sampler"] == {"name": "ancestral"}
    called = variants(name, "mld")
    assert called[digest(resolve(load(name, sampler="fast"), "mld"))] == "fast sampler"
    assert "fast sampler" not in variants(name, "mopoe").values()


WRONG = ["2020-02-02", "12:00:00", "[2020-02-02]", "nan", "-inf", "[{a = inf}]", str(2**63)]


@pytest.mark.parametrize("value", [*WRONG, "9" * 5000])
@pytest.mark.parametrize("table", ["models.mld", "evaluation", "modalities.image"])
def test_values_that_no_setting_takes(value, table, tmp_path):
    text = shipped.own("mhd-mini").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    head, _, rest = text.partition(f"[{table}]\n")
    path.write_text(f"{head}[{table}]\nx = {value}\n{rest}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml"):
        load("mhd-mini", path)


@pytest.mark.parametrize("value", WRONG)
def test_nor_do_overrides(value):
    with pytest.raises(ValueError, match=r"models\.mld\.width"):
        load("mhd-mini", settings=[f"models.mld.width={value}"])


@pytest.mark.parametrize("wrong", ["samplers = 3", "models = [1]", "evaluation = 2020-02-02"])
def test_a_table_that_is_none(wrong, tmp_path):
    path = tmp_path / "mine.toml"
    tables = ("modalities", "models", "evaluation")
    name = wrong.split()[0]
    path.write_text(wrong + "".join(f"\n[{t}]" for t in tables if t != name))
    with pytest.raises(ValueError, match=name):
        load("mhd-mini", path, sampler="fast")


@pytest.mark.parametrize("without", ["3", "'d'", "[3]", "[['d']]", "{d = 1}"])
def test_without_names_settings(without, tmp_path):
    text = shipped.own("mhd-mini").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(
        f"whole = true\n{text}\n[models.other]\nlike = 'mld'\nwithout = {without}\n",
        encoding="utf-8",
    )
    if without == "'d'":
        assert "d" not in load("mhd-mini", path)["models"]["other"]
    else:
        with pytest.raises(ValueError, match=r"models\.other is without"):
            load("mhd-mini", path)
