"""What is peculiar to PyTorch's files of before version 1.6; `test_serialization_torch` reads them like today's."""

import io
import re
import tarfile
from collections import OrderedDict
from typing import Any

import pytest

import autograd
import nn
from autograd.serialization.errors import FileError
from tests.hostile import legacy
from tests.hostile.legacy import FLOATS, appended, legacy_file, machine, piece, whole
from tests.hostile.pt import dictionary, integer, many, tensor_of, text
from tests.saved import DTYPES, same, torch_bytes


def load(content: bytes) -> Any:
    return autograd.load(io.BytesIO(content))


# {"weight": Parameter([[0, ¼, ½], [¾, 1, 1¼]]), "bias": its second column, "steps": 7, "brain": bfloat16 [1, -3]} in an
# OrderedDict, written by PyTorch 2.13 with torch.save(..., _use_new_zipfile_serialization=False).
WRITTEN = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    b"\x80\x02M\xe9\x03."
    b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03X\r\x00\x00\x00little_endianq\x02\x88X\n\x00"
    b"\x00\x00type_sizesq\x03}q\x04(X\x05\x00\x00\x00shortq\x05K\x02X\x03\x00\x00\x00intq\x06K\x04X\x04\x00\x00"
    b"\x00longq\x07K\x04uu."
    b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x06\x00\x00\x00weightq\x02ctorch._utils\n_rebuild_paramet"
    b"er\nq\x03ctorch._utils\n_rebuild_tensor_v2\nq\x04((X\x07\x00\x00\x00storageq\x05ctorch\nFloatStorage\nq\x06"
    b"X\x0e\x00\x00\x0094292352679856q\x07X\x03\x00\x00\x00cpuq\x08K\x06Ntq\tQK\x00K\x02K\x03\x86q\nK\x03K\x01"
    b"\x86q\x0b\x89h\x00)Rq\x0ctq\rRq\x0e\x88h\x00)Rq\x0f\x87q\x10Rq\x11"
    b"X\x04\x00\x00\x00biasq\x12h\x04((h\x05h\x06X\x0e\x00\x00\x0094292352679856q\x13h\x08K\x06Ntq\x14QK\x01K\x02"
    b"\x85q\x15K\x03\x85q\x16\x89h\x00)Rq\x17tq\x18Rq\x19"
    b"X\x05\x00\x00\x00stepsq\x1ah\x04((h\x05ctorch\nLongStorage\nq\x1bX\x0e\x00\x00\x0094292438500720q\x1ch\x08K"
    b"\x01Ntq\x1dQK\x00))\x89h\x00)Rq\x1etq\x1fRq "
    b'X\x05\x00\x00\x00brainq!h\x04((h\x05ctorch\nBFloat16Storage\nq"X\x0e\x00\x00\x0094292352570528q#h\x08K\x02N'
    b"tq$QK\x00K\x02\x85q%K\x01\x85q&\x89h\x00)Rq'tq(Rq)u."
    b"\x80\x02]q\x00(X\x0e\x00\x00\x0094292352570528q\x01X\x0e\x00\x00\x0094292352679856q\x02X\x0e\x00\x00\x00942"
    b"92438500720q\x03e."
    b"\x02\x00\x00\x00\x00\x00\x00\x00\x80?@\xc0"
    b"\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80>\x00\x00\x00?\x00\x00@?\x00\x00\x80?\x00\x00"
    b"\xa0?"
    b"\x01\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00"
)


def test_a_file_that_pytorch_wrote():
    state = load(WRITTEN)
    assert type(state) is OrderedDict
    assert {name: each.tolist() for name, each in state.items()} == {
        "weight": [[0, 0.25, 0.5], [0.75, 1, 1.25]], "bias": [0.25, 1], "steps": 7, "brain": [1, -3],
    }  # fmt: skip
    assert type(state["weight"]) is nn.Parameter
    assert [each.dtype for each in state.values()] == [
        autograd.float32,
        autograd.float32,
        autograd.int64,
        autograd.float32,
    ]
    state["bias"].zero_()
    assert state["weight"].tolist() == [[0, 0, 0.5], [0.75, 0, 1.25]]


def test_booleans_are_0_or_1():
    data = (3).to_bytes(8, "little") + b"\2\0\xff"
    x = load(legacy_file(tensor_of(whole("0", "BoolStorage", 3), 0, (3,)), data=data))
    assert x.numpy().tobytes() == b"\1\0\1"


def test_pieces_parameters_and_strings_of_once():
    value = load(legacy.good_legacy())
    old, weight = value["old"], value["model"]["weight"]
    assert {name: each.tolist() for name, each in old.items() if name != "tag"} == {
        "piece": [1, 2], "parameter": [0, 1, 2, 3], "fixed": [0, 1, 2, 3], "first": [2, 3], "tied": [2, 3], "oldest": [1, 2, 3],
    }  # fmt: skip
    assert old["tag"] == "2017"
    assert old["tied"] is old["first"]
    parameters = [old[name] for name in ("parameter", "fixed", "first")]
    assert [type(each) for each in parameters] == [nn.Parameter] * 3
    assert [each.requires_grad for each in parameters] == [True, False, True]
    weight.zero_()
    assert not any(each.detach().numpy().any() for name, each in old.items() if name != "tag")
    assert {each._version for name, each in old.items() if name != "tag"} == {weight._version} == {1}


def test_pytorch_reads_the_same_of_once(torch):
    content = legacy.good_legacy()
    theirs, ours = torch.load(io.BytesIO(content))["old"], load(content)["old"]
    assert list(theirs) == list(ours)
    assert theirs.pop("tag") == ours.pop("tag")
    for name, value in theirs.items():
        assert same(ours[name].detach().array, value.detach().numpy()), name
        assert ours[name].requires_grad == value.requires_grad, name
        assert isinstance(ours[name], nn.Parameter) == isinstance(value, torch.nn.Parameter), name


def test_long_strings_of_python_2():
    assert load(legacy_file(b"T\4\1\0\0" + b"ab" * 130, {})) == "ab" * 130


def test_elements_are_little_endian_whatever_the_machine(torch):
    given = {d: torch.arange(5).to(getattr(torch, d)) for d in [*DTYPES, "bfloat16"]}
    content = torch_bytes(torch, given, _use_new_zipfile_serialization=False).getvalue()
    foreign, changes = re.subn(b"(little_endianq.)\x88", b"\\1\x89", content)
    assert changes == 1
    theirs, ours = torch.load(io.BytesIO(foreign)), load(foreign)
    assert all(same(ours[d].array, theirs[d].float().numpy() if d == "bfloat16" else theirs[d].numpy()) for d in given)


def test_numbers_of_elements_may_be_in_the_order_of_the_machine():
    swapped = {"data": appended(FLOATS, count=4 << 56)}
    assert load(legacy_file(tensor_of(whole()), machine=machine(b"\x89"), **swapped)).tolist() == [0, 1, 2, 3]
    with pytest.raises(FileError, match="storage '0' has not the 4 elements that its value expects"):
        load(legacy_file(tensor_of(whole()), **swapped))


WRONG = [
    ({"magic": b"K\7"}, "it is a pickle, but not one of torch.save"),
    ({"magic": dictionary(a=b"N")}, "it is a pickle, but not one of torch.save"),
    ({"version": integer(1002)}, "the version of its format is 1002, expected 1001"),
    ({"version": text("1001")}, "the version of its format is no number, or a strange one, expected 1001"),
    ({"machine": b"N"}, "it does not say what machine wrote it"),
    ({"machine": tensor_of(whole())}, "it names a storage where none can be"),
    ({"keys": legacy.listed()}, "the storages it lists are not those that its value uses"),
    ({"keys": legacy.listed("0", "1")}, "the storages it lists are not those that its value uses"),
    ({"data": appended(FLOATS) + b"abc"}, "3 bytes follow the last of its storages"),
    ({"data": appended(FLOATS, count=5)}, "storage '0' has not the 4 elements"),
    ({"data": b""}, "it is too short: bytes 268 to 276 are missing, it has 268"),
    ({"value": tensor_of(whole(count=2**40))}, "it is too short for storage '0' and those before it"),
    ({"value": many(tensor_of(whole()), tensor_of(whole(kind="IntStorage")))}, "storage '0' is described in two ways"),
    ({"value": many(piece(), piece("9", 0))}, "storage '9' is described in two ways"),
    ({"value": piece(size=4)}, "a piece of storage '0' ends beyond it"),
    ({"value": b"N"}, "the storages it lists are not those that its value uses"),
]


@pytest.mark.parametrize(("parts", "message"), WRONG)
def test_what_is_wrong_is_said(parts, message):
    with pytest.raises(FileError, match=f"load: the file: {message}"):
        load(legacy_file(tensor_of(whole()), **parts))


def test_a_file_cut_short_anywhere_is_an_error():
    content = legacy.good_legacy()
    for size in range(len(content)):
        with pytest.raises(FileError):
            load(content[:size])


def test_large_files_are_read_from_their_paths(torch, tmp_path):
    given = {str(i): torch.randn(1000 * i) for i in range(1, 40)}
    given["view"] = given["7"][10:20]
    torch.save(given, tmp_path / "large.pth", _use_new_zipfile_serialization=False)
    loaded = autograd.load(tmp_path / "large.pth", map_location={"cuda:0": "cpu"})
    assert list(loaded) == list(given)
    assert all(same(loaded[name].array, value.numpy()) for name, value in given.items())
    loaded["7"].zero_()
    assert loaded["view"].tolist() == [0] * 10


def test_they_cannot_be_mapped_as_in_pytorch(torch, tmp_path):
    (tmp_path / "old.pth").write_bytes(legacy_file(tensor_of(whole())))
    with pytest.raises(RuntimeError, match="mmap"):
        torch.load(tmp_path / "old.pth", mmap=True)
    with pytest.raises(
        RuntimeError, match="old.pth: it is as PyTorch wrote before version 1.6, which cannot be mapped"
    ):
        autograd.load(tmp_path / "old.pth", mmap=True)


def test_tar_files_of_before_0_1_10_are_refused_with_a_sentence(tmp_path):
    with tarfile.open(tmp_path / "old.pth", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(
        FileError, match=r"old.pth: it is a tar archive, as PyTorch wrote before version 0.1.10; load it"
    ):
        autograd.load(tmp_path / "old.pth")
