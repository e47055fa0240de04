"""Where sentences end: spaCy's rules, the false ends joined again, the lines that stand alone."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

from kgdistill.records import Span

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer
    from spacy.tokens import Doc

_PIECE = 10_000
_LONG_RUN = re.compile(r"\S{200,}")
_SURROGATE = re.compile("[\ud800-\udfff]")

# A line that is a sentence of its own: a Markdown heading, a table row, a fence or a ruler.
_LONE_LINE = re.compile(r"[ \t]{0,8}(?:#{1,6}[ \t]|\||```|~~~|(?:[-*_=][ \t]?){3,40}\r?\n?$)")
_LIST_ITEM = re.compile(r"[ \t]{0,40}(?:[-*+•‣◦▪–][ \t]|\(?\d{1,3}[.)][ \t]|\(?[a-z]\)[ \t])")

_BARE = "。！？｡．؟۔।॥။።፧։‼⁇⁈⁉"
_MARK = "[.!?…" + _BARE + "]"
_CLOSER = "[\"'”’»›“«‹)\\]}」』）】》〉*_]*+"
# French sets a space before the closing sign; where a word follows directly, it is a German opening one.
_CLOSERS = "(?:[\"'”’»›“«‹)\\]}」』）】》〉*_]|[ \u00a0\u202f]»(?=\\s|$))*+"
_STARTERS = (
    "He|She|It|They|We|You|I|The|This|That|These|Those|His|Her|Its|Their|In|On|At|But|However|After|When|There|A|An|"
    "Er|Sie|Es|Wir|Das|Der|Die|Il|Elle|Le|La|Les|El|Los|Las"
)
_BARE_END = re.compile(f"[{_BARE}]++[{_BARE}.!?…]*+{_CLOSERS}")
_SPACED_END = re.compile(rf"(?:(?<![.!?…])(?:…|[.!?…]{{2,}}+|[.!?…](?={_CLOSER[:-2]}))|(?<=\d\d\d)\.){_CLOSERS}(?=\s)")
_FRENCH_END = re.compile(r"[.!?…][ \u00a0\u202f]»(?=\s|$)")
_ENDING_ABBREVIATION = re.compile(r"(?:\w\.){1,6}\w|(?:etc|inc|ltd|co|corp|jr|sr|usw|bzw|al)", re.IGNORECASE)
_AMBIGUOUS_END = re.compile(rf"\b(?:(?:\w\.){{2,6}}|(?:etc|Inc|Ltd|Co|Corp|Jr|Sr|usw|al)\.)(?=\s++(?:{_STARTERS})\s)")
_TAIL = re.compile(rf"{_MARK}++{_CLOSER}(?=\s\W*$|$)")
_MARKS = re.compile(rf"({_MARK}+){_CLOSERS}$")
_LAST_WORD = re.compile(r"\w(?:[\w.]*\w)?$")
_NEXT_WORD = re.compile(r"\w+")

_ABBREVIATION = re.compile(
    r"(?:\w\.)+\w|mr|mrs|ms|dr|prof|st|rev|hon|gen|col|lt|sgt|capt|adm|gov|sen|rep|pres|messrs|mt|vs|cf|al|etc|approx|ca|"
    r"dept|est|viz|resp|incl|excl|jr|sr|bros|inc|ltd|co|corp|ph\.d|bzw|usw|nr|hl|geb|gest|evtl|ggf|vgl|mme|mlle|sra|"
    r"srta|dra|ud|uds|núm|dott|sig|stor|jh|г|гг|т\.е|т\.д|т\.п|им"
)
# Abbreviations only before a number: otherwise they are words that may well end a sentence.
_BEFORE_NUMBER = re.compile(
    "no|nos|fig|figs|eq|eqs|p|pp|art|sec|ch|vol|vols|ft|c|op|pág|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec"
)
_DOTTED_ORDINALS = re.compile("de|da|nb|nn|no|fi|et|cs|sk|hu|hr|sl|sr|lv|is")
_CONTINUES = ("と", "って", "、", "，", "は", "が", "を", "も", "の")


def sentence_spans(text: str, language: str = "") -> tuple[Span, ...]:
    """The sentences of `text`, one after the other without gaps; white space goes to the sentence before.

    `language` (ISO 639-1) chooses spaCy's tokeniser rules; an unknown one gets the multilingual rules. Blank lines,
    Markdown headings, list items, table rows and fences always end a sentence. Linear in the length of the text.
    """
    if not text:
        return ()
    lines = _line_ends(text)
    ends = sorted(lines | set(_true_ends(text, language, sorted(lines))))
    first = _past_space(text, 0)
    spans: list[Span] = []
    start = 0
    for end in [*ends, len(text)]:
        if end <= max(start, first) and end < len(text):
            continue
        end = _past_space(text, end)
        if end > start and not torn(text, end):
            spans.append(Span(start, end))
            start = end
    return tuple(spans)


def trimmed(text: str, start: int, end: int) -> Span:
    """`start` to `end` of `text` without the white space at both ends."""
    while start < end and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    return Span(start, end)


def _past_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def torn(text: str, place: int) -> bool:
    """Whether a cut at `place` tears a character apart: CR LF, a mark, a variant, a joiner, a pair of surrogates."""
    if not 0 < place < len(text):
        return False
    if text[place].isascii():
        return text[place] == "\n" and text[place - 1] == "\r"
    if "\ud800" <= text[place - 1] <= "\udbff" and "\udc00" <= text[place] <= "\udfff":
        return True
    return bool(regex.match(r"\X", text, pos=place - 1, endpos=place + 1).end() > place)


def _line_ends(text: str) -> set[int]:
    """Offsets of the lines before which a sentence must have ended."""
    ends: set[int] = set()
    place = 0
    after_lone = False
    for line in text.splitlines(keepends=True):
        lone = _LONE_LINE.match(line) is not None
        if lone or after_lone or line.isspace() or _LIST_ITEM.match(line):
            ends.add(place)
        after_lone = lone
        place += len(line)
    return ends


def _true_ends(text: str, language: str, lines: list[int]) -> Iterator[int]:
    """Ends of sentences within lines: every candidate that is not a false end."""
    start = 0
    for end in sorted(set(_candidates(text, language))):
        line = bisect_left(lines, end)
        if line and lines[line - 1] > start:
            start = lines[line - 1]
        if not _false_end(text, start, end, language):
            yield end
            start = end


def _candidates(text: str, language: str) -> Iterator[int]:
    """Offsets just after the end mark, and what closes with it, of what may be a sentence."""
    for pattern in (_BARE_END, _SPACED_END, _FRENCH_END, _AMBIGUOUS_END):
        for match in pattern.finditer(text):
            yield match.end()
    for start, end in _pieces(text):
        for stop in _sentence_ends(text[start:end], language):
            # The sentenciser gives a quote that opens the next sentence to this one: go back to the mark itself.
            window = start + max(stop - 40, 0)
            if tail := _TAIL.search(text[window : start + stop]):
                yield window + tail.end()


def _false_end(text: str, start: int, end: int, language: str) -> bool:
    """Whether the sentence that begins at `start` goes on after the mark that stops at `end`."""
    following = _past_space(text, end)
    marks = _MARKS.search(text[max(start, end - 200) : end])
    if marks is None or following == len(text):
        return marks is None
    closed = end - max(start, end - 200) > marks.end(1)
    if marks.group(1)[-1] in _BARE:
        number = marks.group(1) == "．" and text[following].isdigit()
        return number or (closed and text.startswith(_CONTINUES, end))
    if following == end or _FRENCH_END.match(text, end - 1):
        return True
    if marks.group(1) == "." and not closed:
        body = text[max(start, end - 40) : end - 1]
        word = match.group() if (match := _LAST_WORD.search(body)) else ""
        verdict = _after_dot(word, body.strip() == word, text[following : following + 24], language)
        if verdict is not None:
            return verdict
    # A small letter after the mark goes on with the sentence, unless the writer uses no capitals at all.
    return text[following].islower() and any(letter.isupper() for letter in text[start : min(end, start + 200)])


def _after_dot(word: str, alone: bool, following: str, language: str) -> bool | None:
    """Whether the dot after `word` is a false end; None when the word says nothing."""
    opening = _NEXT_WORD.match(following)
    starter = opening is not None and re.fullmatch(_STARTERS, opening.group()) is not None
    lower = word.lower()
    if starter and (_ENDING_ABBREVIATION.fullmatch(word) or len(word) == 1):
        return False
    if _ABBREVIATION.fullmatch(lower):
        return True
    if _BEFORE_NUMBER.fullmatch(lower) and following[0].isdigit():
        return True
    if len(word) == 1 and word.isupper() and following[0].isupper():
        return True
    if word.isdigit() and len(word) <= 2:
        return True if alone or (_DOTTED_ORDINALS.fullmatch(language) and not starter) else None
    return None


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Pieces of bounded size that end at white space where there is any: the tokeniser is not linear in one word."""
    start = 0
    while start < len(text):
        end = min(start + _PIECE, len(text))
        if end < len(text):
            space = max(text.rfind("\n", start + _PIECE // 2, end), text.rfind(" ", start + _PIECE // 2, end))
            end = space + 1 if space > 0 else end
        yield start, end
        start = end


def _mask(length: int) -> str:
    return ("x" * 39 + " ") * (length // 40) + "x" * (length % 40)


def _sentence_ends(text: str, language: str) -> list[int]:
    """Where spaCy ends its sentences in a piece; long runs and lone surrogates are masked, offsets stay."""
    text = _LONG_RUN.sub(lambda run: _mask(len(run.group()) - 20) + run.group()[-20:], text)
    tokenise, sentencise = _rules(language or "xx")
    # The zone gives back what the words of this piece took, so that a large corpus does not fill the memory.
    with tokenise.vocab.memory_zone():
        return [sentence.end_char for sentence in sentencise(tokenise(_SURROGATE.sub("x", text))).sents]


@lru_cache(maxsize=32)
def _rules(language: str) -> tuple[Tokenizer, Callable[[Doc], Doc]]:
    """spaCy's tokeniser for a language with its sentenciser, without the pipeline around them.

    A whole blank pipeline would import every installed spaCy plug-in, our own student among them.
    """
    from spacy.pipeline.sentencizer import Sentencizer
    from spacy.tokenizer import Tokenizer
    from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex, get_lang_class
    from spacy.vocab import create_vocab

    try:
        defaults = get_lang_class(language).Defaults
    except ImportError:
        language, defaults = "xx", get_lang_class("xx").Defaults
    tokenizer = Tokenizer(
        create_vocab(language, defaults),
        rules=defaults.tokenizer_exceptions,
        prefix_search=compile_prefix_regex(defaults.prefixes).search,
        suffix_search=compile_suffix_regex(defaults.suffixes).search,
        infix_finditer=compile_infix_regex(defaults.infixes).finditer,
        token_match=defaults.token_match,
        url_match=defaults.url_match,
    )
    return tokenizer, Sentencizer()
