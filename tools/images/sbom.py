"""What is in an image as an SPDX 2.3 document in JSON: one package of SPDX per Debian package, and Wherry itself.

Made from the packages' control data. Versions, checksums and source packages are exact; licences are not concluded here: each
package's copyright file is in the image.
"""
import re
import time
import urllib.parse

from guest import oci

NONE = "NOASSERTION"


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def debian_package(package, fields):
    """An element for a package: `package` as tools/guest resolves it, and its control data."""
    source = re.match(r"(\S+)(?: \((.*)\))?", fields.get("Source", fields["Package"]))
    url = (f"pkg:deb/debian/{urllib.parse.quote(fields['Package'])}@{urllib.parse.quote(fields['Version'])}"
           f"?arch={fields['Architecture']}")
    return {
        "SPDXID": identifier(f"Package-{fields['Package']}"), "name": fields["Package"], "versionInfo": fields["Version"],
        "supplier": "Organization: Debian", "originator": "Person: " + fields.get("Maintainer", NONE),
        "downloadLocation": NONE, "filesAnalyzed": False, "licenseConcluded": NONE, "licenseDeclared": NONE,
        "copyrightText": NONE, "summary": fields.get("Description", "").splitlines()[0],
        "sourceInfo": f"built from {source.group(1)} {source.group(2) or fields['Version']}",
        "checksums": [{"algorithm": "SHA256", "checksumValue": package.sha256}],
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]}


def own_package(version, digest):
    return {
        "SPDXID": identifier("Package-wherry"), "name": "wherry", "versionInfo": version, "downloadLocation": NONE,
        "supplier": NONE, "filesAnalyzed": False, "licenseConcluded": NONE, "licenseDeclared": NONE, "copyrightText": NONE,
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]}


def document(reference, digest, version, own_digest, packages, epoch):
    """The document's bytes. `digest`: the image's; `own_digest`: SHA256 of the layer with Wherry's programs."""
    image = {
        "SPDXID": "SPDXRef-Image", "name": reference, "versionInfo": version, "downloadLocation": NONE, "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER", "licenseConcluded": NONE, "licenseDeclared": NONE, "copyrightText": NONE,
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest.partition(":")[2]}]}
    inside = [own_package(version, own_digest)] + [debian_package(package, fields) for package, fields in packages]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Image"}]
    relations += [{"spdxElementId": "SPDXRef-Image", "relationshipType": "CONTAINS", "relatedSpdxElement": one["SPDXID"]}
                  for one in inside]
    return oci.dump({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": reference,
        "documentNamespace": f"urn:wherry:image:{digest}",
        "creationInfo": {"creators": ["Tool: wherry-mkimages"], "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))},
        "packages": [image, *inside], "relationships": relations}) + b"\n"
