"""RFC 6962 Merkle hashing and proof checking: whoever holds a root needs nothing but SHA-256 to check a log.

A proof that passes shows that one entry is in the tree, or that a later tree only added to an earlier one.
Source: RFC 6962 section 2.1; the checks are the loops of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence

from services.crypto.errors import FormatError, Refused

HASH_SIZE = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = hashlib.sha256(b"").digest()


def record_hash(entry: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 | entry), 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 | left | right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split_point(size: int) -> int:
    """Largest power of two below `size` (size >= 2): where RFC 6962 cuts a tree in two."""
    return 1 << (size - 1).bit_length() - 1


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Root over leaf hashes read once in order; memory grows with the logarithm of the size only."""
    stack: list[bytes] = []
    for count, leaf in enumerate(leaf_hashes, 1):
        stack.append(leaf)
        # Each zero bit at the end of `count` closes one complete subtree.
        for _ in range((count & -count).bit_length() - 1):
            right = stack.pop()
            stack.append(node_hash(stack.pop(), right))
    return fold(stack)


def fold(subtrees: Sequence[bytes]) -> bytes:
    """Root over adjacent complete subtrees, largest first; the empty root for none."""
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        raise FormatError("a hash of a proof is not 32 bytes long")


def _same(computed: bytes, expected: bytes) -> bool:
    return hmac.compare_digest(computed, expected)


def check_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf_hash` is leaf `index` (from 0) of the tree of `size` leaves with this `root`.

    Raises FormatError for a hash that is not 32 bytes, Refused for a proof that does not lead to the root.
    """
    _check_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size <= MAX_SIZE:
        raise Refused("the index is outside the tree")
    node, last, current = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise Refused("the inclusion proof is too long")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            # On the ragged right edge a node has no sibling for some levels: skip them.
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if last or not _same(current, root):
        raise Refused("the inclusion proof does not lead to the root")


def check_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` leaves begins with the tree of `old_size` leaves.

    Raises FormatError for a hash that is not 32 bytes, Refused when the log was rewritten, shrunk or forked.
    """
    _check_hashes(old_root, new_root, *proof)
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise Refused("the sizes of the trees are out of order")
    if old_size in (0, new_size):
        _check_trivial(old_size, old_root, new_size, new_root, proof)
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # the old tree is one complete subtree, so the proof leaves it out
        path.insert(0, old_root)
    if not path:
        raise Refused("the consistency proof is too short")
    computed_old, computed_new = _climb(old_size - 1, new_size - 1, path)
    if not (_same(computed_old, old_root) and _same(computed_new, new_root)):
        raise Refused("the trees are not consistent")


def _check_trivial(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise Refused("the consistency proof is too long")
    expected = EMPTY_ROOT if old_size == 0 else new_root
    if not _same(old_root, expected) or (new_size == 0 and not _same(new_root, EMPTY_ROOT)):
        raise Refused("the trees are not consistent")


def _climb(node: int, last: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Both roots that `path` leads to, for the last leaves of the old and of the new tree."""
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Refused("the consistency proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused("the consistency proof is too short")
    return old, new
