"""Roots and proofs from tiles are those of the plain recursive definition, at every size, however grown."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import tlog_tiles as tiles
from services.crypto.errors import CryptoError, FormatError, Refused
from services.crypto.tlog_proof import check_consistency, check_inclusion
from tests.crypto import tlog_reference as reference

LEAVES = [reference.leaf(entry) for entry in reference.entries_of(1300)]
BORDERS = [0, 1, 2, 3, 254, 255, 256, 257, 258, 511, 512, 513, 767, 768, 769, 1023, 1024, 1025, 1200]


class Store:
    """A log on a shelf: keeps every file it was given, refuses to change a full one, counts what is read."""

    def __init__(self) -> None:
        self.files: dict[tiles.TileId, bytes] = {}
        self.size = 0
        self.reads: list[tiles.TileId] = []

    def read(self, level: int, index: int, width: int) -> bytes:
        self.reads.append(tiles.TileId(level, index, width))
        return self.files[tiles.TileId(level, index, width)]

    def append(self, leaves: list[bytes]) -> dict[tiles.TileId, bytes]:
        new = tiles.tiles_for_append(self.size, leaves, self.read)
        assert not new.keys() & self.files.keys()
        self.files |= new
        self.size += len(leaves)
        return new


def filled(leaves: list[bytes]) -> Store:
    store = Store()
    store.append(leaves)
    return store


@pytest.mark.parametrize("size", BORDERS)
def test_roots_at_borders_equal_the_reference(size: int):
    assert tiles.root(size, filled(LEAVES[:size]).read) == reference.mth(LEAVES[:size])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_log_grown_in_any_steps_is_the_same_log(steps: list[int], rng: random.Random):
    store = Store()
    for step in steps:
        step = min(step, 1200 - store.size)
        store.append(LEAVES[store.size : store.size + step])
        # Whatever tiles a fresh log of this size would have are there, with the same bytes.
        assert {tile: store.files[tile] for tile in tiles.tiles_of(store.size)} == filled(
            LEAVES[: store.size]
        ).files
    assert tiles.root(store.size, store.read) == reference.mth(LEAVES[: store.size])
    if store.size:
        index = rng.randrange(store.size)
        assert tiles.inclusion_proof(index, store.size, store.read) == reference.path(
            index, LEAVES[: store.size]
        )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1200), st.data())
def test_proofs_equal_the_reference_and_verify(size: int, data: st.DataObject):
    leaves, store = LEAVES[:size], filled(LEAVES[:size])
    tree, root = tiles.Tree(size, store.read), reference.mth(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    path, proof = tree.inclusion_proof(index), tree.consistency_proof(old)
    assert path == reference.path(index, leaves)
    assert proof == reference.proof(old, leaves)
    check_inclusion(tree.leaf_hash(index), index, size, path, tree.root())
    check_consistency(old, reference.mth(leaves[:old]), size, root, proof)


@pytest.mark.parametrize("size", [1, 2, 5, 16, 33])
def test_all_proofs_of_small_trees_equal_the_reference(size: int):
    leaves, tree = LEAVES[:size], tiles.Tree(size, filled(LEAVES[:size]).read)
    for index in range(size):
        assert tree.leaf_hash(index) == leaves[index]
        assert tree.inclusion_proof(index) == reference.path(index, leaves)
        assert tiles.consistency_proof(index, size, filled(leaves).read) == reference.proof(index, leaves)
    assert tree.consistency_proof(size) == []


@pytest.fixture(scope="module")
def large() -> tuple[list[bytes], Store]:
    """A log whose third level begins: published at 65,535, 65,536 and 65,537."""
    leaves = [number.to_bytes(32) for number in range(65537)]
    store = Store()
    for size in (65535, 65536, 65537):
        store.append(leaves[store.size : size])
    return leaves, store


@pytest.mark.parametrize("size", [65535, 65536, 65537])
def test_the_third_level_of_tiles_agrees_with_the_reference(large: tuple[list[bytes], Store], size: int):
    leaves, store = large
    tree = tiles.Tree(size, store.read)
    assert tree.root() == reference.mth(leaves[:size])
    for index in (0, 255, 256, 40000, size - 1):
        check_inclusion(leaves[index], index, size, tree.inclusion_proof(index), tree.root())
    for old in (1, 256, 300, 65535):
        check_consistency(old, reference.mth(leaves[:old]), size, tree.root(), tree.consistency_proof(old))


def test_a_proof_of_a_large_log_reads_few_tiles(large: tuple[list[bytes], Store]):
    _, store = large
    store.reads.clear()
    tiles.inclusion_proof(40000, 65537, store.read)
    assert len(store.reads) == len(set(store.reads)) <= 5


def test_appending_reads_only_partial_tiles_and_writes_each_file_once(large: tuple[list[bytes], Store]):
    leaves, _ = large
    store = filled(leaves[:65535])
    store.reads.clear()
    new = store.append(leaves[65535:])
    assert {tile.path for tile in store.reads} == {"tile/0/255.p/255", "tile/1/000.p/255"}
    assert {tile.path for tile in new} == {
        "tile/0/255", "tile/0/256.p/1", "tile/1/000", "tile/2/000.p/1",
    }  # fmt: skip


def test_appending_nothing_changes_nothing():
    store = filled(LEAVES[:300])
    assert store.append([]) == {}
    assert store.append(LEAVES[300:301]).keys() == {tiles.TileId(0, 1, 45)}


def test_the_tiles_of_seventy_thousand_entries_are_those_of_the_standard():
    found = list(tiles.tiles_of(70_000))
    assert len(found) == 273 + 1 + 1 + 1 + 1
    partial = [tile for tile in found if tile.width < 256]
    assert partial == [tiles.TileId(0, 273, 112), tiles.TileId(1, 1, 17), tiles.TileId(2, 0, 1)]
    assert list(tiles.tiles_of(256)) == [tiles.TileId(0, 0), tiles.TileId(1, 0, 1)]
    assert list(tiles.tiles_of(0)) == []


def test_the_tree_of_a_million_entries_needs_no_leaf_to_extend():
    # Only the right edge is needed: everything else may have been archived elsewhere.
    size = 1_000_000
    edge = {tile: bytes(32) * tile.width for tile in tiles.tiles_of(size) if tile.width < 256}
    new = tiles.tiles_for_append(size, [bytes(32)] * 64, lambda *tile: edge[tiles.TileId(*tile)])
    assert {tile.path for tile in new} == {"tile/0/x003/906.p/128"}


def test_a_changed_tile_changes_the_root():
    store = filled(LEAVES[:700])
    root = tiles.root(700, store.read)
    for tile in list(store.files):
        if tile.level == 0 and tile.width == 256:
            continue  # covered by the hash at level 1, which a root is computed from
        damaged = dict(store.files)
        damaged[tile] = bytes([damaged[tile][0] ^ 1]) + damaged[tile][1:]
        assert tiles.root(700, lambda *name, files=damaged: files[tiles.TileId(*name)]) != root


def test_a_tile_of_the_wrong_length_is_refused():
    for bad in (b"", bytes(31), bytes(32 * 299), bytes(32 * 257)):
        with pytest.raises(FormatError):
            tiles.root(300, lambda *_, data=bad: data)
        with pytest.raises(FormatError):
            tiles.tiles_for_append(300, [bytes(32)], lambda *_, data=bad: data)
    with pytest.raises(FormatError):
        tiles.tiles_for_append(0, [bytes(31)], Store().read)


def test_what_is_outside_the_tree_is_refused():
    tree = tiles.Tree(5, filled(LEAVES[:5]).read)
    for index in (-1, 5):
        with pytest.raises(Refused):
            tree.inclusion_proof(index)
        with pytest.raises(Refused):
            tree.leaf_hash(index)
    for old in (-1, 6):
        with pytest.raises(Refused):
            tree.consistency_proof(old)
    for size in (-1, 2**63):
        with pytest.raises(Refused):
            tiles.Tree(size, Store().read)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        ((0, 0, 256), "tile/0/000"),
        ((0, 999, 1), "tile/0/999.p/1"),
        ((1, 1000, 255), "tile/1/x001/000.p/255"),
        ((0, 1234067, 256), "tile/0/x001/x234/067"),
        ((63, 5, 256), "tile/63/005"),
        ((tiles.ENTRIES, 1234, 256), "tile/entries/x001/234"),
        ((tiles.ENTRIES, 0, 17), "tile/entries/000.p/17"),
    ],
)
def test_paths_are_those_of_the_standard(tile: tuple[int, int, int], path: str):
    assert tiles.tile_path(*tile) == path
    assert tiles.parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/../000",
        "tile/data/000",
        "tile/0/x1234/567",
        "tile/0/x001/x001/x001/x001/x001/x001/001",
    ],
)
def test_other_spellings_of_paths_are_refused(path: str):
    with pytest.raises(FormatError):
        tiles.parse_tile_path(path)


@settings(max_examples=100, deadline=None)
@given(st.integers(-1, 63), st.integers(0, 2**55), st.integers(1, 256))
def test_every_tile_has_one_path(level: int, index: int, width: int):
    tile = tiles.TileId(level, index, width)
    assert tiles.parse_tile_path(tile.path) == tile


@pytest.mark.parametrize("tile", [(-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 10**18, 1), (0, 0, 0), (0, 0, 257)])
def test_impossible_tiles_have_no_path(tile: tuple[int, int, int]):
    with pytest.raises(Refused):
        tiles.tile_path(*tile)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="tile/0123456789x.pentris-", max_size=40) | st.text(max_size=30))
def test_any_text_as_a_path_is_a_tile_or_malformed(text: str):
    try:
        tile = tiles.parse_tile_path(text)
    except CryptoError:
        return
    assert tile.path == text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=70), min_size=1, max_size=256))
def test_bundles_give_back_their_entries(entries: list[bytes]):
    data = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(data) == entries
    for cut in (data[:-1], data + b"\x00", data + b"\x00\x01"):
        with pytest.raises(FormatError):
            tiles.decode_bundle(cut)


def test_the_bytes_of_a_bundle_are_length_and_entry():
    assert tiles.encode_bundle([b"ab", b"", b"c" * 300]).hex() == "00026162" + "0000" + "012c" + "63" * 300


def test_bundles_refuse_too_long_and_too_many_entries():
    assert len(tiles.decode_bundle(tiles.encode_bundle([b"x" * 65535]))[0]) == 65535
    for entries in ([b"x" * 65536], [b""] * 257):
        with pytest.raises(Refused):
            tiles.encode_bundle(entries)
    for data in (b"", b"\x00\x00" * 257):
        with pytest.raises(FormatError):
            tiles.decode_bundle(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_as_a_bundle_decode_or_are_malformed(data: bytes):
    try:
        entries = tiles.decode_bundle(data)
    except CryptoError:
        return
    assert tiles.encode_bundle(entries) == data


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=5))
def test_entry_bundles_grow_like_the_tiles_they_belong_to(steps: list[int]):
    files: dict[tiles.TileId, bytes] = {}

    def read(level: int, index: int, width: int) -> bytes:
        return files[tiles.TileId(level, index, width)]

    entries, size = reference.entries_of(1500), 0
    for step in steps:
        files.update(tiles.bundles_for_append(size, entries[size : size + step], read))
        size += step
    wanted = [tile._replace(level=tiles.ENTRIES) for tile in tiles.tiles_of(size) if tile.level == 0]
    stored = [entry for tile in wanted for entry in tiles.decode_bundle(files[tile])]
    assert stored == entries[:size]


def test_a_stored_bundle_with_too_few_entries_is_refused():
    with pytest.raises(FormatError):
        tiles.bundles_for_append(5, [b"new"], lambda *_: tiles.encode_bundle([b"old"] * 4))


def test_a_random_log_of_padded_days_checks_out():
    # As in use: every day a shuffled batch padded to a multiple of 256, each day consistent with the last.
    rng = random.Random(5)
    store, last = Store(), (0, tiles.root(0, Store().read))
    for _ in range(4):
        store.append([rng.randbytes(32) for _ in range(256 * rng.randrange(1, 3))])
        tree = tiles.Tree(store.size, store.read)
        check_consistency(*last, store.size, tree.root(), tree.consistency_proof(last[0]))
        last = (store.size, tree.root())
    assert all(tile.width == 256 for tile in store.files if tile.level == 0)
