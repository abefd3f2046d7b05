# SPDX-License-Identifier: Apache-2.0
"""A registry of one image, as much of it as a pull needs: manifests by tag and digest, blobs, basic authentication."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """Of what `docker save` wrote. `login` is "user:password", or None."""

    def __init__(self, saved, tag, login=None):
        self.tag, self.login, self.blobs, self.pulls = tag, login, {}, 0
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
            inside = json.load(archive.extractfile("manifest.json"))[0]
            config = archive.extractfile(inside["Config"]).read()
            layers = [gzip.compress(archive.extractfile(name).read()) for name in inside["Layers"]]
        kind = "application/vnd.docker."
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": kind + "distribution.manifest.v2+json",
            "config": self.keep(config, kind + "container.image.v1+json"),
            "layers": [self.keep(layer, kind + "image.rootfs.diff.tar.gzip") for layer in layers]}).encode()
        self.digest = digest_of(self.manifest)
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)
            do_HEAD = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keep(self, data, kind):
        self.blobs[digest_of(data)] = data
        return {"mediaType": kind, "size": len(data), "digest": digest_of(data)}

    def answer(self, request):
        name = request.path.rpartition("/")[2]
        given = request.headers.get("Authorization", "")
        status, body, kind = 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "application/json"
        if self.login and given != "Basic " + base64.b64encode(self.login.encode()).decode():
            status, body = 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        elif request.path == "/v2/":
            status, body = 200, b"{}"
        elif "/manifests/" in request.path and name in (self.tag, self.digest):
            self.pulls += request.command == "GET"
            status, body, kind = 200, self.manifest, "application/vnd.docker.distribution.manifest.v2+json"
        elif name in self.blobs:
            status, body, kind = 200, self.blobs[name], "application/octet-stream"
        request.send_response(status)
        if status == 401:
            request.send_header("WWW-Authenticate", 'Basic realm="test"')
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Docker-Content-Digest", self.digest if "/manifests/" in request.path else digest_of(body))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
