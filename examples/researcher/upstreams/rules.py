"""The model: rules instead of weights, so that the same prompt has the same answer everywhere.

| the prompt says | the answer is |
|---|---|
| "Question: …", "Sources:" and a list of `- URL : description` | JSON that names the sources whose description shares words with the question |
| "Summarise …" and a text behind `---` | the sentences of the text that carry most of the question's and the text's own frequent words |
| "Mask …" and a text behind `---` | the text, with every digit of a long number but the last four replaced |
| anything else | how many words were understood |
"""

import collections
import json
import re

SENTENCES = 2
SHORTEST_NUMBER = 9
COMMON = set(
    "a about an and are as at be by do does for from has have how in into is it its of on or that the them then "
    "there this to was what when where which who why will with".split()
)


def answer(prompt):
    """The answer to a prompt."""
    instruction, _ruler, text = prompt.partition("\n---\n")
    if "\nSources:\n" in instruction:
        return choose(instruction)
    if "Summarise" in instruction:
        return summarise(instruction, text)
    if instruction.startswith("Mask"):
        return mask(text)
    return f"I understood {len(words(prompt))} words and no task that I know."


def pieces(text):
    """A text word by word, as a model gives it."""
    return re.findall(r"\s*\S+|\s+$", text)


def words(text):
    """The words that carry meaning, without common endings."""
    found = re.findall(r"[a-z]+", text.lower())
    return [re.sub(r"(ing|ed|es|s)$", "", word) for word in found if word not in COMMON]


def choose(instruction):
    """The sources that share words with the question."""
    question = re.search(r"Question: (.*)", instruction)
    wanted = set(words(question.group(1) if question else ""))
    listed = re.findall(r"^- (\S+) : (.*)$", instruction, re.MULTILINE)
    chosen = [url for url, about in listed if len(wanted & set(words(about))) >= 2]
    fetch = [{"with": "git" if url.endswith(".git") else "curl", "url": url} for url in chosen]
    return json.dumps({"fetch": fetch})


def summarise(instruction, text):
    """The sentences with the heaviest words, in their order."""
    flat = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    sentences = re.findall(r"[^.!?]+[.!?]", flat)
    weights = collections.Counter(words(flat))
    weights.update({word: 2 for word in words(instruction)})

    def weight(sentence):
        inside = set(words(sentence))
        return sum(weights[word] for word in inside) / (len(inside) + 4)

    best = sorted(sentences, key=weight, reverse=True)[:SENTENCES]
    return " ".join(sentence.strip() for sentence in sentences if sentence in best)


def mask(text):
    """Digits of long numbers, whatever stands between them, become stars; the last four stay."""

    def hide(match):
        number = match.group(0)
        digits = sum(character.isdigit() for character in number)
        if digits < SHORTEST_NUMBER:
            return number
        seen = 0
        out = []
        for character in number:
            seen += character.isdigit()
            out.append("*" if character.isdigit() and seen <= digits - 4 else character)
        return "".join(out)

    return re.sub(r"\d(?:[ -]?\d)+", hide, text)
