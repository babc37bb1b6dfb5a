"""Objects over S3: the one door of evenvoice to stores that speak it.

    store = ObjectStore.at("s3://bucket/prefix")
    store.write("a.json", b"{}")                        replaces
    store.create("fragments/train", content)            write-once
    store.upload(Path("model.bin"), "model.bin")        multipart, bounded memory
    store.download("model.bin", Path("model.bin"))      ranges in parallel; goes on after a crash
    for entry in store.list("fragments/"): ...
    with store.open("speech.flac") as audio: ...        seekable, read by range

Endpoint, credentials, region and checksum behaviour follow the standard AWS variables and profiles alone
(AWS_ENDPOINT_URL, AWS_PROFILE, AWS_REQUEST_CHECKSUM_CALCULATION, AWS_MAX_ATTEMPTS, ...). What may pass is tried
again and then a :class:`TransientError`; what will not pass is refused at once, by name. Nothing is half-written.
"""

from evenvoice.object_store.address import Address, is_object_url
from evenvoice.object_store.store import ObjectStore, StoredObject

__all__ = ["Address", "ObjectStore", "StoredObject", "is_object_url"]
