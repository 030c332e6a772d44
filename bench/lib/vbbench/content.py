# SPDX-License-Identifier: LGPL-2.1-or-later
"""Seeded content for the disk: noise, text, a database."""

import itertools
import os
import random
import sqlite3

MIB = 1 << 20
PIECE = MIB
WORDS = 4096


class Language:
    """Words of a language of its own; a few of them are frequent."""

    def __init__(self, rng):
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        shares = range(len(letters), 0, -1)
        self.rng = rng
        self.words = ["".join(rng.choices(letters, shares, k=rng.randint(2, 10))) for _ in range(WORDS)]
        self.sums = list(itertools.accumulate(1 / (rank + 3) for rank in range(WORDS)))

    def draw(self, count):
        return self.rng.choices(self.words, cum_weights=self.sums, k=count)


def noise(path, size, seed):
    """What cannot be compressed: media, archives, ciphertext."""
    rng = random.Random(f"noise/{seed}")
    with open(path, "wb") as file:
        for _ in range(size // PIECE):
            file.write(rng.randbytes(PIECE))
        file.write(rng.randbytes(size % PIECE))


def log_text(path, size, seed):
    """Lines as a log has them."""
    rng = random.Random(f"log/{seed}")
    language = Language(rng)
    second = 1_600_000_000
    with open(path, "w", encoding="ascii") as file:
        while file.tell() < size:
            drawn = language.draw(8 * 512)
            for start in range(0, len(drawn), 8):
                second += rng.getrandbits(3)
                file.write(f"{second} {rng.getrandbits(16):5d} [{drawn[start]}] {' '.join(drawn[start + 1:start + 8])}\n")
        file.truncate(size)


def zeros(path, size):
    """Space that a program has claimed by writing zeros to it."""
    with open(path, "wb") as file:
        for _ in range(size // PIECE):
            file.write(bytes(PIECE))
        file.write(bytes(size % PIECE))


def _rows(rng, language, count):
    for _ in range(count):
        name, user, host, *note = language.draw(5 + rng.getrandbits(3))
        yield (rng.getrandbits(40), name, f"{user}@{host}", rng.random(), rng.getrandbits(31), rng.randbytes(12).hex(),
               " ".join(note))


def database(path, size, seed):
    """An SQLite database of at least this size, with an index and rows that were deleted again."""
    rng = random.Random(f"database/{seed}")
    language = Language(rng)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for text in ("PRAGMA page_size = 8192", "PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF",
                     "CREATE TABLE account (id INTEGER PRIMARY KEY, customer INTEGER, name TEXT, mail TEXT, balance REAL, "
                     "changed INTEGER, token TEXT, note TEXT)", "CREATE INDEX by_name ON account (name)"):
            connection.execute(text)
        number = 0
        while number == 0 or os.stat(path).st_size < size:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO account (customer, name, mail, balance, changed, token, note) "
                                   "VALUES (?, ?, ?, ?, ?, ?, ?)", _rows(rng, language, 10000))
            connection.execute("DELETE FROM account WHERE id > ? AND id % 7 = 0", (number,))
            connection.execute("COMMIT")
            number += 10000
    finally:
        connection.close()
