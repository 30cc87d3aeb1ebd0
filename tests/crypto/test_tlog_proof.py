"""A proof is accepted exactly when RFC 6962 says so, and every other one is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.errors import CryptoError, FormatError, Refused
from services.crypto.tlog_proof import (
    EMPTY_ROOT,
    MAX_SIZE,
    check_consistency,
    check_inclusion,
    node_hash,
    record_hash,
    root_of,
    split_point,
)
from tests.crypto import tlog_reference as reference

# The entries and roots that the certificate-transparency project publishes for sizes 1 to 8.
CT_ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_PATH_OF_5_IN_8 = [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
CT_PROOF_OF_2_IN_5 = [
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
]
LEAVES = [reference.leaf(entry) for entry in reference.entries_of(70)]
OTHER = bytes(range(32))


def flip(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data) ^ 1 << bit % (8 * len(data))).to_bytes(len(data))


def unhex(lines: list[str]) -> list[bytes]:
    return [bytes.fromhex(line) for line in lines]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int):
    assert root_of(map(record_hash, CT_ENTRIES[:size])).hex() == CT_ROOTS[size - 1]


def test_published_proofs_pass():
    roots = unhex(CT_ROOTS)
    check_inclusion(record_hash(CT_ENTRIES[5]), 5, 8, unhex(CT_PATH_OF_5_IN_8), roots[7])
    check_consistency(2, roots[1], 5, roots[4], unhex(CT_PROOF_OF_2_IN_5))


def test_the_reference_agrees_with_the_published_proofs():
    leaves = [reference.leaf(entry) for entry in CT_ENTRIES]
    assert reference.path(5, leaves) == unhex(CT_PATH_OF_5_IN_8)
    assert reference.proof(2, leaves[:5]) == unhex(CT_PROOF_OF_2_IN_5)


def test_a_leaf_is_never_a_node():
    assert node_hash(OTHER, OTHER) != record_hash(OTHER + OTHER)


def test_the_split_is_the_largest_smaller_power_of_two():
    assert [split_point(size) for size in (2, 3, 4, 5, 8, 9, 256, 257)] == [1, 2, 2, 4, 4, 8, 128, 256]


@pytest.mark.parametrize("size", range(len(LEAVES) + 1))
def test_streamed_root_equals_the_recursive_one(size: int):
    assert root_of(iter(LEAVES[:size])) == reference.mth(LEAVES[:size])


@pytest.mark.parametrize("size", [*range(1, 18), 31, 32, 33, 64, 65, 70])
def test_every_inclusion_proof_passes_and_only_for_its_own_place(size: int):
    leaves = LEAVES[:size]
    root = reference.mth(leaves)
    for index in range(size):
        proof = reference.path(index, leaves)
        check_inclusion(leaves[index], index, size, proof, root)
        for wrong in {0, index - 1, index + 1, size - 1, size} - {index}:
            with pytest.raises(Refused):
                check_inclusion(leaves[index], wrong, size, proof, root)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 70])
def test_tampered_inclusion_proofs_are_refused(size: int):
    leaves = LEAVES[:size]
    root = reference.mth(leaves)
    for index in range(size):
        proof = reference.path(index, leaves)
        tampered = [
            [*proof, OTHER],
            [OTHER, *proof],
            *([*proof[:i], *proof[i + 1 :]] for i in range(len(proof))),
        ]
        tampered += [[*proof[:i], flip(proof[i], 7 * i), *proof[i + 1 :]] for i in range(len(proof))]
        for bad in tampered:
            with pytest.raises(Refused):
                check_inclusion(leaves[index], index, size, bad, root)
        with pytest.raises(Refused):
            check_inclusion(flip(leaves[index], index), index, size, proof, root)
        with pytest.raises(Refused):
            check_inclusion(leaves[index], index, size, proof, flip(root, index))


def test_an_inclusion_proof_is_refused_for_a_tree_of_another_height():
    proof, root = reference.path(3, LEAVES[:7]), reference.mth(LEAVES[:7])
    # Sizes 5 to 8 look alike from leaf 3: the signed checkpoint is what ties a size to a root.
    for size in (*range(5), *range(9, 70)):
        with pytest.raises(Refused):
            check_inclusion(LEAVES[3], 3, size, proof, root)
    with pytest.raises(Refused):
        check_inclusion(LEAVES[3], 3, 8, proof, reference.mth(LEAVES[:8]))


@pytest.mark.parametrize("new_size", [*range(18), 32, 33, 70])
def test_every_consistency_proof_passes(new_size: int):
    new_root = reference.mth(LEAVES[:new_size])
    for old_size in range(new_size + 1):
        proof = reference.proof(old_size, LEAVES[:new_size])
        check_consistency(old_size, reference.mth(LEAVES[:old_size]), new_size, new_root, proof)


@pytest.mark.parametrize("new_size", [2, 3, 4, 7, 8, 13])
def test_tampered_consistency_proofs_are_refused(new_size: int):
    new_root = reference.mth(LEAVES[:new_size])
    for old_size in range(new_size + 1):
        old_root = reference.mth(LEAVES[:old_size])
        proof = reference.proof(old_size, LEAVES[:new_size])
        bad = [[*proof, OTHER], *([*proof[:i], *proof[i + 1 :]] for i in range(len(proof)))]
        bad += [[*proof[:i], flip(proof[i], 31 * i), *proof[i + 1 :]] for i in range(len(proof))]
        for tampered in bad:
            with pytest.raises(Refused):
                check_consistency(old_size, old_root, new_size, new_root, tampered)
        with pytest.raises(Refused):
            check_consistency(old_size, flip(old_root, old_size), new_size, new_root, proof)


def test_a_log_that_shows_two_histories_is_caught():
    # The same log, but for one reader entry 4 of the first nine was replaced.
    forked = [*LEAVES[:4], OTHER, *LEAVES[5:20]]
    seen = reference.mth(LEAVES[:9])
    for old, new in ((9, 20), (9, 9)):
        with pytest.raises(Refused):
            check_consistency(old, seen, new, reference.mth(forked[:new]), reference.proof(old, forked[:new]))


def test_a_log_that_shrinks_is_caught():
    with pytest.raises(Refused):
        check_consistency(9, reference.mth(LEAVES[:9]), 8, reference.mth(LEAVES[:8]), [])


def test_an_empty_log_has_the_empty_root():
    check_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    for old_root, new_size, new_root in ((OTHER, 5, OTHER), (EMPTY_ROOT, 0, OTHER), (OTHER, 0, OTHER)):
        with pytest.raises(Refused):
            check_consistency(0, old_root, new_size, new_root, [])


def test_a_hash_of_another_length_is_malformed():
    for bad in (b"", OTHER[:-1], OTHER + b"\x00"):
        with pytest.raises(FormatError):
            check_inclusion(LEAVES[0], 0, 2, [bad], OTHER)
        with pytest.raises(FormatError):
            check_inclusion(bad, 0, 2, [LEAVES[1]], OTHER)
        with pytest.raises(FormatError):
            check_consistency(2, OTHER, 3, bad, [OTHER])


hashes = st.binary(min_size=31, max_size=33) | st.just(OTHER)
numbers = st.integers(-2, 40) | st.integers(MAX_SIZE - 2, MAX_SIZE + 2)


@settings(max_examples=100, deadline=None)
@given(hashes, numbers, numbers, st.lists(hashes, max_size=70), hashes)
def test_any_invented_proof_is_refused_cleanly(
    first: bytes, a: int, b: int, proof: list[bytes], second: bytes
):
    if (a, b) != (0, 1):  # a tree of one leaf is its own root
        with pytest.raises(CryptoError):
            check_inclusion(first, a, b, proof, second)
    if a != b:
        with pytest.raises(CryptoError):
            check_consistency(a, first, b, second, proof)
