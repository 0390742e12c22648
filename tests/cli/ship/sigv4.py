"""SigV4 as AWS documents it for S3 ("Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk"),
for the server of tests/cli/ship.sh; nothing of it comes from what it checks. `python3 sigv4.py` checks it against AWS's published examples."""
import hashlib
import hmac
import re
import sys
import urllib.parse

EMPTY = hashlib.sha256(b"").hexdigest()


def encode(text):
    """UriEncode: all but the unreserved characters, upper case."""
    return urllib.parse.quote(text, safe="-._~")


def canonical_request(method, path, query, headers, signed, payload):
    """PATH as it came over the wire: S3 decodes it, and encodes each part once."""
    uri = "/".join(encode(urllib.parse.unquote_to_bytes(part)) for part in path.split("/"))
    pairs = sorted((encode(k), encode(v)) for k, v in urllib.parse.parse_qsl(query, keep_blank_values=True))
    lines = "".join("%s:%s\n" % (name, re.sub(" +", " ", headers[name].strip())) for name in signed)
    return "\n".join([method, uri, "&".join("%s=%s" % pair for pair in pairs), lines, ";".join(signed), payload])


def signature(secret, date, scope, request):
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/") + [to_sign]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class Refused(Exception):
    """Its text is the name of S3's error."""


def check(method, target, headers, body, keys, region, now):
    """Raise Refused unless the request is signed with one of KEYS: {id: (secret, session token or None)}. HEADERS: lower-case names."""
    match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
                         headers.get("authorization", ""))
    if not match:
        raise Refused("AccessDenied")
    key, day, asked_region, names, given = match.groups()
    if key not in keys:
        raise Refused("InvalidAccessKeyId")
    secret, token = keys[key]
    if headers.get("x-amz-security-token") != token:
        raise Refused("InvalidToken")
    date = headers.get("x-amz-date", "")
    if not re.fullmatch(r"\d{8}T\d{6}Z", date) or date[:8] != day:
        raise Refused("AccessDenied")
    if abs((now - parse(date)).total_seconds()) > 900:
        raise Refused("RequestTimeTooSkewed")
    if asked_region != region:
        raise Refused("AuthorizationHeaderMalformed")
    signed = names.split(";")
    if signed != sorted(signed) or any(name not in headers for name in signed):
        raise Refused("SignatureDoesNotMatch")
    if any(name not in signed for name in headers if name == "host" or name.startswith("x-amz-")):
        raise Refused("AccessDenied")  # "There were headers present in the request which were not signed"
    payload = headers.get("x-amz-content-sha256", "")
    if not re.fullmatch("[0-9a-f]{64}", payload):
        raise Refused("InvalidRequest")
    path, _, query = target.partition("?")
    scope = "%s/%s/s3/aws4_request" % (day, region)
    if not hmac.compare_digest(signature(secret, date, scope, canonical_request(method, path, query, headers, signed, payload)), given):
        raise Refused("SignatureDoesNotMatch")
    if body is not None and hashlib.sha256(body).hexdigest() != payload:
        raise Refused("XAmzContentSHA256Mismatch")


def parse(date):
    import datetime
    return datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)


def published_examples():
    """AWS's own: GET Object with a range, PUT Object, GET Bucket lifecycle, List Objects."""
    secret, date, scope = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"
    welcome = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    base = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": date}
    for method, path, query, more, payload, wanted in [
        ("GET", "/test.txt", "", {"range": "bytes=0-9"}, EMPTY, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("PUT", "/test%24file.text", "", {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}, welcome,
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ("GET", "/", "lifecycle=", {}, EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/", "max-keys=2&prefix=J", {}, EMPTY, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]:
        headers = {**base, **more, "x-amz-content-sha256": payload}
        got = signature(secret, date, scope, canonical_request(method, path, query, headers, sorted(headers), payload))
        if got != wanted:
            sys.exit("%s %s: %s, not %s" % (method, path, got, wanted))


if __name__ == "__main__":
    published_examples()
