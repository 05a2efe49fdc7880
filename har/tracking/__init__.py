"""MLflow: the only room that imports it.

MLflow is a viewer; git and DVC are the record. Nothing here affects an output of a stage, and no
failure of MLflow stops a training: missing runs can be sent again from the files of the last
`dvc repro`. A run is found by the hash of its model file, never by a run id, because ids would make
outputs irreproducible.

MLflow takes over a second to import, so functions import it when they need it.
"""
