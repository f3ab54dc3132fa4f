"""Recognise quantised checkpoints, whose stored numbers are codes, and refuse them by name.

The config says so in most of them; where it is silent, names and dtypes of the tensors do.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from merger.errors import SourceError
from merger.header import QUANTISED, Place, TensorInfo, shown

ORIGINAL = "Merge the checkpoint it was quantised from, and quantise the result."
# transformers turns these back itself; the numbers are those of the codes, not of the original.
UNPACK = (
    " If there is none any more, save it unpacked once: load it with {}(dequantize=True) as "
    "quantization_config and call save_pretrained."
)
LEFTOVER = (
    "If these weights were really unpacked, take quantization_config out of its config.json; "
    "otherwise merge the checkpoint it was quantised from."
)


class Kind(NamedTuple):
    """One way to quantise.

    Args:
        title: What it is called.
        names: What its tensors end in, besides those of plain weights.
        dtypes: What the first of these tensors is stored in; anything where empty.
        unpack: The config class of transformers that turns it back, if any.
    """

    title: str
    names: str
    dtypes: tuple[str, ...] = ()
    unpack: str = ""


INTEGERS = ("U8", "I8", "I16", "U16", "I32", "U32", "I64")
# The order matters where one's names are part of another's.
KINDS: Mapping[str, Kind] = {
    "bitsandbytes": Kind(
        "bitsandbytes",
        r"\.(absmax|quant_map|nested_absmax|nested_quant_map|SCB|weight_format)"
        r"|\.quant_state\.bitsandbytes__\w+",
    ),
    "gptq": Kind("GPTQ", r"\.g_idx", ("I32", "I64")),
    "awq": Kind("AWQ", r"\.(qweight|qzeros)", INTEGERS),
    "hqq": Kind("HQQ", r"\.W_q(\.\w+)?"),
    "mxfp4": Kind("MXFP4", r"_blocks", ("U8",), "Mxfp4Config"),
    "compressed-tensors": Kind("compressed-tensors", r"\.weight_(packed|shape)"),
    "fp8": Kind("FP8", r"\.weight_scale_inv", (), "FineGrainedFP8Config"),
    "aqlm": Kind("AQLM", r"\.codebooks"),
    "quanto": Kind("quanto", r"\.weight\._(data|scale)"),
    "int8": Kind("eight-bit integers", r"\.weight_scales?"),
}
# What a config may call one of these, and what has no tensor names that tell it apart.
TITLES: Mapping[str, str] = {
    "fbgemm_fp8": "FP8 (FBGEMM)", "modelopt": "ModelOpt", "nvfp4": "NVFP4", "mxfp8": "MXFP8",
    "eetq": "EETQ", "vptq": "VPTQ", "spqr": "SpQR", "higgs": "HIGGS", "torchao": "torchao",
    "auto-round": "AutoRound", "bitnet": "BitNet", "quark": "Quark", "fp_quant": "FP-Quant",
    "sinq": "SINQ", "gguf": "GGUF", "metal": "Metal", "exl2": "EXL2", "exl3": "EXL3",
}  # fmt: skip


def refuse_quantised(
    path: Path, places: Mapping[str, Place], config: Mapping[str, Any] | None
) -> None:
    """Raise SourceError where the stored numbers are codes of a quantised model.

    Args:
        path: How to call the model.
        places: Its tensors; none where only the config is there yet.
        config: Its config.json.
    """
    infos = {key: place.info for key, place in places.items()}
    evidence = _evidence(infos)
    settings = _settings(config or {})
    if settings is not None:
        method, bits = _said(settings)
        title = _title(method) + bits
        if infos and evidence is None:
            raise SourceError(
                f"{path} says in config.json that it is quantised ({title}), and all its tensors "
                "are plain numbers.",
                LEFTOVER,
            )
        _refuse(path, title, _unpack(method), "" if evidence is None else evidence[1])
    if evidence is not None:
        kind, what = evidence
        _refuse(path, _title(kind), _unpack(kind), what)


def _refuse(path: Path, title: str, unpack: str, what: str) -> NoReturn:
    because = f" ({what})" if what else ""
    hint = ORIGINAL + (UNPACK.format(unpack) if unpack else "")
    raise SourceError(
        f"{path} is quantised with {title}{because}: its stored numbers are codes and cannot be "
        "averaged.",
        hint,
    )


def _settings(config: Mapping[str, Any]) -> object | None:
    """Return what the config, or a part of it, says about how the weights were quantised."""
    for name in ("quantization_config", "compression_config"):
        if config.get(name):
            return config[name]
    inner = config.get("text_config")
    return _settings(inner) if isinstance(inner, dict) else None


def _said(settings: object) -> tuple[str, str]:
    """Return the method that the settings name, and the bits as words."""
    if not isinstance(settings, dict):
        return shown(settings), ""
    method = settings.get("quant_method") or settings.get("format")
    method = method if isinstance(method, str) else "a method that it does not name"
    if settings.get("load_in_4bit") or settings.get("_load_in_4bit"):
        return method, ", 4 bits"
    if settings.get("load_in_8bit") or settings.get("_load_in_8bit"):
        return method, ", 8 bits"
    bits = settings.get("bits", settings.get("nbits"))
    return method, f", {bits} bits" if type(bits) is int else ""


def _title(method: str) -> str:
    known = KINDS.get(method)
    return known.title if known is not None else TITLES.get(method, shown(method))


def _unpack(method: str) -> str:
    return KINDS[method].unpack if method in KINDS else ""


def _evidence(infos: Mapping[str, TensorInfo]) -> tuple[str, str] | None:
    """Return the kind of codes that the tensors hold, and which tensor says so."""
    for name, kind in KINDS.items():
        pattern = re.compile(f"(?:{kind.names})$")
        for key, info in infos.items():
            if pattern.search(key) and (not kind.dtypes or info.dtype in kind.dtypes):
                return _plain_eight(name, infos, key), f"it holds {shown(key)}"
    for key, info in infos.items():
        if info.dtype in QUANTISED:
            return "fp8" if info.dtype.startswith("F8") else info.dtype, _stored(info)
        if key.endswith(".weight") and info.dtype in INTEGERS and len(info.shape) > 1:
            return "int8" if info.dtype in ("I8", "U8") else info.dtype, _stored(info)
    return None


def _plain_eight(name: str, infos: Mapping[str, TensorInfo], key: str) -> str:
    """Tell integers with a scale from eight-bit floats with one."""
    if name != "int8":
        return name
    weight = infos.get(key.rpartition(".")[0] + ".weight")
    return "fp8" if weight is not None and weight.dtype in QUANTISED else "int8"


def _stored(info: TensorInfo) -> str:
    return f"{shown(info.key)} is {info.dtype}"
