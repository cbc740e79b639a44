"""Passwords and tokens as they are kept."""

from service import passwords


def test_the_password_that_was_kept_matches() -> None:
    """A password matches what was kept of it, another one does not, and what was kept does not quote it."""
    kept = passwords.hashed("correct horse ü")

    assert passwords.matches("correct horse ü", kept)
    assert not passwords.matches("correct horse u", kept)
    assert "horse" not in kept


def test_equal_passwords_are_kept_differently() -> None:
    """Every password has a salt of its own: who reads the ledger does not see that two are equal."""
    assert passwords.hashed("the same words") != passwords.hashed("the same words")


def test_nobodys_password_is_nothing() -> None:
    """What a missing person is compared with matches no word that comes in by a form, the empty one included."""
    assert [False, False] == [passwords.matches(word, passwords.NOBODYS) for word in ("", "password")]


def test_another_method_is_not_believed() -> None:
    """What was not written by this method matches nothing."""
    assert not passwords.matches("x", passwords.hashed("x").replace("scrypt", "plain"))


def test_tokens_cannot_be_guessed() -> None:
    """Each token is another, has 256 bits, and can be told from other text by its beginning."""
    tokens = {passwords.new_token() for _ in range(50)}

    assert 50 == len(tokens)
    assert all(token.startswith("spo_") and len(token) >= 4 + 43 for token in tokens)


def test_a_digest_is_sha_256() -> None:
    """FIPS 180-4, example "abc"."""
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" == passwords.digest("abc")
