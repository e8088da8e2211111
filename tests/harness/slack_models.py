"""Reads messages as JSON, `{"name": {"text": ..., "blocks": [...]}, ...}`, and prints what the validators of Slack's own SDK
complain of, one line each, with the message's name. What the SDK does not know counts as a complaint, too."""

import json
import logging
import sys

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models import blocks

MAX_BLOCKS = 50


class Warnings(logging.Handler):
    """What the SDK logs: fields that it does not know, above all."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def complaints(message, warnings):
    listed = message.get("blocks", [])
    if not message.get("text"):
        yield "no text, which is what a push notification shows"
    if len(listed) > MAX_BLOCKS:
        yield f"{len(listed)} blocks, but at most {MAX_BLOCKS}"
    for number, block in enumerate(listed):
        warnings.lines.clear()
        try:
            parsed = blocks.Block.parse(block)
            if parsed is None:
                yield f"block {number}: unknown type {block.get('type')!r}"
                continue
            again = parsed.to_dict()
            if again != block:
                yield f"block {number}: the SDK reads it as {json.dumps(again)}"
        except (SlackObjectFormationError, AttributeError, KeyError, TypeError, ValueError) as error:
            yield f"block {number}: {error}"
        yield from (f"block {number}: {line}" for line in warnings.lines)


def main():
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    for name, message in json.load(sys.stdin).items():
        for complaint in complaints(message, warnings):
            print(f"{name}: {complaint}")


main()
