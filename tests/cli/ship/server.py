"""The destinations of tests/cli/ship.sh: one HTTP server that is an S3 service, a place that takes PUT, Pyroscope's /ingest and an OTLP collector.

  server.py DIR [PORT] [CERT KEY]
      DIR/port       its port, once it listens on 127.0.0.1
      DIR/store/…    what was put; DIR/form/N, DIR/otlp/N: what was posted. A file appears whole, as in S3, or not at all
      DIR/log        a line of JSON for each request and what became of it
      DIR/faults     read for each request: a line "WHAT COUNT"; WHAT happens to the next COUNT requests:
                     500, 503, 507, 403, 413 …  this status, when the body was read
                     reset    the connection is reset after 64 KiB of the body
                     half     the same, without a reset: it is closed
                     silent   the body is read; an answer never comes
                     slow     64 KiB of the body, then none until DIR/go exists
                     lost     all is done as it should be, but the answer is a reset
                     echo     400, and the answer repeats the request's headers
                     moved    a redirect to elsewhere
                     flood    an answer without end
                     rejected an OTLP answer: one profile was rejected
"""
import datetime
import email.parser
import email.policy
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

import sigv4

FIRST = 64 << 10
KEYS = {"AKIDEXAMPLE": ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None), "ASIATEMPORARY": ("temporary/secret+key", "session/Token+with==" * 20)}
lock = threading.Lock()


def fault(root):
    """What is to happen to this request, or None."""
    path = os.path.join(root, "faults")
    with lock:
        try:
            with open(path) as file:
                lines = file.read().split("\n")
        except FileNotFoundError:
            return None
        for i, line in enumerate(lines):
            if line and int(line.split()[1]) > 0:
                what, count = line.split()
                lines[i] = "%s %d" % (what, int(count) - 1)
                with open(path + ".new", "w") as file:
                    file.write("\n".join(lines))
                os.rename(path + ".new", path)
                return what
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = ""

    def log_message(self, *_):
        pass

    def note(self, **what):
        with lock, open(os.path.join(self.root, "log"), "a") as file:
            file.write(json.dumps({"method": self.command, "path": self.path, **what}) + "\n")

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, ("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no</Message></Error>" % code).encode())

    def read_body(self, what):
        """The body, or None: the fault WHAT has ended the request."""
        length, body = int(self.headers["Content-Length"]), b""
        while len(body) < length:
            part = self.rfile.read(min(FIRST, length - len(body)))
            if not part:
                raise ConnectionError
            body += part
            if what == "reset":
                self.note(fault=what)
                self.reset()
                return None
            if what == "half":
                self.note(fault=what)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return None
            if what == "slow" and len(body) < length:
                self.note(fault=what, waits=True)
                while not os.path.exists(os.path.join(self.root, "go")):
                    time.sleep(0.02)
                what = None
        return body

    def store(self, folder, name, body):
        path = os.path.normpath(os.path.join(self.root, folder, name))
        assert path.startswith(os.path.join(self.root, folder) + os.sep)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = "%s.%d.tmp" % (path, threading.get_ident())
        with open(temporary, "wb") as file:
            file.write(body)
        os.rename(temporary, path)

    def judge(self, body):
        """An S3 service's bucket is "bucket"; below /put/ anyone may write who has the header."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.startswith("/put/") or self.command == "POST":
            wanted = os.environ.get("WANTED_AUTHORIZATION")
            return None if not wanted or headers.get("authorization") == wanted else "AccessDenied"
        if not self.path.startswith("/bucket/"):
            return "NoSuchBucket"
        try:
            sigv4.check(self.command, self.path, headers, body, KEYS, "eu-test-1", datetime.datetime.now(datetime.timezone.utc))
        except sigv4.Refused as refused:
            return str(refused)
        return None

    def post(self, body):
        path, _, query = self.path.partition("?")
        number = sum(len(os.listdir(os.path.join(self.root, kind))) for kind in ("form", "otlp") if os.path.isdir(os.path.join(self.root, kind)))
        if path.endswith("/ingest"):
            head = "Content-Type: %s\r\n\r\n" % self.headers["Content-Type"]
            form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head.encode() + body)
            parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
            for name, part in parts.items():
                self.store("form", "%d/%s" % (number, name), part.get_payload(decode=True))
                self.store("form", "%d/%s.file" % (number, name), (part.get_filename() or "").encode())
            self.store("form", "%d/query" % number, json.dumps(dict(urllib.parse.parse_qsl(query))).encode())
        elif path.endswith("/v1development/profiles") and self.headers["Content-Type"] == "application/x-protobuf":
            import gzip
            self.store("otlp", str(number), gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        else:
            return 404
        return 200

    def handle_request(self):
        what = fault(self.root)
        try:
            body = self.read_body(what)
        except OSError:
            return self.note(cut=True)
        if body is None:
            return None
        if what and what.isdigit():
            self.note(fault=what)
            return self.refuse(int(what), {"503": "SlowDown", "507": "", "403": "AccessDenied"}.get(what, "InternalError")) if what != "413" else self.answer(413)
        if what == "silent":
            self.note(fault=what)
            while not os.path.exists(os.path.join(self.root, "go")):
                time.sleep(0.02)
            return self.reset()
        if what == "echo":
            self.note(fault=what)
            return self.answer(400, str(self.headers).encode())
        if what == "moved":
            self.note(fault=what)
            return self.answer(307, Location="http://127.0.0.1:%d/elsewhere" % self.server.server_address[1])
        if what == "flood":
            self.note(fault=what)
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return None
        wrong = self.judge(body)
        if wrong:
            self.note(refused=wrong)
            return self.refuse(404 if wrong == "NoSuchBucket" else 400 if wrong in ("InvalidToken", "XAmzContentSHA256Mismatch") else 403, wrong)
        status = 200
        if what == "rejected":
            self.note(fault=what)
            return self.answer(200, b"\x0a\x02\x08\x01", Content_Type="application/x-protobuf")
        if self.command == "PUT":
            self.store("store", urllib.parse.unquote(self.path).lstrip("/"), body)
        else:
            status = self.post(body)
        self.note(status=status, bytes=len(body), headers=sorted(name.lower() for name in self.headers), lost=what == "lost")
        if what == "lost":
            return self.reset()
        return self.answer(status)

    do_PUT = do_POST = handle_request


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass  # a client that went away


def main():
    root = os.path.abspath(sys.argv[1])
    Handler.root = root
    sigv4.published_examples()
    server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(os.path.join(root, "port.new"), "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(os.path.join(root, "port.new"), os.path.join(root, "port"))
    server.serve_forever()


main()
