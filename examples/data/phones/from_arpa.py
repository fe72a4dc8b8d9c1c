"""Writes trigram.npy and symbols.txt from the phone model of Debian's pocketsphinx-en-us as ARPA text:

    sphinx_lm_convert -i /usr/share/pocketsphinx/model/en-us/en-us-phone.lm.bin -o phone.arpa -ofmt arpa   (package sphinxbase-utils)
    python3 from_arpa.py phone.arpa
"""
import struct
import sys

order, log_p, back_off = 0, {}, {}
for line in open(sys.argv[1]):
    line = line.rstrip("\n")
    if line.startswith("\\"):
        order = int(line[1]) if line.endswith("-grams:") else 0
    elif line and order:
        fields = line.split("\t")
        words = tuple(fields[1 : 1 + order])
        log_p[words] = float(fields[0])
        if len(fields) > 1 + order and fields[1 + order]:
            back_off[words] = float(fields[1 + order])


def log_prob(context, word):  # base 10; Katz's back-off
    if context + (word,) in log_p:
        return log_p[context + (word,)]
    return back_off.get(context, 0.0) + log_prob(context[1:], word)


start, end = "<s>", "</s>"
phones = [w for (w,) in (k for k in log_p if len(k) == 1) if w not in ("<UNK>", start, end)]
symbols = phones + [end]  # 41; number 41 as a context is the start
contexts = symbols + [start]
values = []
for a in contexts:
    for b in contexts:
        if b == end:  # what has ended stays so
            row = [0.0] * len(phones) + [1.0]
        elif b == start and a != start or a == end:  # cannot be
            row = [0.0] * len(symbols)
        else:
            context = (b,) if a == b == start else (a, b)
            row = [10 ** log_prob(context, c) for c in symbols]
            total = sum(row)
            assert abs(total - 1) < 1e-3, (context, total)  # 4 decimals of the file
            row = [p / total for p in row]
        values += row
header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d, %d), }" % (len(contexts), len(contexts), len(symbols))
header += " " * (-(len(header) + 11) % 64) + "\n"
with open("trigram.npy", "wb") as out:
    out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%df" % len(values), *values))
with open("symbols.txt", "w") as out:
    out.write("\n".join(symbols) + "\n")
