# SPDX-License-Identifier: Apache-2.0
"""What a lab consists of: /run/neutrino-lab/NAME/state.json, changed under a lock.

Every piece is written down before or as soon as it exists, so that `down` finds it after any accident."""

import contextlib
import fcntl
import json
import os
import re
import shutil

from .base import LabError, until

ROOT = "/run/neutrino-lab"


class State:
    def __init__(self, name):
        # Part of device names, host names and process titles.
        if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", name):
            raise LabError(f"{name!r} is no name for a lab: a letter, then at most 11 letters and digits, lower case")
        self.dir = os.path.join(ROOT, name)
        self.path = os.path.join(self.dir, "state.json")
        self.depth = 0
        self.data = None

    def exists(self):
        return os.path.exists(self.path)

    def read(self):
        if self.depth:
            return self.data
        try:
            with open(self.path) as f:
                return json.load(f)
        except FileNotFoundError:
            raise LabError(f"no lab {os.path.basename(self.dir)} is up") from None

    def create(self, data):
        os.makedirs(ROOT, exist_ok=True)
        try:
            os.mkdir(self.dir)
        except FileExistsError:
            raise LabError(f"lab {os.path.basename(self.dir)} is there already: take it down first, or give a --name") from None
        self._write(data)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(ROOT) # the last lab's

    def save(self):
        self._write(self.data)

    def _write(self, data):
        with open(self.path + ".new", "w") as f:
            json.dump(data, f, indent=1)
        os.rename(self.path + ".new", self.path)

    @contextlib.contextmanager
    def locked(self):
        """The data, for changing; written back at the end, also on failure. May be nested."""
        if self.depth:
            self.depth += 1
            try:
                yield self.data
            finally:
                self.depth -= 1
            return
        try:
            lock = os.open(self.dir, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise LabError(f"no lab {os.path.basename(self.dir)} is up") from None
        try:
            until(f"lab {os.path.basename(self.dir)} is not busy with another command", lambda: take(lock), 120)
            self.data = self.read()
            self.depth = 1
            try:
                yield self.data
            finally:
                self.depth = 0
                self._write(self.data)
        finally:
            os.close(lock)


def take(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
