"""Free-form instructions, written by hand as people type them: the split that nothing is ever trained or chosen on.

In: a random generator, a family and the attributes that are asked for; out: one instruction. Only the names of
products, themes and colors come from the vocabulary that training knows; every sentence around them is new.
No module of `rag_lib.training` may import this one; a test holds that.
"""

import numpy as np

from rag_lib.drawn.language import COLOR_NAMES, PRODUCT_NAMES, THEME_NOUNS

# {k}: product, {ak}: with its article, {t}: theme as a noun, {c}: color
FREE_FORM = {
    "theme transfer": (
        "saw this today and need {ak} like that",
        "Hi, do you sell {ak} with the same kind of print as on my photo?",
        "{k} but make it look like whats in the picture",
        "I took this picture on holiday. Is there {ak} with that surface?",
        "any {k} in this print??",
        "Looking to buy my sister {ak} decorated the way this is.",
        "pls show me {k} that go with this pic",
        "my daughter is obsessed with this, got {ak} for her?",
        "{k} same vibe as photo",
        "Could you recommend {ak} whose surface resembles what I uploaded?",
        "What would {ak} look like with this all over it? Show me one",
        "THIS PRINT ON {ak} PLEASE",
        "need {ak} to match my photo, exact same pattern and color if possible",
        "got any {k} that look like that thing",
        "I'd love to have this motif on {ak}",
        "do u have this design as {ak}",
        "the pattern you see here, on {ak}",
        "Hello! I am redecorating and I want {ak} that picks up the pattern from this picture, can you help me?",
        "{k}. like in the photo.",
        "can i get {ak} that has what's on this",
        "Where can I find {ak} with exactly that finish?",
        "something like this but as {ak}",
        "want this texture for my next {k}",
        "is there {ak} out there that looks just like it",
        "take the look from my picture and find me {ak}",
    ),
    "category swap": (
        "love it, but what i actually need is {ak}",
        "Do you have {ak} in exactly that design as well?",
        "ok and now {ak} to go with that one",
        "I already own this one. Now I want {ak} so they look like a set.",
        "{ak} instead pls",
        "wrong thing, i wanted {ak}! rest stays",
        "same same but {k}",
        "we have this at home and are looking for {ak} that would look right beside it",
        "Is there {ak} from this series?",
        "also need {ak}, keep pattern and color",
        "SAME DESIGN BUT {ak}",
        "What about {ak}, everything else unchanged?",
        "could you show it as {ak}",
        "Nice pattern! Do they make {ak} like that too?",
        "forget this item, show {ak} that looks the same",
        "i want the twin of this but it should be {ak}",
        "{k} with whatever print this has",
        "show me what {ak} would be like in that",
        "Please find {ak} of identical appearance.",
        "my wife bought this, i need {ak} to go along with it",
        "as {ak}?",
        "not quite, I am after {ak} with that look",
    ),
    "color edit": (
        "nice but i'd prefer {c}",
        "Does this also come in {c}?",
        "do you have that in {c} too",
        "{c} pls",
        "Is it available in {c}? Everything else is perfect.",
        "same model, same pattern, only {c}",
        "hmm not my color. {c}?",
        "ANY IN {c}",
        "I really like it, however my room is all {c}, so could it be {c}?",
        "i want one exactly like this one just {c}",
        "where's the {c} one of these",
        "Can I order it in {c} rather than this color?",
        "my kid wants it {c}",
        "looks great, but {c} would suit me better",
        "got it in {c}?",
        "Please show me what this looks like in {c}.",
        "other color: {c}",
    ),
    "theme edit": (
        "nice but i'd prefer {t}",
        "Does this also come with {t}?",
        "i don't like the print, {t} would be nicer",
        "same thing w/ {t} pls",
        "Love the shape, hate the pattern. Do you have it with {t}?",
        "could you show me this very model with {t} on the outside?",
        "{t} on this one?",
        "less of this, more {t}",
        "I have something like this already, now I want one with {t}",
        "my husband would rather have it with {t}",
        "can it have {t}",
        "GIVE ME THIS WITH {t}",
        "What if it had {t}?",
        "wish this had {t}",
        "any of these with {t}",
        "Please keep the product, but the decoration should be {t}.",
    ),
    "look edit": (
        "nice but i'd prefer {c} with {t}",
        "Does this come with {t}, and in {c}?",
        "love the shape. but {t} and in {c} pls",
        "i need one of those, only {c} and with {t}",
        "Could you change both the color and the pattern? {c}, with {t}.",
        "keep the product, color should be {c}, pattern should be {t}",
        "same product but completely different look: {t}, {c}",
        "do they sell this one with {t} in {c} as well",
        "IN {c} AND WITH {t} PLEASE",
        "too boring, my favorite is {t} and my favorite color is {c}",
        "what about {c} and {t} on it",
        "got this in {c}? with {t}?",
    ),
    "text only": (
        "cheap {k}, {c}, with {t}",
        "Hi, I'm looking for {ak}, preferably {c}, and it should have {t} on it.",
        "need a new {k} asap, {c} w/ {t}",
        "do you carry any {k} in {c} that come with {t}?",
        "my niece turns 12 and wants {ak} with {t}, it has to be {c}",
        "{k} {c} {t} best price",
        "{c} {k} {t} buy online",
        "i saw {ak} with {t} in a shop window, i think it was {c}",
        "SHOW ME {k} IN {c} WITH {t}",
        "Is there such a thing as {ak} with {t}? In {c} if possible.",
        "color {c}, pattern {t}, product {k}",
    ),
    "text only, no color": (
        "got any {k} with {t}?",
        "I'm looking for {ak} with {t}.",
        "{k} {t} for sale",
        "gift idea: {ak} with {t}",
        "my old {k} broke, the new one should have {t}",
        "Do they even make {k} with {t} on them?",
        "{t} but its {ak}",
        "where to buy {ak} with {t}",
        "want {ak} w {t} pls",
        "I'd be so happy about {ak} with {t}!",
    ),
    "text only, no theme": (
        "got any {k} in {c}?",
        "I'm after {ak}, the color should be {c}.",
        "cheap {k} {c}",
        "everything in my kitchen is {c} so the {k} must be {c} too",
        "any pattern is fine as long as the {k} is {c}",
        "Which {k} do you have in {c}?",
        "{c} {k} for my desk, don't care about the pattern",
    ),
}
_PLURAL = ("earbuds", "earphones", "headphones")


def write_free_form(rng: np.random.Generator, family: str, *, category=None, theme=None, color=None) -> str:
    """One instruction of `family` (a key of `FREE_FORM`) that asks for the given attributes.

    A sentence in capitals gets its names in capitals.
    """

    def pick(options):
        return options[int(rng.integers(len(options)))]

    sentence, names = pick(FREE_FORM[family]), {}
    if category:
        names["k"] = pick(PRODUCT_NAMES[category])
        names["ak"] = with_article(names["k"])
    if theme:
        names["t"] = pick(THEME_NOUNS[theme])
    if color:
        names["c"] = pick(COLOR_NAMES.get(color, (color,)))
    if is_shouted(sentence):
        names = {slot: name.upper() for slot, name in names.items()}
    return sentence.format(**names)


def with_article(name: str) -> str:
    """ "toaster" -> "a toaster", "iron" -> "an iron", "earbuds" stay as they are."""
    if name.endswith(_PLURAL):
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def is_shouted(sentence: str) -> bool:
    """Whether all of a sentence but its slots is in capitals, and there is something besides the slots."""
    words = sentence.format(k="", ak="", t="", c="")
    return words.isupper() and len(words.split()) > 1
