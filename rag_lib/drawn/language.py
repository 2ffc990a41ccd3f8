"""The instructions that the pocket model learns to read: families of phrasings, filled with names and synonyms.

In: a random generator, a family and the attributes of the wanted product; out: a lower-case instruction. Some
phrasings are held out: training never sees them, the report asks them.
"""

import numpy as np

PRODUCT_NAMES = {
    "phone case": (
        "phone case", "phone case", "mobile phone case", "cell phone cover", "smartphone case", "phone cover",
    ),
    "power bank": ("power bank", "portable charger", "battery pack"),
    "earbuds": ("earbuds", "wireless earbuds", "earphones"),
    "smartwatch": ("smartwatch", "smart watch", "watch"),
    "headphones": ("headphones", "over ear headphones", "headset"),
    "laptop": ("laptop", "laptop computer", "notebook computer"),
    "tablet": ("tablet", "tablet computer"),
    "camera": ("camera", "photo camera", "digital camera"),
    "speaker": ("speaker", "loudspeaker", "audio speaker"),
    "television": ("television", "tv", "tv set"),
    "keyboard": ("keyboard", "computer keyboard"),
    "mouse": ("mouse", "computer mouse"),
    "game controller": ("game controller", "gamepad", "controller"),
    "refrigerator": ("refrigerator", "fridge"),
    "washing machine": ("washing machine", "washer"),
    "microwave": ("microwave", "microwave oven"),
    "toaster": ("toaster", "bread toaster"),
    "kettle": ("kettle", "electric kettle"),
    "blender": ("blender", "mixer"),
    "vacuum cleaner": ("vacuum cleaner", "vacuum", "hoover"),
    "fan": ("fan", "electric fan"),
    "lamp": ("lamp", "table lamp", "desk lamp"),
    "iron": ("iron", "steam iron"),
    "hair dryer": ("hair dryer", "blow dryer", "hairdryer"),
}  # fmt: skip
THEME_NOUNS = {
    "leopard": ("leopard print", "leopard spots", "a leopard pattern", "leopard"),
    "zebra": ("zebra stripes", "zebra print", "a zebra pattern", "zebra"),
    "tiger": ("tiger stripes", "tiger print", "a tiger pattern", "tiger"),
    "giraffe": ("giraffe print", "giraffe spots", "a giraffe pattern", "giraffe"),
    "camouflage": ("camouflage", "camo", "a camouflage pattern", "army camo"),
    "wood": ("wood grain", "a wooden finish", "wood", "wood texture"),
    "brick": ("bricks", "a brick pattern", "a brick wall design", "brick"),
    "marble": ("marble", "a marble finish", "marble veins", "a marble pattern"),
    "galaxy": ("a galaxy", "a galaxy design", "outer space", "a night sky", "galaxy print"),
    "plain": ("no pattern", "a plain finish", "a solid color", "plain"),
    "stripes": ("stripes", "a striped pattern", "a stripe design", "lines"),
    "dots": ("dots", "polka dots", "a dotted pattern", "a polka dot design"),
    "checks": ("checks", "a checkered pattern", "plaid", "a checked design", "squares"),
    "floral": ("flowers", "a floral pattern", "a flower design", "floral print", "blossoms"),
    "waves": ("waves", "a wavy pattern", "wavy lines", "a wave design"),
    "hearts": ("hearts", "a heart pattern", "little hearts", "a heart design"),
    "stars": ("stars", "a star pattern", "little stars", "a star design"),
}
THEME_ADJECTIVES = {
    "leopard": ("leopard", "leopard print"),
    "zebra": ("zebra", "zebra print", "zebra striped"),
    "tiger": ("tiger", "tiger print"),
    "giraffe": ("giraffe", "giraffe print"),
    "camouflage": ("camouflage", "camo"),
    "wood": ("wooden", "wood"),
    "brick": ("brick",),
    "marble": ("marble",),
    "galaxy": ("galaxy",),
    "plain": ("plain", "solid"),
    "stripes": ("striped",),
    "dots": ("dotted", "polka dot"),
    "checks": ("checkered", "plaid", "checked"),
    "floral": ("floral", "flowery"),
    "waves": ("wavy",),
    "hearts": ("heart",),
    "stars": ("star", "starry"),
}
COLOR_NAMES = {
    "turquoise": ("turquoise", "teal", "cyan"),
    "grey": ("grey", "gray"),
    "purple": ("purple", "purple", "violet"),
}
# {k}: product, {t}: theme as a noun, {a}: theme as an adjective, {c}: color
PHRASINGS = {
    "theme transfer": (
        "{k} with this pattern", "{k} in this pattern", "{k} with the pattern of this picture",
        "{k} that looks like this image", "{k} inspired by this picture", "{k} with the print shown here",
        "{k} decorated with this print", "{k} with the theme of the photo", "{k} covered in this texture",
        "{k} matching this design", "{k} using this image as the design", "{k} in the style of this photo",
        "{k} with the same motif", "{k} with a design like this picture", "{k} themed like this",
        "{k} made to match this image", "{k} featuring this print", "{k} with artwork from this picture",
        "{k} in this style", "{k} with this theme", "{k} with the image on it", "{k} with this look",
        "{k} having the same look as the picture",
    ),
    "category swap": (
        "{k} in this style", "{k} with the same pattern", "a matching {k}", "{k} in the same design",
        "{k} that matches this", "same look but {k}", "change the product to {k}", "{k} like this",
        "the same pattern on {k}", "{k} with identical print and color", "turn this into {k}",
        "not this product but {k} in the same colors", "replace it by {k}", "{k} from the same collection",
        "{k} with this theme", "{k} with this pattern",
    ),
    "color edit": (
        "the same but in {c}", "change the color to {c}", "make it {c}", "same product in {c}", "{c} version of this",
        "this one in {c}", "turn it {c}", "recolor it to {c}", "i want it in {c}", "replace the color with {c}",
        "same item in {c} color", "this in {c} instead", "the {c} one", "the same in {c}",
    ),
    "theme edit": (
        "with {t} instead", "the same with {t}", "change the pattern to {t}", "make it {t}",
        "replace the pattern by {t}", "this product in {t}", "same item with {t}", "but with {t}", "give it {t}",
        "this one with {t}", "the same thing but with {t}", "put {t} on it", "remove this print and use {t}",
    ),
    "look edit": (
        "in {c} with {t}", "make it {c} with {t}", "change it to {c} with {t}", "the same with {t} in {c}",
        "replace the look by {t} on {c}", "this product in {c} and {t}",
    ),
    "text only": ("{c} {a} {k}", "{c} {k} with {t}", "{a} {k} in {c}", "{k} with {t} in {c}", "{k} in {c} and {t}"),
    "text only, no color": ("{a} {k}", "{k} with {t}", "{k} in {t}", "{k} covered in {t}", "{k} decorated with {t}"),
    "text only, no theme": ("{c} {k}", "{k} in {c}", "{k} in {c} color"),
    "text only, product": ("{k}", "any {k}"),
}  # fmt: skip
HELD_OUT_PHRASINGS = {
    "theme transfer": (
        "{k} with this image theme", "{k} with the look of this photo", "{k} that has this motif on it",
        "{k} wearing this texture", "{k} printed like the picture above", "the motif of this picture on {k}",
        "{k} dressed in this print", "{k} sharing this texture", "put this design onto {k}",
    ),
    "category swap": (
        "{k} to go with it", "this look as {k}", "which {k} fits this set", "{k} wearing the same print",
        "{k} out of that series", "keep the print but show {k}", "swap it for {k}",
    ),
    "color edit": (
        "could i get this in {c}", "one of these but {c}", "swap the color for {c}", "is there {c} as well",
        "paint it {c}", "rather in {c}", "keep all but the color , {c} now",
    ),
    "theme edit": (
        "could i get this one with {t}", "swap the print for {t}", "i would rather see {t} on it", "cover it with {t}",
        "rather with {t}", "how about {t} for it", "its print should be {t}",
    ),
    "look edit": (
        "i would prefer {t} on {c}", "could this come with {t} in {c}", "rather {c} and with {t}",
        "repaint it {c} and put {t} over it", "swap the look for {t} on {c}",
    ),
    "text only": (
        "{k} , {c} , {t}", "{k} that is {c} and has {t} on it", "{t} on {k} in {c}", "{k} colored {c} showing {t}",
    ),
    "text only, no color": ("{k} that has {t} all over", "{k} , {t}", "{t} all over {k}", "{k} showing {t}"),
    "text only, no theme": ("{k} , {c}", "{k} that is {c}", "{k} colored {c}"),
}  # fmt: skip
OPENINGS = (
    "", "", "", "", "a ", "find ", "find a ", "show me a ", "i am looking for a ", "i want a ", "please find ",
    "search for ", "can you find a ", "do you have a ", "need a ", "give me a ",
)  # fmt: skip
CLOSINGS = ("",) * 8 + (" please", " thanks", " for my friend", " for me", " for the kitchen", " as a gift")
# Everyday words that carry no attribute: they are dropped, added and garbled so that the model learns to ignore them.
FILLERS = tuple(
    "the a an of to and in is it that on for with as at by from or but not be are this these those my your our "
    "some any all very really nice good great cool beautiful cute pretty new old big small large little cheap best "
    "lovely kind type sort thing item product object something one more most other another also just only even "
    "like love want need would could should can will may must have has get got take made buy order shop store "
    "price sale gift birthday home kitchen office room friend mother father sister brother kids people today now "
    "here there where when what which who how why so then than too again still yet ever never always often maybe "
    "perhaps sure ok hello hi hey dear thanks sorry think know see look find show tell ask help try use put set go "
    "come bring keep let about into over under after before between without across around up down out off back "
    "front side top bottom left right picture image photo print pattern design style theme motif texture looks "
    "similar same match matching version variant color please exactly instead rather different "
    "change replace swap".split()
)
ATTRIBUTE_WORDS = frozenset(
    word
    for names in (PRODUCT_NAMES, THEME_NOUNS, THEME_ADJECTIVES, COLOR_NAMES)
    for choices in names.values()
    for name in choices
    for word in name.split()
) - {"a", "of", "in", "no"}


def _pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def write_instruction(
    rng: np.random.Generator,
    family: str,
    *,
    category: str | None = None,
    theme: str | None = None,
    color: str | None = None,
    held_out: bool = False,
) -> str:
    """One instruction of `family` (a key of `PHRASINGS`) that asks for the given attributes.

    `held_out`: use the phrasings that training never sees (and none of its openings and closings).
    """
    phrasing = _pick(rng, (HELD_OUT_PHRASINGS if held_out else PHRASINGS)[family])
    names = {
        "k": _pick(rng, PRODUCT_NAMES[category]) if category else "",
        "t": _pick(rng, THEME_NOUNS[theme]) if theme else "",
        "a": _pick(rng, THEME_ADJECTIVES[theme]) if theme else "",
        "c": _pick(rng, COLOR_NAMES.get(color, (color,))) if color else "",
    }
    text = phrasing.format(**names)
    if held_out:
        return text
    if phrasing.startswith(("{k}", "{a}", "{c} {a}", "{c} {k}")):
        text = _pick(rng, OPENINGS) + text
    return text + _pick(rng, CLOSINGS)


def add_noise(rng: np.random.Generator, text: str, probability: float = 0.35, *, mistyped: float = 0.12) -> str:
    """Drop, blank or add words that carry no attribute, as people's own phrasings would; mistype any of the words.

    `probability`, `mistyped`: shares of the texts to which the one and the other happens.
    """
    if rng.random() < mistyped:
        text = _mistype(rng, text)
    if rng.random() >= probability:
        return text
    words = []
    for word in text.split():
        if word not in ATTRIBUTE_WORDS and rng.random() < 0.15:
            if rng.random() < 0.5:
                continue
            word = "[UNK]"
        words.append(word)
        if rng.random() < 0.08:
            junk = "".join(chr(97 + int(i)) for i in rng.integers(0, 26, int(rng.integers(2, 8))))
            words.append(_pick(rng, (_pick(rng, FILLERS), _pick(rng, FILLERS), "[UNK]", junk)))
    return " ".join(words)


def _mistype(rng: np.random.Generator, text: str) -> str:
    """One letter of one word of five or more doubled, left out, or exchanged with the next."""
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) > 4]
    if not long:
        return text
    place = _pick(rng, long)
    word = words[place]
    at = int(rng.integers(len(word) - 1))
    one, two = word[at], word[at + 1]
    words[place] = word[:at] + _pick(rng, (one + one + two, two, two + one)) + word[at + 2 :]
    return " ".join(words)
