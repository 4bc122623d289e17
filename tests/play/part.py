"""What a step of a talk says of what was said: a part of it.  tests/talk.py tells the rules."""
import ast
import json
import re

SHOWN = 2000           # characters of a line that a report shows


class Wrong(Exception):
    """The conversation went another way."""


class Skip(Exception):
    """It cannot be played here."""


def contains(part, whole, path=""):
    """None when WHOLE contains PART; else a sentence."""
    where = path or "the whole"
    if isinstance(part, str) and part.startswith("~"):
        text = whole if isinstance(whole, str) else json.dumps(whole, ensure_ascii=False)
        return None if re.search(part[1:], text, re.S) else f"{where}: {text[:SHOWN]!r} does not fit {part[1:]!r}"
    if isinstance(part, dict):
        if not isinstance(whole, dict):
            return f"{where}: no object: {json.dumps(whole)[:SHOWN]}"
        for key, value in part.items():
            if value == "!absent":
                if key in whole:
                    return f"{path}/{key}: is there: {json.dumps(whole[key])[:SHOWN]}"
            elif key not in whole:
                return f"{path}/{key}: is missing"
            else:
                wrong = contains(value, whole[key], f"{path}/{key}")
                if wrong:
                    return wrong
        return None
    if isinstance(part, list):
        return contains_list(part, whole, path)
    same = part == whole and isinstance(part, bool) == isinstance(whole, bool)
    return None if same else f"{where}: {json.dumps(whole)[:SHOWN]} is not {json.dumps(part)}"


def contains_list(part, whole, path):
    where = path or "the whole"
    if not isinstance(whole, list):
        return f"{where}: no array: {json.dumps(whole)[:SHOWN]}"
    if "..." not in part:
        if len(part) != len(whole):
            return f"{where}: {len(whole)} elements, not {len(part)}: {json.dumps(whole)[:SHOWN]}"
        pairs = list(zip(part, whole))
        for i, (p, w) in enumerate(pairs):
            wrong = contains(p, w, f"{path}/{i}")
            if wrong:
                return wrong
        return None
    at = 0  # the named elements occur in this order; "..." allows others in between
    loose = False
    for p in part:
        if p == "...":
            loose = True
            continue
        wrong = "nothing is left"
        while at < len(whole):
            wrong = contains(p, whole[at], f"{path}/{at}")
            at += 1
            if wrong is None or not loose:
                break
        if wrong:
            return f"{where}: no element fits {json.dumps(p)}: {wrong}"
        loose = False
    return None if loose or at == len(whole) else f"{where}: more elements than named"


def pointer(value, text):
    for token in text.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


def unquote(text):
    """A quoted word of a talk -> str, with Python's escapes."""
    return ast.literal_eval(text)


def unbytes(text):
    return ast.literal_eval("b" + text)


def duration(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s)", text.strip()).groups()
    return float(number) / (1000 if unit == "ms" else 1)
