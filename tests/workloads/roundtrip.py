"""Builds a document, writes it as JSON, reads it back: the json workload. Argument: records."""

import hashlib
import json
import sys


def record(i: int) -> dict[str, object]:
    """One record, the same in every run."""
    return {
        "id": i,
        "name": f"record {i * 7919 % 100003:06d}",
        "ratio": i / 7,
        "tags": [f"tag{(i * k) % 97}" for k in range(i % 9)],
        "nested": {"left": i % 3 == 0 or None, "right": {"depth": i % 11, "text": "x" * (i % 200)}},
    }


def main() -> None:
    """Three round trips; prints what came out."""
    document = [record(i) for i in range(int(sys.argv[1]))]
    for indent in (None, 2, None):
        text = json.dumps(document, indent=indent, sort_keys=True)
        document = json.loads(text)
    again = [record(i) for i in range(len(document))]
    digest = hashlib.sha256(text.encode()).hexdigest()
    print(f"records {len(document)} equal {document == again} bytes {len(text)} sha256 {digest}")


if __name__ == "__main__":
    main()
