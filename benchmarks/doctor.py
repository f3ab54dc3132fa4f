"""How long the doctor takes for a pair of models of 7 billion parameters, beside bare reading.

python -m benchmarks.doctor [REPEATS]

The files are sparse: headers and sizes are real, the weights behind them are holes, which the
doctor never reads. Every run is a process of its own, `python -m merger doctor R --json`; seconds
are the processor's, which other programs disturb least, and the wall clock's beside them. The
floors are an empty Python process, and one that only reads the same headers, configs and
tokenizers with `json`.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.cost import section

HERE = Path(__file__).parent
LIMIT = 2.0
SHARDS = 3
BARE = """
import json, pathlib, struct, sys
for folder in sys.argv[1:]:
    for path in sorted(pathlib.Path(folder).glob("*")):
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".safetensors":
            with path.open("rb") as file:
                json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
"""


class Shape(NamedTuple):
    """A model's shape.

    Args:
        title: What is measured.
        words: Size of the vocabulary.
        inner: Width of the MLP.
        keys: Width of keys and values.
        extra: Words that only the expert has, so that the recipe asks for a union.
    """

    title: str
    words: int
    inner: int
    keys: int
    extra: int


SHAPES = (
    Shape("7 B, 32,000 words", 32_000, 11_008, 4096, 0),
    Shape("8 B, 128,256 words", 128_256, 14_336, 1024, 0),
    Shape("8 B, 128,256 words, union with 8 more", 128_256, 14_336, 1024, 8),
)


def tensors(shape: Shape, words: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and shape of every tensor of a Llama of 32 layers."""
    width = 4096
    yield "model.embed_tokens.weight", (words, width)
    for layer in range(32):
        stem = f"model.layers.{layer}"
        for name, out, into in (
            ("self_attn.q_proj", width, width),
            ("self_attn.k_proj", shape.keys, width),
            ("self_attn.v_proj", shape.keys, width),
            ("self_attn.o_proj", width, width),
            ("mlp.gate_proj", shape.inner, width),
            ("mlp.up_proj", shape.inner, width),
            ("mlp.down_proj", width, shape.inner),
        ):
            yield f"{stem}.{name}.weight", (out, into)
        yield f"{stem}.input_layernorm.weight", (width,)
        yield f"{stem}.post_attention_layernorm.weight", (width,)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (words, width)


def build(folder: Path, shape: Shape, extra: int, seed: int) -> None:
    """Write a model folder whose weights are holes."""
    folder.mkdir(parents=True)
    words = shape.words + extra
    listed = list(tensors(shape, words))
    weight_map, total = {}, 0
    for shard in range(SHARDS):
        name = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        at = 0
        for key, sizes in listed[shard::SHARDS]:
            size = 2
            for n in sizes:
                size *= n
            header[key] = {"dtype": "BF16", "shape": sizes, "data_offsets": [at, at + size]}
            weight_map[key], at = name, at + size
        total += at
        text = json.dumps(header).encode()
        with (folder / name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + at)
            # Something of its own, so that the two are not one model.
            file.seek(8 + len(text) + 2 * seed)
            file.write(b"\x01")
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write(folder / "model.safetensors.index.json", index)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "num_hidden_layers": 32, "vocab_size": words, "tie_word_embeddings": False,
    }  # fmt: skip
    write(folder / "config.json", config)
    tokens = {f"word{i:06}": i for i in range(words)}
    # About as many merges as words, each a pair, as in tokenizers of these sizes.
    merges = [[f"word{i:06}", f"word{i + 1:06}"] for i in range(0, words - 1)]
    model = {"type": "BPE", "vocab": tokens, "merges": merges}
    write(folder / "tokenizer.json", {"version": "1.0", "added_tokens": [], "model": model})
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n", "utf-8")


def write(path: Path, table: dict[str, Any]) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(table), "utf-8")


def seconds_of(command: list[str]) -> tuple[float, float]:
    """Return processor and wall seconds of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=HERE.parent)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def measure(shape: Shape, repeats: int) -> dict[str, Any]:
    """Return the medians of the doctor and of both floors for a pair of models."""
    with TemporaryDirectory() as place:
        folders = [Path(place) / "base", Path(place) / "expert"]
        for number, folder in enumerate(folders):
            build(folder, shape, shape.extra * number, number)
        recipe = Path(place) / "recipe.yaml"
        said = "tokenizer: {source: union}\n" if shape.extra else ""
        recipe.write_text(
            f"method: task_arithmetic\nbase: {folders[0]}\nexperts: [{folders[1]}]\n{said}",
            "utf-8",
        )
        commands = {
            "empty": [sys.executable, "-c", "pass"],
            "bare": [sys.executable, "-c", BARE, *map(str, folders)],
            "doctor": [sys.executable, "-m", "merger", "doctor", str(recipe), "--json"],
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(repeats + 1):
            for name, command in commands.items():
                found[name].append(seconds_of(command))
        said = subprocess.run(commands["doctor"], capture_output=True, check=True, cwd=HERE.parent)
        report = json.loads(said.stdout)
    result: dict[str, Any] = {"title": shape.title, "parameters": report["parameters"]}
    for name, runs in found.items():
        # The first run fills the caches of the machine.
        result[name] = {
            "processor": median(run[0] for run in runs[1:]),
            "wall": median(run[1] for run in runs[1:]),
        }
    return result


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as a page."""
    rows = [
        f"| {r['title']} | {r['parameters']:,} | **{r['doctor']['processor']:.2f} s** | "
        f"{r['doctor']['wall']:.2f} s | {r['empty']['processor']:.2f} s | "
        f"{r['bare']['processor']:.2f} s | "
        f"{r['doctor']['processor'] / r['bare']['processor']:.1f} |"
        for r in results
    ]
    return "\n".join(
        [
            "# The doctor beside bare reading",
            "",
            "`python -m benchmarks.doctor`, part of `make bench`: `python -m merger doctor R",
            "--json` for a base and an expert, whole processes, median of the runs. Weights are",
            "holes in sparse files: headers, configs and tokenizers are what is read. *Empty* is",
            "`python -c pass`, *bare* a process that reads the same JSON and nothing more. The",
            f"limit is {LIMIT:.0f} s.",
            "",
            "| pair | parameters of the result | doctor, processor | wall | empty | bare | × "
            "bare |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {date.today()}. Other "
            "programs ran beside it: wall seconds are an upper bound.",
            section(),
        ]
    )  # fmt: skip


def write_page() -> str:
    """Write the page from what was measured last, and return it."""
    text = table(json.loads((HERE / "doctor.json").read_text("utf-8")))
    (HERE / "doctor.md").write_text(text, "utf-8")
    return text


def main(repeats: int = 5) -> None:
    """Measure every pair, print the page and keep it."""
    results = [measure(shape, repeats) for shape in SHAPES]
    (HERE / "doctor.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(write_page())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
