"""Microsoft Presidio's pattern recognizers over texts: megabytes per second and the time of one text."""

import logging
import pathlib
import sys
import time
from importlib.metadata import version

import tldextract
from presidio_analyzer import PatternRecognizer, RecognizerRegistry

logging.disable()
# The list of public suffixes that comes with the package, not one from the network.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR

registry = RecognizerRegistry()
registry.load_predefined_recognizers(languages=["en"])
recognizers = [one for one in registry.recognizers if isinstance(one, PatternRecognizer)]
name = f"Presidio {version('presidio-analyzer')}, {len(recognizers)} pattern recognizers"

for kind in ("clean", "mixed"):
    texts = [path.read_text() for path in sorted(pathlib.Path(sys.argv[1]).glob(f"{kind}-*.txt"))]
    times = []
    before = time.thread_time()
    for text in texts:
        start = time.perf_counter()
        for recognizer in recognizers:
            recognizer.analyze(text, recognizer.supported_entities)
        times.append(time.perf_counter() - start)
    took = time.thread_time() - before
    size = sum(len(text.encode()) for text in texts)
    print(f"| {kind}: {name}, per second of one core | {size / took / 1e6:.2f} MB |")
    print(f"| {kind}: {name}, 16 KiB, median | {sorted(times)[len(times) // 2] * 1000:.0f} ms |")
