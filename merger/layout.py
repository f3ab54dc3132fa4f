"""Find which files of a model folder hold its weights, and refuse those that may not be opened."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from merger.errors import SourceError
from merger.header import FileHeader, Place, read_header, shown
from merger.plain_json import PARTS, parse_json
from merger.quantised import refuse_quantised

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
# Weights of other programs.
OTHERS = {
    ".gguf": "GGUF files, mostly quantised, for llama.cpp",
    ".h5": "weights of TensorFlow",
    ".msgpack": "weights of Flax",
    ".onnx": "an ONNX graph",
}
OTHER_HINT = "Give the checkpoint that it was made from, as safetensors."
SHARD_NAME = re.compile(r"[^./\\:][^/\\:]*\.safetensors")
# Names stay as they are, and a head stays where it is: a class of transformers could lose both.
CONVERT = (
    'python -c "import glob, torch; from safetensors.torch import save_file; '
    "save_file({{k: v.clone().contiguous() for f in sorted(glob.glob('{}')) "
    "for k, v in torch.load(f, 'cpu', weights_only=True).items()}}, 'model.safetensors', "
    "{{'format': 'pt'}})\""
)
MAX_JSON_BYTES = 50_000_000
# Half a million merges of a tokenizer, each a list of two.
MOST_PARTS = 4 * PARTS


class Layout(NamedTuple):
    """The weight files of one model and where each tensor lies in them, sorted by name."""

    files: tuple[FileHeader, ...]
    places: Mapping[str, Place]


def read_layout(path: Path) -> Layout:
    """Read the headers of a model folder, or of one safetensors file.

    Raises:
        SourceError: There are no weights to open here, or they are not to be trusted.
    """
    if path.is_dir():
        layout = _read_folder(path)
    elif path.suffix.lower() in PICKLES:
        raise _pickled(path, [path.name])
    elif path.is_file():
        layout = single_layout(read_header(path))
    else:
        raise SourceError(
            f"{path} does not exist.", "Give the folder of a model: config.json and *.safetensors."
        )
    refuse_quantised(path, layout.places, model_config(path if path.is_dir() else path.parent))
    return layout


def model_config(folder: Path) -> dict[str, Any] | None:
    """Return config.json of a model folder, or None where there is none."""
    path = folder / "config.json"
    return read_json(path, parts=PARTS) if path.is_file() else None


def read_json(path: Path, *, parts: int = MOST_PARTS, strict: bool = False) -> dict[str, Any]:
    """Read a JSON file that must hold an object, with at most so many lists and members."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise SourceError(f"{path} is larger than {MAX_JSON_BYTES} bytes.", "Is it damaged?")
        table = parse_json(path.read_bytes(), parts, strict=strict)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise SourceError(
            f"{path} is not valid JSON: {shown(str(error))}.", "Restore the file from its source."
        ) from error
    if not isinstance(table, dict):
        raise SourceError(f"{path} must hold a JSON object.", "Restore the file from its source.")
    return table


def weights_stem(folder: Path | None) -> str:
    """Return how the weight files of a folder begin, as diffusers and transformers differ."""
    if folder is not None and any(folder.glob("diffusion_pytorch_model*.safetensors")):
        return "diffusion_pytorch_model"
    return "model"


def _sorted(places: Mapping[str, Place]) -> Mapping[str, Place]:
    return MappingProxyType({key: places[key] for key in sorted(places)})


def _read_folder(folder: Path) -> Layout:
    if (folder / SINGLE).is_file():
        return single_layout(read_header(folder / SINGLE))
    indexes = sorted(path.name for path in folder.glob("*.safetensors.index.json"))
    if INDEX in indexes:
        return _read_shards(folder, INDEX)
    if len(indexes) == 1:
        return _read_shards(folder, indexes[0])
    return _read_only_file(folder)


def _read_only_file(folder: Path) -> Layout:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    found = [name for name in names if name.endswith(".safetensors")]
    if (folder / "adapter_config.json").is_file() and found in ([], ["adapter_model.safetensors"]):
        raise SourceError(
            f"{folder} holds an adapter (LoRA), not a whole model.",
            f"Write lora:{folder} to put it on the recipe's base.",
        )
    if len(found) == 1:
        return single_layout(read_header(folder / found[0]))
    if found:
        shards = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
        raise SourceError(
            f"{folder} has {len(found)} safetensors files ({shards}) and no {INDEX}.",
            "Restore the index, or give the one file to read.",
        )
    pickles = [name for name in names if name.lower().endswith(PICKLES) and "training" not in name]
    if pickles:
        raise _pickled(folder, pickles)
    for suffix, what in OTHERS.items():
        if any(name.lower().endswith(suffix) for name in names):
            raise SourceError(f"{folder} holds {what}, and no safetensors file.", OTHER_HINT)
    raise SourceError(
        f"{folder} holds no safetensors file.",
        inner_models(folder) or "Give the folder of a model: config.json and *.safetensors.",
    )


def inner_models(folder: Path) -> str:
    """Return which models lie in subfolders, as those of a method with one for each expert do."""
    inner = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if not inner:
        return ""
    listed = ", ".join(map(shown, inner[:4])) + (", …" if len(inner) > 4 else "")
    return f"Give one of the models in it ({listed}), such as {shown(str(folder / inner[0]))}."


def _read_shards(folder: Path, index: str) -> Layout:
    return shards_layout(folder, index, lambda name: read_header(folder / name))


def single_layout(header: FileHeader) -> Layout:
    """Return where the tensors of a model in one file lie."""
    return Layout((header,), _sorted(header.places))


def shards_layout(folder: Path, index: str, header_of: Callable[[str], FileHeader]) -> Layout:
    """Return where the tensors of a model in several files lie, by its index.

    Args:
        folder: Where the index lies.
        index: Its name.
        header_of: Returns the header of the shard with a name.

    Raises:
        SourceError: Index and shards do not belong together.
    """
    path = folder / index
    weight_map = read_json(path, parts=PARTS, strict=True).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise SourceError(f"{path} has no weight_map.", "Restore it from its source.")
    for key, name in weight_map.items():
        _check_shard_name(path, key, name)
    headers = {name: header_of(name) for name in sorted(set(weight_map.values()))}
    for key, name in weight_map.items():
        if key not in headers[name].places:
            raise SourceError(
                f"{path} says that {shown(key)} is in {name}, and it is not.",
                "Index and shards do not belong together: download both again.",
            )
    for name, header in headers.items():
        for key in header.places:
            if key not in weight_map:
                raise SourceError(
                    f"{folder / name} holds {shown(key)}, which {index} does not list.",
                    "Index and shards do not belong together: download both again.",
                )
    places = {key: headers[name].places[key] for key, name in weight_map.items()}
    return Layout(tuple(headers.values()), _sorted(places))


def _check_shard_name(index: Path, key: str, name: object) -> None:
    if isinstance(name, str) and name.lower().endswith(PICKLES):
        raise _pickled(index.parent, [name])
    if not isinstance(name, str) or not SHARD_NAME.fullmatch(name) or not name.isprintable():
        raise SourceError(
            f"{index}: the shard of {shown(key)} must be the plain name of a safetensors file "
            f"beside it, got {shown(name)}.",
            "Do not use this checkpoint unless you trust where it comes from.",
        )


def _pickled(path: Path, names: list[str]) -> SourceError:
    listed = ", ".join(shown(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
    whole = [name for name in names if name.startswith("pytorch_model") and name.endswith(".bin")]
    pattern = "pytorch_model*.bin" if whole else "*" + Path(names[0]).suffix
    return SourceError(
        f"{path} holds pickled weights ({listed}), and opening a pickle runs code from it.",
        "Convert it once, in its folder, with this, which reads numbers only and runs nothing: "
        + CONVERT.format(pattern),
    )
