"""OCI images as archives: one layer, an index, nothing else.

Writes the image layout of the OCI Image Format Specification 1.0 (oci-layout,
index.json, blobs/sha256/*) into one tar. The reference is in the annotation
org.opencontainers.image.ref.name. Output depends on the arguments alone: entries
sorted, times and owners fixed.
"""
import gzip
import hashlib
import io
import json
import tarfile

MEDIA = "application/vnd.oci.image"


def member(name, size, owner, mtime, mode=0o644, kind=tarfile.REGTYPE):
    """A tar header with nothing from this machine in it."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.mtime = size, mode, kind, mtime
    info.uid = info.gid = owner
    return info


def layer_tar(files, owner, mtime):
    """Bytes of a layer: {path: bytes}, parents made, everything owned by `owner`."""
    folders = {"/".join(path.split("/")[:n]) for path in files
               for n in range(1, path.count("/") + 1)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(folders | set(files)):
            if path in folders:
                tar.addfile(member(path, 0, owner, mtime, 0o755, tarfile.DIRTYPE))
            else:
                tar.addfile(member(path, len(files[path]), owner, mtime),
                            io.BytesIO(files[path]))
    return out.getvalue()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def archive(path, reference, files, *, owner, epoch, compress):
    """Write the OCI archive `path` for image `reference` with one layer of `files`."""
    plain = layer_tar(files, owner, epoch)
    layer = gzip.compress(plain, 6, mtime=0) if compress else plain
    config = dump({"architecture": "amd64", "os": "linux", "config": {},
                   "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(plain)]}})
    blobs = {sha256(layer): layer, sha256(config): config}

    def descriptor(kind, data, **more):
        return {"mediaType": f"{MEDIA}.{kind}", "digest": "sha256:" + sha256(data),
                "size": len(data), **more}

    manifest = dump({
        "schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar+gzip" if compress else "layer.v1.tar", layer)]})
    blobs[sha256(manifest)] = manifest
    index = dump({
        "schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json",
        "manifests": [descriptor(
            "manifest.v1+json", manifest,
            annotations={"org.opencontainers.image.ref.name": reference},
            platform={"architecture": "amd64", "os": "linux"})]})
    entries = {f"blobs/sha256/{name}": data for name, data in blobs.items()}
    entries["index.json"] = index
    entries["oci-layout"] = dump({"imageLayoutVersion": "1.0.0"})
    with open(path, "wb") as out:
        out.write(layer_tar(entries, 0, epoch))
    return "sha256:" + sha256(manifest)
