def longest(lines: list[str]) -> str:
    return max(lines, key=len)


def shout(verse: str) -> str:
    return f"{verse.upper()}!\n"
