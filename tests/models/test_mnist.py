"""The MNIST command: what it prints and leaves, that it resumes exactly, and how it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from models import mnist
from models.command import DigitReader, Diverged, digits, main, options
from tests.models.small import small_digits
from tests.real import needs_mnist
from tinygrad_lite import checkpoint
from tinygrad_lite.data import Batches, DataUnavailable

FIGURES = {"curves.png", "mistakes.png", "confusion.png", "weights.png"}
AFTER_ONE_EPOCH = {"metrics.json", *FIGURES, "checkpoint.npz"}
FILES = {*AFTER_ONE_EPOCH, "checkpoint.previous.npz"}


pytestmark = pytest.mark.usefixtures("unpainted")


def run(folder: Path, *options: str) -> dict:
    """Run the command and return its metrics."""
    assert mnist.main(["--out", str(folder), "--data", "mnist", "--lr", "0.1", *options]) == 0
    return json.loads((folder / "metrics.json").read_text())


def without_times(metrics: dict) -> dict:
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in metrics["history"]]
    return {**metrics, "seconds": None, "history": history}


def test_a_run_leaves_its_files_and_nothing_else(small, tmp_path, capsys):
    metrics = run(tmp_path, "--epochs", "2")
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert metrics["data"] == "mnist"
    assert [epoch["epoch"] for epoch in metrics["history"]] == [1, 2]
    assert metrics["history"][1]["train_loss"] < metrics["history"][0]["train_loss"]
    assert metrics["config"]["lr"] == 0.1
    printed = capsys.readouterr()
    assert f"validation accuracy before training: {metrics['initial_valid_accuracy']:.4f}" in printed.out
    assert f"test accuracy: {metrics['test_accuracy']:.4f}" in printed.out
    assert "epoch 2/2" in printed.err


def test_the_defaults_are_the_reference_run():
    args = options.read_options(mnist.MODEL, ["--out", "/tmp"])
    assert (args.epochs, args.batch_size, args.lr, args.hidden) == (6, 100, 10**-0.35, 90)
    assert (args.shuffle, args.dtype, args.data, args.resume) == (False, "float32", "auto", False)
    assert (args.optimizer, args.momentum, args.device) == ("sgd", 0, "cpu")
    net = mnist.Net(rng=0)
    assert {name: p.shape for name, p in net.named_parameters()} == {
        "hidden.weight": (784, 90),
        "hidden.bias": (90,),
        "output.weight": (90, 10),
        "output.bias": (10,),
    }


def test_quiet_prints_nothing(small, tmp_path, capsys):
    run(tmp_path, "--epochs", "1", "--quiet")
    assert capsys.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_bits(small, tmp_path):
    options = ["--epochs", "2", "--shuffle", "--seed", "3"]
    first, second = (run(tmp_path / name, *options) for name in "ab")
    assert without_times(first) == without_times(second)
    one, two = (checkpoint.load(tmp_path / name / "checkpoint.npz")[0]["net"] for name in "ab")
    assert all(np.array_equal(one[name], two[name]) for name in one)
    other = run(tmp_path / "c", "--epochs", "2", "--shuffle", "--seed", "4")
    assert without_times(other)["history"] != without_times(first)["history"]


@pytest.mark.parametrize("shuffle", [(), ("--shuffle",)])
def test_a_resumed_run_ends_as_an_undisturbed_one(small, tmp_path, shuffle):
    whole = run(tmp_path / "whole", "--epochs", "4", *shuffle)
    run(tmp_path / "parts", "--epochs", "1", *shuffle)
    run(tmp_path / "parts", "--epochs", "3", *shuffle, "--resume")
    parts = run(tmp_path / "parts", "--epochs", "4", *shuffle, "--resume")
    assert without_times(parts) == without_times(whole)
    weights = [
        checkpoint.load(tmp_path / name / "checkpoint.npz")[0]["net"]["hidden.weight"] for name in ("whole", "parts")
    ]
    assert np.array_equal(*weights)


def test_resuming_where_there_is_nothing_begins_and_says_so(small, tmp_path, capsys):
    begun = run(tmp_path / "begun", "--epochs", "2", "--resume")
    assert "holds no saved run to resume" in capsys.readouterr().out
    assert without_times(begun) == without_times(run(tmp_path / "whole", "--epochs", "2"))


def test_resuming_needs_a_checkpoint_of_the_same_run(small, tmp_path, capsys):
    run(tmp_path, "--epochs", "1")
    capsys.readouterr()
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--resume", "--hidden", "7", "--lr", "0.1"]) == 2
    message = capsys.readouterr().err
    assert "hidden was 90, not 7" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half an archive"])
def test_a_damaged_checkpoint_is_refused_by_name(small, tmp_path, capsys, content):
    (tmp_path / "checkpoint.npz").write_bytes(content)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--resume"]) == 2
    message = capsys.readouterr().err
    assert "checkpoint.npz" in message
    assert message.count("\n") == 1


def test_float64_is_float64_all_through(small, tmp_path):
    run(tmp_path, "--epochs", "1", "--dtype", "float64")
    assert checkpoint.load(tmp_path / "checkpoint.npz")[0]["net"]["hidden.weight"].dtype == np.float64


def test_without_mnist_auto_says_so_and_marks_everything_synthetic(small, tmp_path, monkeypatch, capsys):
    def unavailable():
        raise DataUnavailable("no network", f"Put the files into {'x' * 100}: help(f-u) tells")

    headings = []
    monkeypatch.setattr(digits, "load_mnist", unavailable)
    monkeypatch.setattr(digits, "load_synthetic", small_digits)
    monkeypatch.setattr(tg.plot, "save", lambda figure, path: headings.append(figure.get_suptitle()))
    assert mnist.main(["--out", str(tmp_path), "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    said = printed[: printed.index("validation accuracy")]
    assert said.startswith("MNIST is not here (--data mnist tells why), so this run learns from digits")
    assert said.endswith(f"Put the files into\n{'x' * 100}:\nhelp(f-u) tells.\n")
    assert "no network" not in printed
    assert re.search(r"about 62 % of real ones\.$", printed.strip())
    assert json.loads((tmp_path / "metrics.json").read_text())["data"] == "synthetic"
    assert len(headings) == 4
    assert all("synthetic" in heading for heading in headings)
    assert checkpoint.load(tmp_path / "checkpoint.npz")[1]["data"] == "synthetic"


def test_asking_for_mnist_where_there_is_none_is_an_error(tmp_path, monkeypatch, capsys):
    def unavailable():
        raise DataUnavailable("MNIST is not here", "Put it there")

    monkeypatch.setattr(digits, "load_mnist", unavailable)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist"]) == 2
    assert capsys.readouterr().err == "python -m models.mnist: MNIST is not here. Put it there\n"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--epoch", "3"], "unrecognized arguments: --epoch 3: did you mean --epochs?"),
        (["--batchsize=3"], "unrecognized arguments: --batchsize=3: did you mean --batch-size?"),
        (["--verbose"], "unrecognized arguments: --verbose (--help"),
        (["predct", "x.png"], "unrecognized arguments: predct x.png: did you mean predict?"),
        (["--out", ""], "argument --out: expected the name of a folder, found ''"),
        (["--out", "a\0b"], r"argument --out: expected the name of a folder, found 'a\x00b'"),
        *((["--epochs", x], f"expected a whole number of at least 1, found {x!r}") for x in ("0", "-1", "1.5", "")),
        *((["--batch-size", x], f"expected a whole number of at least 1, found {x!r}") for x in ("0", "ten", "1e2")),
        *(
            (["--hidden", x], f"a whole number from 1 to 1000000, found {x!r}")
            for x in ("0", "1000001", "1" + 30 * "0")
        ),
        (["--checkpoint-every", "0"], "expected a whole number of at least 1, found '0'"),
        *((["--lr", x], f"expected a positive number, found {x!r}") for x in ("-1", "0", "nan", "inf", "0,1")),
        *((["--momentum", x], f"at least 0 and below 1, found {x!r}") for x in ("1", "-0.1", "nan", "x")),
        (["--momentum", "0.9", "--optimizer", "adam"], "argument --momentum: adam has no momentum"),
        (["--seed", "-1"], "expected a whole number of at least 0, found '-1'"),
        (["--seed"], "argument --seed: expected one argument"),
        (["--dtype", "float16"], "expected float32 or float64, found 'float16': did you mean float"),
        (["--optimizer", "adm"], "argument --optimizer: expected sgd or adam, found 'adm': did you mean adam?"),
        (["--optimizer", "SGD"], "did you mean sgd?"),
        (["--device", "gpu"], "argument --device: expected cpu or cuda, found 'gpu': did you mean cpu?"),
        (["--checkpoint-format", "pt"], "expected npz or safetensors, found 'pt' (--help"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2_and_leaves_nothing(tmp_path, capsys, options, complaint):
    with pytest.raises(SystemExit) as stop:
        mnist.main(["--out", str(tmp_path / "new"), *options])
    out, message = capsys.readouterr()
    assert stop.value.code == 2
    assert complaint in message
    assert (out, message.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_mnist_is_one_line_and_status_2(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert mnist.main(["--out", str(tmp_path / "out"), "--data", str(empty)]) == 2
    message = capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert str(empty) in message
    assert "train-images-idx3-ubyte" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "near"),
    [("Mnist", ": did you mean mnist?"), ("sythetic", ": did you mean synthetic?"), ("", ""), ("a\0", "")],
)
def test_a_folder_that_is_not_there_says_what_data_takes(tmp_path, capsys, data, near):
    assert mnist.main(["--out", str(tmp_path), "--data", data]) == 2
    assert capsys.readouterr() == (
        "",
        "python -m models.mnist: --data takes auto, mnist, synthetic or a folder, and there is no folder "
        f"{data!r}{near}\n",
    )


@pytest.mark.parametrize("place", ["file", "file/runs"])
def test_an_unwritable_output_folder_is_refused_before_training(tmp_path, capsys, place):
    (tmp_path / "file").write_text("in the way")
    assert mnist.main(["--out", str(tmp_path / place), "--data", "mnist"]) == 2
    out, message = capsys.readouterr()
    assert f"cannot write to the folder '{tmp_path / place}'" in message
    assert "give --out a folder that you may write to" in message
    assert (out, message.count("\n")) == ("", 1)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_output_folder_is_refused_before_training(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist"]) == 2
    assert f"cannot write to the folder '{tmp_path}' (Permission denied)" in capsys.readouterr().err


@pytest.mark.parametrize("batch_size", ["599", "600", "60000", "1000000000000000000000"])
def test_a_batch_may_be_as_large_as_one_likes(small, tmp_path, batch_size):
    assert len(run(tmp_path, "--epochs", "1", "--batch-size", batch_size)["history"]) == 1


def test_a_net_that_no_memory_holds_is_one_line_and_status_2(small, tmp_path, monkeypatch, capsys):
    def full(*args, **kwargs):
        raise MemoryError("Unable to allocate 5.84 GiB")

    monkeypatch.setattr(mnist.MODEL, "net", full)
    assert mnist.main(["--out", str(tmp_path / "out"), "--data", "mnist"]) == 2
    assert capsys.readouterr() == (
        "",
        "python -m models.mnist: Unable to allocate 5.84 GiB: try a smaller --hidden or --batch-size\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--epochs", "4", "--resume")])
def test_a_loss_that_does_not_fall_says_once_to_try_a_lower_rate(small, tmp_path, capsys, more):
    options = ("--lr", "1000", "--no-jit")
    run(tmp_path, "--epochs", "3", *options)
    if more:
        capsys.readouterr()
        run(tmp_path, *options, *more)
    printed = capsys.readouterr().out
    assert printed.count("the loss did not fall") == 1
    assert "Try a lower --lr" in printed


def test_a_loss_that_falls_needs_no_advice(small, tmp_path, capsys):
    run(tmp_path, "--epochs", "3")
    assert "the loss" not in capsys.readouterr().out


def remembered(monkeypatch):
    """Return a list that receives the nets that are made from now on."""
    nets = []
    make = mnist.Net

    def remember(*args, **kwargs):
        nets.append(make(*args, **kwargs))
        return nets[-1]

    monkeypatch.setattr(mnist.MODEL, "net", remember)
    return nets


def test_a_loss_that_is_no_number_stops_and_keeps_what_was_saved(small, tmp_path, monkeypatch, capsys):
    whole = mnist.train

    nets = remembered(monkeypatch)

    def spoilt(step, *others):
        if (tmp_path / "metrics.json").exists():
            nets[0].output.weight.data[3, 2] = np.nan
        whole(step, *others)

    monkeypatch.setattr(mnist, "train", spoilt)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--epochs", "3"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "epoch 2, step 1: the loss is nan" in message
    assert "first parameter that is not finite is hidden.weight" in message
    assert "results of epoch 1 are kept" in message
    assert len(json.loads((tmp_path / "metrics.json").read_text())["history"]) == 1
    assert len(checkpoint.load(tmp_path / "checkpoint.npz")[1]["history"]) == 1


def test_a_loss_that_breaks_in_the_last_step_is_no_success(small, tmp_path, capsys):
    options = ["--data", "mnist", "--out", str(tmp_path), "--epochs", "1", "--batch-size", "10000", "--lr", "1e30"]
    assert mnist.main(options) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "epoch 1, step 1: after this step the loss of all digits is nan" in message
    assert "Nothing was written" in message
    assert list(tmp_path.iterdir()) == []


def test_after_a_broken_epoch_all_results_are_of_the_one_before(small, tmp_path, monkeypatch):
    run(tmp_path, "--epochs", "2", "--seed", "1")
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    whole = mnist.train
    epochs = iter(range(1, 3))

    def spoilt(*arguments):
        if next(epochs) == 2:
            raise Diverged("made up")
        whole(*arguments)

    monkeypatch.setattr(mnist, "train", spoilt)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--epochs", "2"]) == 2
    assert {path.name for path in tmp_path.iterdir()} == AFTER_ONE_EPOCH
    assert not any((tmp_path / name).read_bytes() == old[name] for name in AFTER_ONE_EPOCH)
    assert json.loads((tmp_path / "metrics.json").read_text())["test_accuracy"] is not None


@pytest.mark.parametrize("facts", [{"x": 1}, {"data": "mnist", "config": []}, {"data": "mnist", "config": {}}])
def test_a_checkpoint_of_another_program_is_refused(small, tmp_path, capsys, facts):
    checkpoint.save(tmp_path / "checkpoint.npz", {"a": {"b": np.ones(3)}}, facts)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--resume"]) == 2
    message = capsys.readouterr().err
    assert "holds no run of this program" in message
    assert message.count("\n") == 1


def test_a_checkpoint_that_lacks_weights_is_refused(small, tmp_path, capsys):
    run(tmp_path, "--epochs", "1")
    states, facts = checkpoint.load(tmp_path / "checkpoint.npz")
    del states["net"]["output.bias"]
    checkpoint.save(tmp_path / "checkpoint.npz", states, facts)
    capsys.readouterr()
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--resume"]) == 2
    assert "missing output.bias" in capsys.readouterr().err


def test_resuming_says_where_it_is_and_refuses_fewer_epochs(small, tmp_path, capsys):
    run(tmp_path, "--epochs", "2")
    capsys.readouterr()
    run(tmp_path, "--epochs", "2", "--resume")
    assert "resuming after epoch 2" in capsys.readouterr().out
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--epochs", "1", "--resume"]) == 2
    assert "has already reached epoch 2: give --epochs 2 or more" in capsys.readouterr().err


def test_ctrl_c_outside_of_training_says_what_there_is(small, tmp_path, monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "report", interrupted)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--epochs", "1"]) == 130
    assert "interrupted while the results were written: --resume" in capsys.readouterr().out
    monkeypatch.setattr(DigitReader, "load", interrupted)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist"]) == 130
    assert "interrupted outside of training" in capsys.readouterr().out


def test_ctrl_c_keeps_the_last_finished_epoch_and_exits_with_130(small, tmp_path, monkeypatch, capsys):
    whole = mnist.train

    epochs = iter(range(1, 4))

    nets = remembered(monkeypatch)

    def interrupted(*arguments):
        if next(epochs) == 3:
            nets[0].output.weight.data[:] = 0
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(mnist, "train", interrupted)
    assert mnist.main(["--out", str(tmp_path / "cut"), "--data", "mnist", "--lr", "0.1", "--epochs", "5"]) == 130
    assert "interrupted. The results of epoch 2 are kept in" in capsys.readouterr().out
    monkeypatch.setattr(mnist, "train", whole)
    two_epochs = run(tmp_path / "two", "--epochs", "2")
    cut = json.loads((tmp_path / "cut" / "metrics.json").read_text())
    assert cut["test_accuracy"] == two_epochs["test_accuracy"]
    assert without_times(cut)["history"] == without_times(two_epochs)["history"]
    assert {path.name for path in (tmp_path / "cut").iterdir()} == FILES


@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_while_an_epoch_is_saved_leaves_weights_and_metrics_of_one_epoch(small, tmp_path, monkeypatch, moment):
    save, calls = checkpoint.save, iter(range(1, 4))

    def interrupted(*arguments):
        second = next(calls) == 2
        if second and moment == "before":
            raise KeyboardInterrupt
        save(*arguments)
        if second:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupted)
    assert mnist.main(["--out", str(tmp_path / "cut"), "--data", "mnist", "--lr", "0.1", "--epochs", "3"]) == 130
    monkeypatch.setattr(checkpoint, "save", save)
    expected = run(tmp_path / "whole", "--epochs", "1" if moment == "before" else "2")
    cut = json.loads((tmp_path / "cut" / "metrics.json").read_text())
    assert without_times(cut)["history"] == without_times(expected)["history"]
    assert cut["test_accuracy"] == expected["test_accuracy"]
    names = AFTER_ONE_EPOCH if moment == "before" else FILES
    assert {path.name for path in (tmp_path / "cut").iterdir()} == names


def test_ctrl_c_before_the_first_epoch_ends_writes_nothing(small, tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "train", interrupted)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist"]) == 130
    assert "Nothing was written" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@needs_mnist
@pytest.mark.whole
def test_a_net_of_synthetic_digits_reads_as_many_real_ones_as_it_is_said_to(tmp_path, capsys):
    assert mnist.main(["--data", "synthetic", "--out", str(tmp_path)]) == 0
    told = float(re.search(r"about (\d+) % of real ones", capsys.readouterr().out)[1])
    right = mnist.evaluate(mnist.MODEL.trained_net(tmp_path), tg.data.load_mnist().test)[1]
    assert told / 100 == pytest.approx(right, abs=0.02)


@needs_mnist
def test_a_real_ctrl_c_ends_the_process_with_130(tmp_path):
    command = [sys.executable, "-m", "models.mnist", "--epochs", "500", "--out", str(tmp_path)]
    # A shell starts what runs in the background deaf to Ctrl-C, and so what that starts.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    deadline = time.monotonic() + 60
    while not (tmp_path / "metrics.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted. The results of epoch" in out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.9
    assert {path.name for path in tmp_path.iterdir()} | {"checkpoint.previous.npz"} == FILES


@needs_mnist
@pytest.mark.whole
def test_five_seeds_reach_the_reference_accuracy(tmp_path):
    reached = []
    for seed in range(5):
        assert mnist.main(["--out", str(tmp_path), "--quiet", "--seed", str(seed)]) == 0
        reached.append(json.loads((tmp_path / "metrics.json").read_text())["test_accuracy"])
    assert min(reached) >= 0.965, reached
    assert np.mean(reached) >= 0.9665, reached


@pytest.mark.parametrize("shuffle", [[], ["--shuffle"]])
def test_a_compiled_run_learns_what_an_eager_one_does(small, tmp_path, shuffle):
    compiled = run(tmp_path / "compiled", "--epochs", "3", *shuffle)
    eager = run(tmp_path / "eager", "--epochs", "3", "--no-jit", *shuffle)
    for a, b in zip(compiled["history"], eager["history"], strict=True):
        assert a["train_accuracy"] == b["train_accuracy"]
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-5)


def test_a_training_step_is_float32_everywhere(small):
    digits = small_digits()
    net = mnist.Net(rng=0)
    optimizer = tg.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    targets = tg.nn.functional.one_hot(digits.train.labels, 10)
    mnist.train(mnist.training_step(net, optimizer), Batches(digits.train.images, targets, 100))
    for parameter in net.parameters():
        assert parameter.dtype == parameter.grad.dtype == np.float32
    assert all(x.dtype == np.float32 for state in optimizer.state.values() for x in state.values())
    loss = tg.nn.functional.squared_loss(net(digits.train.images), targets)
    pending = [loss]
    while pending:
        x = pending.pop()
        assert x.dtype == np.float32
        pending += [i for i in (x.operation.inputs if x.operation else ()) if isinstance(i, tg.Tensor)]
