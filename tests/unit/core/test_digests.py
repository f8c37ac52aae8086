"""Digests name contents."""

from pathlib import Path

from services.core.digests import digest_of, digest_of_files


def test_digest_is_the_sha256_of_the_bytes() -> None:
    # SHA-256 of "abc" is the first test vector of FIPS 180-2, appendix B.1.
    assert digest_of(b"abc") == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_digest_of_files_depends_on_names_and_contents_but_not_on_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    files = [tmp_path / "a", tmp_path / "b"]
    before = digest_of_files(files, tmp_path)
    assert digest_of_files(files[::-1], tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "c")
    assert digest_of_files([tmp_path / "c", tmp_path / "b"], tmp_path) != before
    (tmp_path / "c").rename(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"3")
    assert digest_of_files(files, tmp_path) != before
