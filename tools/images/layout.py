"""OCI images as archives, from layers that are tar files on disk.

Writes the image layout of the OCI Image Format Specification 1.0 with one manifest. Nothing of this machine and no time
gets in: the same layers and the same configuration give the same bytes. Layers are streamed, so their size does not matter.
"""
import hashlib
import io
import tarfile

from guest import oci



def tree_layer(path, files, epoch, empty=()):
    """Write a layer: {path: bytes, (bytes, mode) or a link's target as text}, and empty folders; parents are made, root owns
    everything."""
    folders = {"/".join(name.split("/")[:n]) for name in files for n in range(1, name.count("/") + 1)}
    folders |= {"/".join(name.split("/")[:n]) for name in empty for n in range(1, name.count("/") + 2)}
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(folders | set(files)):
            value = files.get(name)
            if value is None:
                tar.addfile(oci.member(name, 0, 0, epoch, 0o755, tarfile.DIRTYPE))
            elif isinstance(value, str):
                link = oci.member(name, 0, 0, epoch, 0o777, tarfile.SYMTYPE)
                link.linkname = value
                tar.addfile(link)
            else:
                data, mode = value if isinstance(value, tuple) else (value, 0o644)
                tar.addfile(oci.member(name, len(data), 0, epoch, mode), io.BytesIO(data))


def file_digest(path):
    """(sha256, size) of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def descriptor(kind, digest, size, **more):
    return {"mediaType": f"{oci.MEDIA}.{kind}", "digest": "sha256:" + digest, "size": size, **more}


def blob(kind, value, **more):
    """(descriptor, bytes) of a JSON document."""
    data = oci.dump(value)
    return descriptor(kind, oci.sha256(data), len(data), **more), data


def write(path, reference, layers, config, architecture="amd64"):
    """Write the archive `path` for image `reference`; the digest of its manifest."""
    found = [(layer, *file_digest(layer)) for layer in layers]
    named = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    setting, setting_data = blob("config.v1+json", {
        "architecture": architecture, "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for _, digest, _ in found]}})
    manifest, manifest_data = blob("manifest.v1+json", {
        "schemaVersion": 2, "mediaType": f"{oci.MEDIA}.manifest.v1+json", "config": setting,
        "layers": [descriptor("layer.v1.tar", digest, size) for _, digest, size in found]},
        annotations=named, platform={"architecture": architecture, "os": "linux"})
    index = oci.dump({"schemaVersion": 2, "mediaType": f"{oci.MEDIA}.index.v1+json", "manifests": [manifest]})
    small = {"index.json": index, "oci-layout": oci.dump({"imageLayoutVersion": "1.0.0"})}
    for one, data in ((setting, setting_data), (manifest, manifest_data)):
        small["blobs/sha256/" + one["digest"].partition(":")[2]] = data
    large = {f"blobs/sha256/{digest}": (layer, size) for layer, digest, size in found}
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for folder in ("blobs", "blobs/sha256"):
            tar.addfile(oci.member(folder, 0, 0, 0, 0o755, tarfile.DIRTYPE))
        for name in sorted(small | large):
            if name in small:
                tar.addfile(oci.member(name, len(small[name]), 0, 0), io.BytesIO(small[name]))
            else:
                layer, size = large[name]
                with open(layer, "rb") as file:
                    tar.addfile(oci.member(name, size, 0, 0), file)
    return manifest["digest"]
