"""The MLflow door: record a run, register its model, move the champion alias and roll it back.

These are the effects at the edge of the graph. Each reads the files that stages wrote, each may be called again after
a crash, and each is one command: ``python -m evenvoice.tracking record|register|promote|rollback|audit|relocate``.

    run_files      what a finished run left in its workspace
    published      which of its figures may leave the workspace
    record         one MLflow run per DAG run
    judged         one MLflow run per judgement of somebody's recogniser
    manifest       hashes of the files a model is loaded from
    register       a model version, unless these inputs have one
    served_model   the pyfunc model that transcribes audio
    comparison     challenger against champion on the same test speakers
    promotion      compare-and-set of the champion alias
    audit          the append-only record of every move of it
    relocate       the registry in another place than its database says
    store          the one module that talks to MLflow
"""
