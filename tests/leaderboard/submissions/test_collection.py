import json
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from measured import today

from mmbench.cli.main import main
from mmbench.leaderboard.submissions import collection
from mmbench.leaderboard.submissions.collection import add, merged
from mmbench.leaderboard.submissions.validation import valid
from mmbench.records.paths import Place
from mmbench.records.store import find, read, write

RECORDS = Path(__file__).parents[3] / "records"
FILE = sorted(RECORDS.glob("mhd-mini/mld/0-*.json"))[0]
RECORD = read(FILE)


def said(*args, code=0):
    result = CliRunner().invoke(main, ["leaderboard", *map(str, args)])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def sent(tmp_path):
    """A record that somebody sent, beside other things."""
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "setup.py").write_text("raise SystemExit")
    return Path(shutil.copy(FILE, folder))


def edited(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_record_comes_to_its_place_and_nothing_else(sent, tmp_path):
    board = tmp_path / "board"
    where = board / FILE.relative_to(RECORDS)
    assert said("add", sent, "--to", board) == f"added: {where}\n"
    assert set(files(board)) == {FILE.relative_to(RECORDS)}
    assert read(where) == RECORD
    assert read(where).seconds == RECORD.seconds
    assert said("add", sent, "--to", board) == f"already there: {where}\n"


def test_hidden_files_beside_records_are_none(tmp_path):
    """As macOS leaves them on drives of other systems."""
    [(path, _)] = add([RECORD], tmp_path)
    path.with_name(f"._{path.name}").write_bytes(b"\0")
    assert [done for _, done in add([replace(RECORD, seed=7)], tmp_path)] == ["added"]


def test_a_dry_run_writes_nothing(sent, tmp_path):
    assert "would be added: " in said("add", sent, "--to", tmp_path / "board", "--dry-run")
    assert not (tmp_path / "board").exists()


def test_another_record_of_the_same_run_is_written_over_only_when_told_to(sent, tmp_path):
    board = tmp_path / "board"
    said("add", sent, "--to", board)
    before = files(board)
    edited(sent, device="another", seconds={})
    output = said("add", sent, "--to", board, code=1)
    assert "is another record of this run: it differs in device; --replace" in output
    assert files(board) == before
    assert said("add", sent, "--to", board, "--replace").startswith("replaced: ")
    assert next(iter(find(board).values())).device == "another"
    edited(sent, seconds={"other": 1.0})  # timings make no other run
    assert said("add", sent, "--to", board).startswith("already there: ")
    before = files(board)
    assert said("add", sent, "--to", board, "--replace").startswith("already there: ")
    assert files(board) == before


def test_if_one_is_refused_none_is_added(sent, tmp_path):
    bad = sent.with_name("9-" + sent.name[2:])
    shutil.copy(sent, bad)
    edited(bad, seed=9, commit="x", evaluations=0)
    output = said("add", sent, bad, "--to", tmp_path / "board", code=1)
    assert f"{bad}: commit is 'x', expected 40 hex digits\n" in output
    assert f"{bad}: evaluations is 0, expected at least 1\n" in output
    assert "refused for 2 faults" in output
    assert not (tmp_path / "board").exists()


def test_no_name_leads_out_of_the_folder(sent, tmp_path):
    edited(sent, model="../../x", dataset="../y")
    output = said("add", sent, "--to", tmp_path / "deep" / "board", code=1)
    assert "model is '../../x', expected a name" in output
    assert not (tmp_path / "deep").exists()
    # Nor does a link inside it.
    board, outside = tmp_path / "board", tmp_path / "outside"
    board.mkdir()
    outside.mkdir()
    (board / "mhd-mini").symlink_to(outside)
    with pytest.raises(ValueError, match=r"lies outside of .* by a link"):
        add([RECORD], board)
    assert not files(outside)


def test_two_records_of_one_run_are_not_added_together(tmp_path):
    with pytest.raises(ValueError, match=r"of one run, mhd-mini/mld/.* and differ in device"):
        add([RECORD, replace(RECORD, device="another")], tmp_path)
    assert len(add([RECORD, RECORD], tmp_path)) == 1


def test_modalities_that_others_do_not_have_are_refused(tmp_path):
    added = [replace(s, given=("smell",)) for s in RECORD.scores[-1:]]
    more = replace(RECORD, seed=7, scores=(*RECORD.scores, *added))
    add([more], tmp_path / "empty")
    add([RECORD], tmp_path)
    with pytest.raises(ValueError, match=r"has scores of smell, but .* image, trajectory, sound$"):
        add([more], tmp_path)
    assert list(find(tmp_path).values()) == [RECORD]
    add([replace(more, data="0" * 64)], tmp_path)  # other examples
    add([replace(RECORD, seed=8, scores=RECORD.scores[:1])], tmp_path)  # fewer
    assert len(find(tmp_path).values()) == 3


def test_a_record_alone_with_its_modalities_can_be_replaced(tmp_path):
    added = [replace(s, given=("smell",)) for s in RECORD.scores[-1:]]
    more = replace(RECORD, scores=(*RECORD.scores, *added))
    add([more], tmp_path)
    assert add([more], tmp_path) == [(tmp_path / Place.of(RECORD).record, "already there")]
    assert add([RECORD], tmp_path, replace=True) == [
        (tmp_path / Place.of(RECORD).record, "replaced")
    ]


def test_a_damaged_record_at_its_place_is_told(tmp_path):
    path = tmp_path / Place.of(RECORD).record
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(ValueError, match="is not whole JSON"):
        add([RECORD], tmp_path)
    assert add([RECORD], tmp_path, replace=True) == [(path, "replaced")]


def test_a_folder_is_validated_as_it_lies(tmp_path):
    board = tmp_path / "board"
    shutil.copytree(RECORDS, board)
    count = len(find(board).values())
    assert said("validate", board) == f"{count} records are valid\n"
    assert said("validate", FILE) == "1 record is valid\n"
    lost = board / "mhd-mini" / "mvae" / FILE.name
    shutil.move(board / Place.of(RECORD).record, lost)
    output = said("validate", board, code=1)
    assert f"{lost}: it belongs at {Place.of(RECORD).record} by" in output
    (board / Place.of(RECORD).record).write_text("[" * 100_000)
    assert "nested too deeply" in said("validate", board, code=1)


def test_what_is_not_there_is_told(tmp_path):
    assert "there is no file" in said("validate", tmp_path / "x.json", code=1)
    assert "holds no record" in said("validate", tmp_path, code=1)


def test_a_hostile_file_name_drives_no_terminal(tmp_path):
    path = tmp_path / "0-\x1b]0;x\x07.json"
    path.write_text("{}")
    assert "\x1b" not in said("validate", path, code=1)


def test_few_of_many_faults_are_shown(tmp_path):
    path = tmp_path / "0-00000000.json"
    path.write_text(json.dumps({f"x{i}": 0 for i in range(5000)}))
    output = said("validate", path, code=1)
    assert "refused for 100 faults; 80 are not shown" in output
    assert len(output.splitlines()) == 21


def test_folders_are_merged_and_a_record_in_two_of_them_counts_once(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    add([RECORD], a)
    add([RECORD, replace(RECORD, seed=7)], b)
    assert [r.seed for r in merged([a, b])] == [RECORD.seed, 7]
    assert merged([b, a]) == merged([a, b])
    write(replace(RECORD, device="another"), a / Place.of(RECORD).record)
    with pytest.raises(ValueError, match=r"are different records of one run, .*: device"):
        merged([a, b])


@pytest.mark.parametrize("command", ["table", "claims"])
def test_a_command_reads_several_folders(command, tmp_path):
    def of(*folders):
        options = [x for folder in folders for x in ("--results", str(folder))]
        return CliRunner().invoke(main, [command, *options])

    a, b, record = tmp_path / "a", tmp_path / "b", today(RECORD)
    add([record], a)
    add([record, replace(record, seed=7)], b)
    both, one, other = (of(*names).output for names in ((a, b), (b,), (a,)))
    named = f" --results {a} --results {b}"  # in a command that the table names
    assert both.replace(named, "") == one.replace(f" --results {b}", "")
    assert both.replace(named, "") != other.replace(f" --results {a}", "")
    assert of(a, b).exit_code == 0
    write(replace(record, device="another"), a / Place.of(record).record)
    refused = of(a, b)
    assert refused.exit_code == 1 and "different records of one run" in refused.output
    assert of(a, tmp_path / "none").exit_code == 1


def test_valid_tells_of_every_file(tmp_path):
    for name in ("0-00000000.json", "1-00000000.json"):
        (tmp_path / name).write_text("{}")
    records, faults = valid([FILE, *sorted(tmp_path.iterdir())])
    assert records == [RECORD]
    assert {text.split(": ")[0] for text in faults} == {str(p) for p in tmp_path.iterdir()}


def test_of_two_that_add_at_once_one_wins_and_nothing_is_lost(tmp_path, monkeypatch):
    """Each finds no record, and both would write."""
    others = [replace(RECORD, parameters=n) for n in (1, 2)]
    compared, outcomes = threading.Barrier(2, timeout=5), []
    expect = collection._expect_modalities

    def both(*args):
        expect(*args)
        with suppress(threading.BrokenBarrierError):  # where only one gets here at a time
            compared.wait(0.3)

    def run(record):
        try:
            outcomes.append(add([record], tmp_path)[0][1])
        except FileExistsError:
            outcomes.append("refused")

    monkeypatch.setattr(collection, "_expect_modalities", both)
    threads = [threading.Thread(target=run, args=(r,)) for r in others]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(outcomes) == ["added", "refused"]
    assert next(iter(find(tmp_path).values())) in others
