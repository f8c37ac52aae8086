"""A stand-in for the hub: the few addresses that huggingface_hub asks for, over real HTTP."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.unit.dataset.hostile_server import HostileServer, Script, hostile_server

COMMIT = "ab" * 20
OTHER_COMMIT = "cd" * 20
REPOSITORY = "naist-nlp/ExpArt"


@contextmanager
def fake_hub(records: object) -> Iterator[HostileServer]:
    """Serves one file of a dataset with two commits; HF_ENDPOINT is to be its address.

    The branch main is at the later one, ``OTHER_COMMIT``.
    """
    body = json.dumps(records).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()}"'

    def as_json(value: object) -> Script:
        text = json.dumps(value).encode()
        return lambda ask, _: ask.answer(200, text, kind="application/json")

    def file(commit: str) -> Script:
        return lambda ask, _: ask.answer(
            200, body, kind="application/json", X_Repo_Commit=commit, ETag=tag
        )

    commits = [
        {"id": item, "authors": [], "date": "2024-02-29T00:00:00.000Z", "title": "", "message": ""}
        for item in (OTHER_COMMIT, COMMIT)
    ]
    with hostile_server() as server:
        api = f"/api/datasets/{REPOSITORY}"
        server.serve(f"{api}/commits/main", as_json(commits))
        info = {"id": REPOSITORY, "sha": OTHER_COMMIT, "siblings": []}
        server.serve(f"{api}/revision/main", as_json(info))
        for commit in (COMMIT, OTHER_COMMIT):
            server.serve(f"/datasets/{REPOSITORY}/resolve/{commit}/test_seen.json", file(commit))
        yield server
