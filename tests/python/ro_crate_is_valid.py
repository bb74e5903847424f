"""Validates RO-Crates with rocrate-validator, without a network, and loads them with the library rocrate.

    ro_crate_is_valid.py CRATE [CRATE ...]

The validator reads the context of RO-Crate from the web. Here, it gets the copy that the library ships instead, with the
terms that version 1.1 defines differently.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import rocrate
from rocrate.rocrate import ROCrate
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "provenance-run-crate-0.5"
# Profiles that it includes.
INCLUDED = {"ro-crate-1.1", "process-run-crate-0.5", "workflow-run-crate-0.5", "workflow-ro-crate-1.0"}
TERMS = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


def context(_, address, **__):
    """Answers a request of the validator."""
    assert address == CONTEXT, f"{address} is not available without a network"
    shipped = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text())
    shipped["@context"].update(TERMS)
    return SimpleNamespace(
        status_code=200,
        headers={"Content-Type": "application/ld+json"},
        text=json.dumps(shipped),
        json=lambda: shipped,
    )


def validate(crate):
    settings = services.ValidationSettings(
        rocrate_uri=crate,
        profile_identifier=PROFILE,
        requirement_severity=models.Severity.REQUIRED,
        skip_availability_check=True,
    )
    result = services.validate(settings)
    issues = [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
    assert not result.has_issues(), issues
    checked = {check.identifier.rsplit("_", 1)[0] for check in result.executed_checks}
    assert checked == INCLUDED | {PROFILE}, checked
    return len(result.executed_checks)


def check_metadata(crate):
    """Checks what the validator does not: references, sizes, and that every file is described."""
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    ids = [entity["@id"] for entity in graph]
    assert len(set(ids)) == len(ids)

    def references(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else []
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            yield from references(inner)

    web = {name for name in references(graph) if name.startswith(("http://", "https://"))}
    dangling = set(references(graph)) - set(ids) - web
    assert not dangling, dangling
    loaded = ROCrate(crate)
    described = set()
    for entity in loaded.data_entities:
        path = crate / entity.source.relative_to(crate) if isinstance(entity.source, Path) else Path(entity.source)
        assert path.exists(), path
        if entity.type == "Dataset":
            continue
        assert path.stat().st_size == int(entity["contentSize"]), path
        described.add(path.resolve())
    files = {path.resolve() for path in crate.rglob("*") if path.is_file()}
    files.discard((crate / "ro-crate-metadata.json").resolve())
    assert files == described, files ^ described
    assert loaded.mainEntity is not None and "ComputationalWorkflow" in loaded.mainEntity.type
    actions = [entity for entity in loaded.contextual_entities if entity.type == "CreateAction"]
    return len(described), len(actions)


def main():
    HttpRequester.get = context
    for argument in sys.argv[1:]:
        crate = Path(argument)
        checks = validate(crate)
        files, actions = check_metadata(crate)
        print(f"{crate.name}: {checks} checks, {files} files, {actions} actions")


main()
