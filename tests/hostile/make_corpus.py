"""Writes the corpus: small files that each have one thing wrong, in a folder for each reader. Always the same bytes.

python -m hostile.make_corpus        # in tests/
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).with_name("corpus")
RUN = Path(__file__).parents[1] / "runs" / "before_the_moves"
ESCAPE = "\x1b]0;title\x07\x1b[2J\u202e"
LONG = "x" * 1500
NUMBERS = ["1" * 4400, "-1", "1e999", "NaN", "Infinity", "1" + "0" * 30, "true", "null", '"7"', "[]", "{}", "1_0"]
NUMBERS += ['"\u0661"', "0.1", "-0.0", "2", '"=1+1"', json.dumps(ESCAPE)]


def nested(left, right, levels=900, inner=""):
    """Return brackets within brackets."""
    return left * levels + inner + right * levels


def texts(good):
    """Yield a text with the usual things wrong, by name."""
    yield "empty", b""
    yield "spaces", b" \n\t\n"
    yield "zeros", bytes(64)
    yield "latin", "caf\xe9".encode("latin-1") + good[:40]
    yield "utf16", "\ufeff".encode("utf-16") + good[:40]
    yield "half", good[: len(good) // 2]
    yield "twice", good[:600] + good[:600]
    yield "long", LONG.encode()
    yield "escape", ESCAPE.encode() + good[:40]
    yield "null-byte", good[:20] + b"\0" + good[20:60]


def jsons(good):
    """Yield a JSON object with the usual things wrong, and each of its values of other kinds."""
    text = json.dumps(good)
    yield from texts(text.encode())
    for name, broken in (("list", "[]"), ("text", '"a"'), ("number", "1"), ("null", "null"), ("object", "{}")):
        yield name, broken.encode()
    yield "deep-list", nested("[", "]").encode()
    yield "deep-object", nested('{"a":', "}", inner="1").encode()
    yield "open", b"[" * 3000
    for key in list(good)[:6]:
        missing = {k: v for k, v in good.items() if k != key}
        yield f"no-{key}", json.dumps(missing).encode()
    for place, number in enumerate(NUMBERS):
        key = list(good)[place % len(good)]
        holder = json.dumps({**good, key: "@"})
        yield f"{key}-{place}", holder.replace('"@"', number).encode()


def tomls(good):
    """Yield a TOML text with the usual things wrong."""
    yield from texts(good.encode())
    yield "dots", ("a." * 1500 + "a = 1").encode()
    yield "header-dots", ("[" + "a." * 1500 + "a]").encode()
    yield "deep", f"a = {nested('[', ']')}".encode()
    yield "inline", f"a = {nested('{a=', '}', inner='1')}".encode()
    yield "same-key", b"a = 1\na = 2\n"
    yield "unknown", f"{good}\n[{LONG[:50]}]\n".encode()
    yield (
        "escape-key",
        f'{good}\n["{ESCAPE.encode("unicode_escape").decode().replace(chr(92) + "x", chr(92) + "u00")}"]'.encode(),
    )
    for place, number in enumerate(NUMBERS[:12]):
        yield f"seed-{place}", good.replace("seed = 0", f"seed = {number}").encode()


def tables():
    """Yield CSV files."""
    good = "name,truth,a\n" + "".join(f"n{i},{i * 1.5},{10 - i}\n" for i in range(12))
    yield from texts(good.encode())
    for place, cell in enumerate(
        ["1_0", "\u0661\u0662", "\uff11", "=1+1", "1e999", "1" * 4400, "nan", "0x10", ESCAPE, "1,5"]
    ):
        yield f"cell-{place}", good.replace("1.5", f'"{cell}"', 1).encode()
    yield "quotes", b'a,b\n"1,2\n'
    yield "ragged", b"a,b\n1\n1,2,3\n"
    yield "columns", (",".join("c" for _ in range(300)) + "\n").encode()
    yield "header-escape", good.replace("name", ESCAPE).encode()
    yield "header-formula", good.replace(",a\n", ",=cmd()\n").encode()


def codes():
    """Yield texts of architectures."""
    for place, text in enumerate(
        [
            "",
            "-",
            "9" * 5000,
            "\u0661\u0662\u0663",
            "1_0",
            nested("(", ")"),
            nested("[", "]"),
            nested("{'a':", "}"),
            ESCAPE,
        ]
        + ["22212220" * 40, "-1-1", "0-0-0-0-0-0", "|none~0|+|none~0|none~1|", "Genotype(" * 100, "__import__('os')"]
        + [
            "[[(0, 1)" + ", (1, 4)" * 500 + "]]",
            "{'width': " + "9" * 400 + "}",
            "1e999",
            "nan",
            "0x0",
            "\0",
            " " * 3000,
        ]
    ):
        yield f"{place:02}", text.encode()


def npz(**arrays):
    """Return the bytes of a file of arrays."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def member(name, content, more=b""):
    """Return a zip file with one entry."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue() + more


def npy(shape, kind="<f8", content=b"", version=1):
    """Return an array whose header says what it likes."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + content


def rounds():
    """Yield files of rounds."""
    good = {"archs_0": np.zeros((3, 2), int), "scores_0": np.arange(3.0), "kept_0": np.array([0])}
    good |= {name.replace("0", "1"): column for name, column in good.items()}
    whole = npz(**good)
    yield from ((name, content) for name, content in texts(whole) if name not in ("latin", "utf16"))
    for place, at in enumerate(range(30, len(whole), len(whole) // 8)):
        yield f"flip-{place}", whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
    for name in good:
        yield f"no-{name}", npz(**{k: v for k, v in good.items() if k != name})
    yield "kept-beyond", npz(**{**good, "kept_0": np.array([9])})
    yield "kept-negative", npz(**{**good, "kept_0": np.array([-4])})
    yield "scores-text", npz(**{**good, "scores_0": np.array(["a", "b", "c"])})
    yield "scores-short", npz(**{**good, "scores_0": np.arange(2.0)})
    yield "archs-flat", npz(**{**good, "archs_0": np.zeros(3, int)})
    yield "archs-float", npz(**{**good, "archs_0": np.full((3, 2), np.nan)})
    yield "claims-gigabytes", member("archs_0.npy", npy("(500000000, 8)"))
    yield "claims-negative", member("archs_0.npy", npy("(-1, 8)"))
    yield "claims-objects", member("archs_0.npy", npy("(1,)", "|O", pickle.dumps(print)))
    yield "claims-deep", member("archs_0.npy", npy("(" * 200 + ")" * 200))
    yield "claims-version", member("archs_0.npy", npy("(1,)", version=9))
    yield "bomb", member("archs_0.npy", npy("(1000000,)") + bytes(8_000_000))


STORES = {  # what is done to the store of a run: whole files would be large
    "score-text": "UPDATE results SET score = 'high'",
    "score-blob": "UPDATE results SET score = x'00ff'",
    "seconds-text": "UPDATE results SET seconds = 'long'",
    "arch-text": "UPDATE results SET architecture = 'abc' || architecture",
    "no-table": "DROP TABLE results",
    "other-table": "ALTER TABLE results RENAME COLUMN score TO points",
    "more-columns": "ALTER TABLE results ADD COLUMN more TEXT",
    "view": "CREATE VIEW more AS SELECT * FROM results",
    "name-escape": "UPDATE results SET name = char(27) || '[2J=1+1'",
}


def pickles():
    """Yield pickles that want more than a dictionary of numbers."""
    yield "empty", b""
    yield "text", b"\x80\x02not a pickle"
    yield "list", pickle.dumps([1, 2])
    yield "numbers", pickle.dumps({1: 2})
    yield "system", b"cposix\nsystem\n(S'touch hostile-was-here'\ntR."
    yield "eval", b"\x80\x02cbuiltins\neval\nX\x11\x00\x00\x00print('was here')\x85R."
    yield "bytearray", b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."
    yield "memo", b"\x80\x02]r\xff\xff\xff\x07."
    yield "deep", b"\x80\x02" + b"]" * 1500 + b"a" * 2999 + b"."
    yield "frame", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f."
    yield "bytes", b"\x80\x04\x8e\xff\xff\xff\xff\x00\x00\x00\x00a."
    shared = b"".join(b"\x86" if i % 2 else b"2" for i in range(120))
    yield "hash", b"\x80\x02}N" + b"2\x86" * 60 + b"Ns."
    yield "shared", b"\x80\x02N" + shared + b"."


def xgboosts():
    """Yield models that are none."""
    yield "empty", b""
    yield "json-open", b'{"a":' * 600
    yield "json", b"{}"
    yield "json-list", b'{"learner": []}'
    yield "ubj", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{"
    yield "binary", b"binf" + bytes(400)
    yield "binary-short", b"binf\0"
    yield "config", b"CONFIG-offset:" + b"\xff" * 64
    yield "text", b"tree\nversion=v3\n"


def safetensors():
    """Yield files of weights."""

    def made(header, data=b"", length=None):
        text = header.encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    good = '{"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"bias":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}%s}'
    yield from ((n, c) for n, c in texts(made(good % "", bytes(24))) if n != "twice")
    for place, about in enumerate(["[]", "1", nested("[", "]"), "{", "1" * 4400, '"a"']):
        yield f"about-{place}", made(good % f',"__metadata__":{{"archsieve":{json.dumps(about)}}}', bytes(24))
    yield "huge-header", made("{}", length=2**60)
    yield "beyond", made('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,9999]}}')
    yield "shape", made('{"a":{"dtype":"F32","shape":[99999999999,99999999999],"data_offsets":[0,0]}}')
    yield "name-escape", made(json.dumps({ESCAPE: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), bytes(4))
    yield "name-long", made(json.dumps({LONG: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), bytes(4))


def pictures():
    """Yield pictures that are none, or say that they are huge."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def png(width, height, data):
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")

    whole = png(2, 2, bytes(14))
    yield from ((n, c) for n, c in texts(whole) if n in ("empty", "zeros", "half", "long"))
    yield "huge", png(60000, 60000, b"")
    yield "wide", png(2**31 - 1, 1, b"")
    yield "no-size", png(0, 0, b"")
    yield "short", png(8, 8, bytes(3))
    yield "gif", b"GIF89a\xff\xff\xff\xff\x00\x00\x00"
    yield "jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(20)
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def parquets():
    """Yield parquet files, whole and broken."""
    import pyarrow as pa
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pa.table({"arch": ["a", "b"], "truth": [1.0, 2.0]}), stream, compression="NONE")
    whole = stream.getvalue()
    yield "whole", whole
    yield "half", whole[: len(whole) // 2]
    yield "only-magic", b"PAR1PAR1"
    yield "footer", b"PAR1" + b"\xff" * 40 + struct.pack("<I", 2**31) + b"PAR1"
    for place, at in enumerate(range(4, len(whole), len(whole) // 6)):
        yield f"flip-{place}", whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]


def parquet(table, **settings):
    """Return the bytes of a parquet file."""
    from pyarrow import parquet as format_of

    stream = io.BytesIO()
    format_of.write_table(table, stream, compression="NONE", **settings)
    return stream.getvalue()


def damaged(whole):
    """Yield a parquet file, and what is left of it."""
    yield "whole", whole
    yield "empty", b""
    yield "half", whole[: len(whole) // 2]
    yield "no-end", whole[:-8]
    yield "only-magic", b"PAR1PAR1"
    yield "footer", b"PAR1" + b"\xff" * 40 + struct.pack("<I", 2**31) + b"PAR1"
    for place, at in enumerate(range(4, len(whole), max(1, len(whole) // 10))):
        yield f"flip-{place}", whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]


def own_parquets():
    """Yield parquet files of a user's own data."""
    import pyarrow as pa

    good = {"a": [float(i) for i in range(40)], "y": ["uv"[i % 2] for i in range(40)]}
    yield from damaged(parquet(pa.table(good)))
    kinds = {"null": pa.nulls(40), "bytes": pa.array([b"\xff"] * 40), "list": pa.array([[1.0]] * 40)}
    kinds |= {"nan": pa.array([float("nan")] * 40), "large": pa.array([2**62] * 40), "escape": pa.array([ESCAPE] * 40)}
    kinds |= {"struct": pa.array([{"b": 1}] * 40), "date": pa.array([0] * 40, pa.timestamp("s"))}
    for name, column in kinds.items():
        yield f"a-{name}", parquet(pa.table({**good, "a": column}))
        yield f"y-{name}", parquet(pa.table({**good, "y": column}))
    yield "no-target", parquet(pa.table({"a": good["a"]}))
    yield "no-rows", parquet(pa.table({name: column[:0] for name, column in good.items()}))
    yield "title-escape", parquet(pa.table({ESCAPE: good["a"], "z": good["y"]}))
    yield "title-long", parquet(pa.table({LONG: good["a"], "z": good["y"]}))
    yield "title-twice", parquet(pa.Table.from_arrays([pa.array(good["a"])] * 2 + [pa.array(good["y"])], list("aay")))
    many = pa.table({"a": pa.array(["x" * 100] * 200_000).dictionary_encode(), "y": pa.array([0.0] * 200_000)})
    yield "repeated", parquet(many.cast(pa.schema([("a", pa.string()), ("y", pa.float64())])))


def cifar_parquets():
    """Yield copies of CIFAR-10's training pictures."""
    import pyarrow as pa

    def picture(width=32, height=32):
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(32 * 97))), (b"IEND", b"")]
        chunks = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts)
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

    def table(pictures=None, labels=None, names=("img", "label")):
        pictures = pictures or [{"bytes": picture(), "path": None}] * 20
        return pa.table({names[0]: pictures, names[1]: labels or [i % 10 for i in range(20)]})

    good = {"bytes": picture(), "path": None}
    yield from damaged(parquet(table()))
    for name, first in {
        "path": {"bytes": None, "path": "/etc/passwd"},
        "none": None,
        "no-bytes": {"bytes": b"", "path": None},
        "huge": {"bytes": picture(60000, 60000), "path": None},
        "other-size": {"bytes": picture(31, 32), "path": None},
        "text": {"bytes": b"<svg/>", "path": None},
    }.items():
        yield f"picture-{name}", parquet(table([first, *[good] * 19]))
    for place, label in enumerate([-1, 10, 2**40, None]):
        yield f"label-{place}", parquet(table(labels=[label, *[i % 10 for i in range(19)]]))
    yield "label-text", parquet(table(labels=["cat"] * 20))
    yield "label-list", parquet(table(labels=[[1]] * 20))
    yield "pictures-text", parquet(table(["a.png"] * 20))
    yield "pictures-numbers", parquet(table([1.5] * 20))
    yield "names", parquet(table(names=(ESCAPE, LONG)))
    yield "no-rows", parquet(table().slice(0, 0))
    about = {b"huggingface": b'{"info": {"features": {"img": {"_type": "%s"}}}}' % ESCAPE.encode()}
    yield "features-escape", parquet(table().replace_schema_metadata(about))
    yield "features-deep", parquet(table().replace_schema_metadata({b"huggingface": nested("[", "]").encode()}))


JOURNALS = {  # what is done to the journal of a search
    "gap": "DELETE FROM asks WHERE place = 1",
    "first": "DELETE FROM asks WHERE place = 0",
    "place": "UPDATE asks SET place = 9223372036854775807 WHERE place = 2",
    "negative": "UPDATE asks SET place = -1 WHERE place = 0",
    "text": "UPDATE asks SET architecture = 'abc'",
    "escape": "UPDATE asks SET architecture = char(27) || '[2J'",
    "long": "UPDATE asks SET architecture = printf('%.*c', 20000, '9')",
    "digits": "UPDATE asks SET architecture = char(1633, 45, 1634)",
    "blob": "UPDATE asks SET architecture = CAST(x'ff00' AS TEXT)",
    "name": "UPDATE asks SET search = char(27) || search",
    "checksum": "UPDATE asks SET checksum = checksum + 1",
    "more": "INSERT INTO asks VALUES ('search', 3, '0-0', 0)",
    "trigger": "CREATE TRIGGER more AFTER INSERT ON asks BEGIN DELETE FROM results; END",
    "index": "CREATE INDEX more ON asks (architecture)",
    "column": "ALTER TABLE asks ADD COLUMN more TEXT",
    "gone": "DROP TABLE asks",
}


def checkpoints():
    """Yield checkpoints that are none."""
    yield "empty", b""
    yield "zip", member("a/data.pkl", b"cposix\nsystem\n(S'touch hostile-was-here'\ntR.")
    yield "pickle", b"\x80\x02cposix\nsystem\nX\x01\x00\x00\x00a\x85R."
    yield "text", b"weights"
    yield "bomb", member("a/data.pkl", bytes(5_000_000))


def corpus():
    """Yield reader, name and content of every file."""
    macro = {"00000000": {"test_acc": [90.0, 90.1, 90.2], "mean_acc": 90.1, "std": 0.1, "params": 1, "flops": 2}}
    proxies = {"(0, 0, 4, 3, 0, 2)": {"flops": {"score": 1.0, "time": 0.1}, "val_accuracy": 90.0}}
    mark, result = (json.loads((RUN / name).read_text()) for name in ("run.json", "result.json"))
    result["stages"] = result["stages"][:1]
    result["picture"] = None
    plan = 'seed = 0\nspace = "nasbench-macro"\ntask = "digits"\n[[stage]]\nestimator = "params"\ntop = 1\n'
    card = {"kind": "scores", "command": "c", "seed": 0, "versions": {}, "processor": "", "sha256": ""}
    study = {"benchmark": "b", "count": 1, "findings": [], "claims": [], "provenance": {}, "seeds": 1, "budget": 50}
    groups = {
        "code": codes(),
        "plan": tomls(plan),
        "recipe": tomls(
            'epochs = 1\nlearning_rate = 0.1\n[space]\nname = "darts"\n[task]\nname = "digits"\nseed = 0\n'
        ),
        "macro-json": jsons(macro),
        "proxies-json": jsons(proxies),
        "scores-csv": tables(),
        "parquet": parquets(),
        "analog-pickle": pickles(),
        "xgboost": xgboosts(),
        "run-json": jsons(mark),
        "result-json": jsons(result),
        "rounds-npz": rounds(),
        "store": ((name, change.encode()) for name, change in STORES.items()),
        "study-json": jsons(study),
        "card-json": jsons(card),
        "safetensors": safetensors(),
        "checkpoint": checkpoints(),
        "picture": pictures(),
        "own-table": own_tables(),
        "own-list": own_lists(),
        "own-arrays": own_arrays(),
        "own-plan": own_plans(),
        "own-picture": pictures(),
        "own-parquet": own_parquets(),
        "cifar-parquet": cifar_parquets(),
        "asked-json": jsons({"estimator": "told", "asked": ["00", "01"]}),
        "journal": ((name, change.encode()) for name, change in JOURNALS.items()),
        "export-result": jsons({"code": [0, 0], "best": "00", "digits": "00", "stages": [{"label": "params"}]}),
    }
    for reader, files in groups.items():
        for name, content in files:
            yield reader, name.replace("_", "-"), content


def own_tables():
    """Yield CSV files of a user's own data."""
    good = "a,b,y\n" + "".join(f"{i},{i * 0.5},{'uv'[i % 2]}\n" for i in range(40))
    yield from texts(good.encode())
    for place, cell in enumerate(["1_0", "\u0661", "1e999", "1" * 4400, "nan", "=1+1", ESCAPE, "true", "1;5", '"']):
        yield f"cell-{place}", good.replace("0,0.0,u", f"{cell},0.0,u", 1).encode()
        yield f"target-{place}", good.replace("0,0.0,u", f"0,0.0,{cell}", 1).encode()
    yield "same-column", good.replace("a,b,y", "a,a,y").encode()
    yield "no-target", good.replace("a,b,y", "a,b,c").encode()
    yield "columns", b"a," * 5000 + b"y\n1\n"
    yield "one-class", good.replace(",v", ",u").encode()


def own_lists():
    """Yield CSV files that name pictures."""
    good = "file,y\n" + "".join(f"{folder}/{i}.png,{folder}\n" for folder in "ab" for i in range(12))
    yield from texts(good.encode())
    names = ["../../../etc/passwd", "/etc/passwd", "/dev/zero", "a", ".", "", "a/\0", "x" * 300, "x/" * 3000, ESCAPE]
    for place, name in enumerate([*names, "a/1.png", "~/a.png", "a//0.png", "file:///etc/passwd", "\udc80"]):
        line = f"{name},a".encode("utf-8", errors="surrogateescape")
        yield f"name-{place}", good.encode().replace(b"a/0.png,a", line)


def own_arrays():
    """Yield .npz files of a user's own data."""
    x, y = np.ones((40, 3), np.float32), np.arange(40) % 2
    yield from ((name, content) for name, content in texts(npz(x=x, y=y)) if name not in ("latin", "utf16"))
    kinds = {"nan": np.nan, "large": 1e38, "complex": 1j, "text": "a", "bytes": b"\xff", "date": np.datetime64(0, "s")}
    for name, value in kinds.items():
        yield f"inputs-{name}", npz(x=np.full((40, 3), value), y=y)
        yield f"targets-{name}", npz(x=x, y=np.full(40, value))
    yield "targets-mixed", npz(x=x, y=np.array([b"\xff", b"b"] * 20))
    yield "targets-large", npz(x=x, y=np.full(40, 2**62))
    yield "targets-negative", npz(x=x, y=y - 7)
    yield "targets-deep", npz(x=x, y=np.ones((40, 2, 2, 2)))
    yield "targets-short", npz(x=x, y=y[:-1])
    yield "no-targets", npz(x=x)
    yield "no-items", npz(x=x[:0], y=y[:0])
    yield "no-features", npz(x=x[:, :0], y=y)
    yield "scalars", npz(x=np.float64(1), y=np.float64(1))
    yield "void", npz(x=np.zeros(40, "V8"), y=y)
    yield "records", npz(x=np.zeros(40, [("a", "f4")]), y=y)
    yield "claims-objects", member("x.npy", npy("(1,)", "|O", pickle.dumps(print)))
    yield "claims-gigabytes", member("x.npy", npy("(500000000, 8)"))


def own_plans():
    """Yield plans of a user's own model and data."""
    good = (
        'seed = 0\ntask = { name = "table", file = "FILE", target = "y" }\nspace = { name = "own", factory = "MODEL" }\n'
        '[[stage]]\nestimator = "params"\ntop = 1\n'
    )
    yield from texts(good.encode())
    names = ["os:system", "os:", ":f", "os", "a b:c", "../x:f", "x" * 300, "\\u0000", "os.path:join", "builtins:eval"]
    for place, name in enumerate(names):
        yield f"factory-{place}", good.replace("MODEL", name).encode()
        yield f"file-{place}", good.replace("FILE", name).encode()
    for place, value in enumerate(["1", "[]", "{}", "true", "nan", '["os:system"]', "1" * 300]):
        yield f"factory-kind-{place}", good.replace('"MODEL"', value).encode()
        yield f"file-kind-{place}", good.replace('"FILE"', value).encode()


def main() -> None:
    """Write the corpus anew."""
    shutil.rmtree(CORPUS, ignore_errors=True)
    CORPUS.mkdir()
    count = size = 0
    for reader, name, content in list(corpus()):
        if len(content) > 40_000:
            raise SystemExit(f"{reader}/{name} is too large: {len(content)}")
        folder = CORPUS / reader
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        count, size = count + 1, size + len(content)
    print(f"{count} files, {size:,} bytes")


if __name__ == "__main__":
    main()
