"""Which files go beside the weights of a merge."""

import ast
from pathlib import Path

import transformers

from merger.checkpoint import FileCheckpoint
from merger.companions import TOKENIZER, copy_companions
from merger.speech import speech_notes
from merger.vocabulary import read_vocabulary
from tests.engine.folders import save, tensors


def tokenizer_files() -> set[str]:
    """Return the files that any tokenizer of the installed transformers is saved as."""
    found: set[str] = set()
    for path in Path(transformers.__file__).parent.rglob("tokenization*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
                continue
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if names & {"VOCAB_FILES_NAMES", "vocab_files_names"}:
                values = [v.value for v in node.value.values if isinstance(v, ast.Constant)]
                found |= {value for value in values if isinstance(value, str)}
    return found


def test_every_tokenizer_file_that_transformers_knows_is_copied() -> None:
    known = tokenizer_files()
    assert {"tokenizer.json", "spm.model", "normalizer.json", "bpe.codes"} <= known
    assert known <= set(TOKENIZER)


def test_a_tokenizer_in_a_file_of_its_family_goes_along_and_is_compared(tmp_path: Path) -> None:
    models = []
    for name, data in (("base", b"one"), ("same", b"one"), ("other", b"two")):
        folder = save(tmp_path / name, tensors(0))
        (folder / "spm.model").write_bytes(data)
        models.append(FileCheckpoint(folder))
    base, same, other = models
    (tmp_path / "out").mkdir()
    copy_companions(base, [same, other], tmp_path / "out", None)
    assert (tmp_path / "out" / "spm.model").read_bytes() == b"one"
    words = [read_vocabulary(model.folder) for model in models]
    assert words[0] is not None and words[1] is not None and words[2] is not None
    assert words[0].is_like(words[1]) and not words[0].is_like(words[2])
    assert [p.where for p in speech_notes(base, [same, other], is_chosen=False)] == ["other"]


def test_pooling_that_is_not_copied_is_told(tmp_path: Path) -> None:
    folder = save(tmp_path / "base", tensors(0))
    (folder / "modules.json").write_text("[]")
    (note,) = speech_notes(FileCheckpoint(folder), [], is_chosen=False)
    assert "sentence-transformers" in note.what and "modules.json" in note.remedy
