"""Template questions: what a fact answers, in the words in which people ask, to train the gate from a graph alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from kgdistill.query.found import Found
from kgdistill.query.gate_training import SupportedQuestion
from kgdistill.query.wording import named
from kgdistill.records import content_id
from kgdistill.text.names import normal

Fact = tuple[str, str, str]
_Place = tuple[str, int, int]

FORWARD = {
    "born in": ("Where was {s} born?", "In which place was {s} born?"),
    "born on": ("When was {s} born?", "What is the birthday of {s}?"),
    "died in": ("Where did {s} die?",),
    "died on": ("When did {s} die?", "In what year did {s} die?"),
    "located in": ("Where is {s}?", "In which place can {s} be found?"),
    "occupation": ("What did {s} do for a living?", "What was the job of {s}?"),
    "position held": ("What office did {s} hold?", "Which post did {s} have?"),
    "nationality": ("Which country did {s} come from?",),
    "spouse": ("Who was {s} married to?", "Who was the wife or husband of {s}?"),
    "parent": ("Who was the father or mother of {s}?", "Whose child was {s}?"),
    "child": ("Who was a son or daughter of {s}?",),
    "sibling": ("Who was a brother or sister of {s}?",),
    "educated at": ("Where did {s} go to university?", "Which school did {s} attend?"),
    "studied": ("What subject did {s} study?",),
    "works for": ("Who employs {s}?", "Which company does {s} work for?"),
    "worked in": ("Where did {s} work?",),
    "award received": ("Which prize did {s} win?",),
    "member of": ("Which group did {s} belong to?",),
    "written by": ("Who is the author of {s}?", "Who wrote {s}?"),
    "created by": ("Who made {s}?", "Who was the maker of {s}?"),
    "founded by": ("Who started {s}?", "Who was the founder of {s}?"),
    "founded on": ("When was {s} started?", "In what year was {s} established?"),
    "designed by": ("Who was the architect of {s}?", "Who drew up {s}?"),
    "built by": ("Who constructed {s}?",),
    "built in": ("When was {s} constructed?",),
    "discovered by": ("Who found {s}?", "Who was the discoverer of {s}?"),
    "invented by": ("Who came up with {s}?", "Who was the inventor of {s}?"),
    "owned by": ("Who is the owner of {s}?",),
    "performed by": ("Who sang or played {s}?",),
    "published in": ("When did {s} come out?", "When was {s} released?"),
    "opened on": ("When did {s} open?",),
    "named after": ("Where does the name of {s} come from?",),
    "made of": ("Which material is {s} built from?", "What does {s} consist of?"),
    "used for": ("What is {s} good for?", "What do people do with {s}?"),
    "causes": ("What does {s} lead to?",),
    "caused by": ("Why did {s} happen?", "What brought {s} about?"),
    "population": ("How many people live in {s}?",),
    "height": ("How tall is {s}?", "How high is {s}?"),
    "length": ("How long is {s}?",),
    "mass": ("How heavy is {s}?", "How much does {s} weigh?"),
    "price": ("How much does {s} cost?",),
    "duration": ("How long did {s} last?",),
    "start date": ("When did {s} begin?",),
    "end date": ("When did {s} end?",),
    "date": ("When was {s}?", "On which day did {s} take place?"),
    "part of": ("What does {s} belong to?",),
    "instance of": ("What is {s}?", "What kind of thing is {s}?"),
    "also known as": ("What is another name of {s}?",),
    "feeds on": ("What does {s} eat?",),
    "headquartered in": ("Where is the main office of {s}?",),
    "language": ("Which language is spoken in {s}?",),
}
"""By relation: what is asked of its subject. Few of them say the relation's own words, as few people do."""
BACKWARD = {
    "written by": ("Which books did {o} write?", "What is a work of {o}?"),
    "founded by": ("Which organisation did {o} start?",),
    "discovered by": ("What did {o} find?",),
    "invented by": ("What did {o} invent?",),
    "designed by": ("What did {o} design?",),
    "created by": ("What did {o} make?",),
    "born in": ("Who comes from {o}?",),
    "located in": ("What can be found in {o}?",),
    "award received": ("Who won the {o}?",),
    "works for": ("Who is employed by {o}?",),
    "educated at": ("Who went to {o}?",),
    "leader of": ("Who was in charge of {o}?", "Who led {o}?"),
    "owned by": ("What belongs to {o}?",),
    "member of": ("Who belonged to {o}?",),
    "part of": ("What is a part of {o}?",),
}
NOUNS = {
    "written by": "the author of {s}", "founded by": "the founder of {s}", "created by": "the creator of {s}",
    "designed by": "the designer of {s}", "discovered by": "the discoverer of {s}", "born in": "the birthplace of {s}",
    "invented by": "the inventor of {s}", "spouse": "the spouse of {s}", "parent": "the parent of {s}",
    "located in": "the place where {s} is", "works for": "the employer of {s}", "educated at": "the school of {s}",
    "owned by": "the owner of {s}", "part of": "the whole that {s} is part of", "performed by": "the performer of {s}",
    "award received": "the prize that {s} won", "child": "the child of {s}", "built by": "the builder of {s}",
    "headquartered in": "the city where {s} has its main office", "named after": "the namesake of {s}",
}  # fmt: skip
"""By relation: how its object is spoken of by the subject, to ask over two facts."""
KINDS = ("occupation", "instance of", "position held")
"""Relations whose object says what a thing is, so that it can be spoken of without its name."""
_OPEN = ("What is the {r} of {s}?", "What do we know about {s} and {r}?", "{s}: {r}?")
_OPEN_BACKWARD = ("What or who {r} {o}?", "Of what is {o} the {r}?")


def template_questions(passages: Iterable[Found], most: int = 120) -> list[SupportedQuestion]:
    """At most `most` questions about the facts of these passages: a third each over one fact, over a chain of two, and
    about a thing that is only described by another fact.

    Half of the first kind is about relations that we have words of our own for. Only facts about something with a name
    are asked for, and every passage with the same fact supports the answer. The choice depends on the facts' words
    alone, not on their order.
    """
    places: dict[Fact, set[_Place]] = defaultdict(set)
    spelled: dict[Fact, Fact] = {}
    for passage in passages:
        for fact in passage.facts:
            key = (normal(fact[0]), fact[1], normal(fact[2]))
            places[key].add((passage.document, passage.start, passage.end))
            spelled[key] = min(fact, spelled.get(key, fact))
    facts = sorted((key for key in places if named(spelled[key][0])), key=lambda key: content_id("question", *key))
    plans = [*islice(_chains(facts, spelled), most // 3), *islice(_descriptions(facts, spelled), most // 3)]
    known = [_Plan(spelled[key][0], key) for key in facts if key[1] in FORWARD][: (most - len(plans)) // 2]
    others = [_Plan(spelled[key][0], key) for key in facts if key[1] not in FORWARD]
    plans += [*known, *others[: most - len(plans) - len(known)]]
    return [_question(plan, spelled, places) for plan in plans]


class _Plan(NamedTuple):
    """A question to be: how its subject is spoken of, the fact that is asked for, and the one behind the subject."""

    subject: str
    fact: Fact
    clue: Fact | None = None


def _chains(facts: Sequence[Fact], spelled: Mapping[Fact, Fact]) -> Iterator[_Plan]:
    """Two facts where the first one's object is the second one's subject, each fact once."""
    by_subject = _by_subject(facts)
    used: set[Fact] = set()
    for fact in facts:
        following = [other for other in by_subject.get(fact[2], ()) if other[2] != fact[0] and other not in used]
        if fact[1] in NOUNS and fact[0] != fact[2] and following and fact not in used:
            used |= {fact, following[0]}
            yield _Plan(NOUNS[fact[1]].format(s=spelled[fact][0]), following[0], fact)


def _descriptions(facts: Sequence[Fact], spelled: Mapping[Fact, Fact]) -> Iterator[_Plan]:
    """Two facts about one thing that is not named: what it is, and what the first fact says of it."""
    heads = {fact[0]: spelled[fact][2] for fact in reversed(facts) if fact[1] in KINDS}
    for subject, own in _by_subject(facts).items():
        clues = [fact for fact in own if named(spelled[fact][2]) and fact[1] not in KINDS]
        asked = [fact for fact in own if clues and fact[1] not in (clues[0][1], *KINDS)]
        if subject in heads and asked:
            _, relation, target = spelled[clues[0]]
            yield _Plan(f"the {heads[subject]} {relation} {target}", asked[0], clues[0])


def _by_subject(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """The facts whose object can be asked for in words of our own, by their subject."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact[1] in FORWARD:
            found[fact[0]].append(fact)
    return found


def _question(plan: _Plan, spelled: Mapping[Fact, Fact], places: Mapping[Fact, set[_Place]]) -> SupportedQuestion:
    subject, relation, target = spelled[plan.fact]
    chance = int(content_id("wording", *plan.fact, length=7), 16)
    backward = plan.clue is None and bool(named(target)) and chance % 3 == 0
    known, plain = (BACKWARD, _OPEN_BACKWARD) if backward else (FORWARD, _OPEN)
    shapes = known.get(relation, plain)
    text = shapes[chance // 3 % len(shapes)].format(s=plan.subject, r=relation, o=target)
    place = 2 if backward else 0
    same = [other for other in places if other[1] == plan.fact[1] and other[place] == plan.fact[place]]
    where = sorted({one for fact in (*same, *([plan.clue] if plan.clue else [])) for one in places[fact]})
    documents = tuple(sorted({document for document, _, _ in where}))
    return SupportedQuestion(text, documents, tuple(where), subject if backward else target)
