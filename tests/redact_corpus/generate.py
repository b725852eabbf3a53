#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Log lines with marked secrets, and look-alikes, for tests/unit/test_redact_corpus.c. Deterministic.

A secret is marked by its detector: `card <<card|4111 1111 1111 1111>> declined`. Lines without a mark hold
nothing that must go. Secrets are made here and never stand in the tree, so that nobody's scanner takes it
for a leak."""

import base64
import json
import random
import string
import urllib.parse

rng = random.Random(20261121)
DIGITS, LOWER, UPPER = string.digits, string.ascii_lowercase, string.ascii_uppercase
ALNUM = DIGITS + LOWER + UPPER
HEX = DIGITS + "abcdef"


def some(alphabet, least, most=None):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(least, most or least)))


def mark(kind, secret):
    return f"<<{kind}|{secret}>>"


# ---- secrets -------------------------------------------------------------------------------------


def luhn(digits):
    total = 0
    for i, d in enumerate(reversed(digits + "0")):
        v = int(d) * (1 + i % 2)
        total += v - 9 if v > 9 else v
    return digits + str(-total % 10)


def card():
    prefix, n = rng.choice([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16),
                            ("65", 16), ("36", 14), ("3528", 16), ("62", 16), ("2200", 16), ("6759", 16), ("9792", 16)])
    digits = luhn(prefix + some(DIGITS, n - 1 - len(prefix)))
    gap = rng.choice(["", "", " ", "-"])
    if n == 15 and gap:
        return gap.join([digits[:4], digits[4:10], digits[10:]])
    return gap.join(digits[i:i + 4] for i in range(0, n, 4)) if gap and n == 16 else digits


def email():
    return (rng.choice(["bob", "anna.meier", "j.o'neil", "x_y", "sales+eu", "o.k-99", "müller"]) + "@" +
            rng.choice(["example.com", "mail.example.co.uk", "x-y.example.org", "sub.example.io", "example.museum"]))


def ipv4():
    return ".".join(str(rng.randint(a, 255)) for a in (1, 0, 0, 1))


def ipv6():
    groups = [f"{rng.randint(1, 0xffff):x}" for _ in range(8)]
    return rng.choice(["2001:db8::" + groups[0], "fe80::" + ":".join(groups[:4]), ":".join(groups), "::ffff:10.1.2.3"])


def mac():
    return rng.choice([":", "-"]).join(f"{rng.randint(0, 255):02x}" for _ in range(6))


def b64(n):
    return base64.b64encode(bytes(rng.randrange(256) for _ in range(n))).decode()


def b64url(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def jwt():
    return ".".join([b64url('{"alg":"HS256","typ":"JWT"}'), b64url(json.dumps({"sub": some(DIGITS, 6), "iat": 1516239022})),
                     some(ALNUM + "-_", 43)])


def iban():
    country, body = rng.choice([("DE", some(DIGITS, 18)), ("GB", "WEST" + some(DIGITS, 14)), ("NL", "ABNA" + some(DIGITS, 10)),
                                ("FR", some(DIGITS, 23)), ("ES", some(DIGITS, 20)), ("CH", some(DIGITS, 17)), ("NO", some(DIGITS, 11))])
    n = int("".join(str(int(c, 36)) for c in body + country + "00"))
    text = f"{country}{98 - n % 97:02d}{body}"
    return text if rng.random() < 0.5 else " ".join(text[i:i + 4] for i in range(0, len(text), 4))


TOKENS = {
    "aws": lambda: rng.choice(["AKIA", "ASIA"]) + some(UPPER + "234567", 16),
    "gcp": lambda: rng.choice([lambda: "AIza" + some(ALNUM + "-_", 35), lambda: "ya29." + some(ALNUM + "-_", 40),
                               lambda: "GOCSPX-" + some(ALNUM + "-_", 28)])(),
    "azure": lambda: some(ALNUM, 3) + "8Q~" + some(ALNUM + "_~.-", 31, 33) + "x",
    "github": lambda: rng.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + some(ALNUM, 36),
    "gitlab": lambda: rng.choice(["glpat-", "gldt-", "glrt-", "glptt-"]) + some(ALNUM + "-_", 20),
    "slack": lambda: rng.choice([lambda: "xoxb-" + some(DIGITS, 11) + "-" + some(ALNUM, 24),
                                 lambda: "xapp-1-A" + some(ALNUM, 40)])(),
    "stripe": lambda: rng.choice(["sk_live_", "rk_live_", "sk_test_"]) + some(ALNUM, 24, 40),
    "saas": lambda: rng.choice([
        lambda: "npm_" + some(ALNUM, 36), lambda: "pypi-" + some(ALNUM + "-_", 60), lambda: "SG." + some(ALNUM, 22) + "." + some(ALNUM, 43),
        lambda: "dop_v1_" + some(HEX, 64), lambda: "shpat_" + some(HEX, 32), lambda: "sk-proj-" + some(ALNUM, 48),
        lambda: "sk-ant-" + some(ALNUM, 90), lambda: "hf_" + some(LOWER + UPPER, 34), lambda: "glsa_" + some(ALNUM, 32) + "_" + some(HEX, 8),
        lambda: "hvs." + some(ALNUM, 30), lambda: "dp.pt." + some(ALNUM, 43), lambda: "ATATT3" + some(ALNUM, 120)])(),
}

KEYS = ["password", "db_password", "userPassword", "PGPASSWORD", "passwd", "pwd", "bindpw", "passphrase", "db_pass", "client_secret",
        "SECRET", "access_token", "refreshToken", "x-csrf-token", "api_key", "apiKey", "x-api-key", "aws_secret_access_key", "private-key",
        "signing_key", "encryptionKey", "credentials", "wpa_psk", "cvv", "otp"]
WORDS = ["hunter", "letmein", "Sommer", "correcthorse"]


def value():
    """What people and machines use as secrets; the first letter is none of a file or an option."""
    return rng.choice([
        lambda: some(ALNUM, 8, 24), lambda: some(ALNUM, 1) + some(ALNUM + "!#%*_-.:/+@", 8, 20) + some(ALNUM, 1),
        lambda: rng.choice(WORDS) + some(DIGITS, 1, 4), lambda: some(HEX, 32), lambda: b64(24), lambda: some(DIGITS, 6, 8)])()


def person_value(key):
    """A word, where keys of passwords stand."""
    return rng.choice(WORDS) if "pass" in key.lower() and rng.random() < 0.2 else value()


def pairs():
    key = rng.choice(KEYS)
    v = person_value(key)
    m = mark("key_value", v)
    return rng.choice([
        lambda: f"{key}={m}", lambda: f"{key}={m} user=bob", lambda: f'{key}="{mark("key_value", v + " x y")}" next=1', lambda: f"{key}: {mark('key_value', v + '7Q')}",
        lambda: f"'{key}': '{m}'", lambda: f'"{key}":"{m}"', lambda: f'"{key}" : "{m}", "n": 1', lambda: f"{key} = {m}", lambda: f"{key} => '{m}'",
        lambda: f"--{key.replace('_', '-')} {mark('key_value', v + '8')} --verbose", lambda: f"--{key}={m}", lambda: f"-D{key}={m} -jar x.jar",
        lambda: f"export {key.upper()}={m}", lambda: f"/login?user=bob&{key}={mark('key_value', some(ALNUM, 9))}&next=/", lambda: f"user[{key}]={m}", lambda: f"<{key}={m}>",
        lambda: f"cfg({key}={m}, port=80)", lambda: f"{{{key}={m}}}", lambda: f"Authorization: {mark('key_value', 'Token ' + some(ALNUM, 30))}",
        lambda: f"proxy-authorization: {mark('key_value', 'Basic ' + b64(15))}"])()


def command():
    v = some(ALNUM, 1) + some(ALNUM + "!%_.", 6, 14)
    m = mark("command_line", v)
    return rng.choice([
        f"mysql -h db -u root -p{m} shop", f"mysqldump --all-databases -uroot -p{m}", f"sshpass -p {m} ssh root@h1", f"mongosh --host h -u a -p {m}",
        f"docker login -u ci -p {m} registry.example", f"curl -s -u ci:{m} https://h/x", f"redis-cli -h h -a {m} info", f"ldapsearch -x -D cn=x -w {m} -b dc=x",
        f"keytool -list -storepass {m} -keystore k", f"openssl rsa -in k.pem -passin pass:{m}", f"java Tool -password {m} -v"])


def nationals():
    """Valid numbers by country."""
    def digits(n):
        return some(DIGITS, n)

    def de():
        while True:
            d = rng.choice("123456789") + digits(9)
            count = sorted((d.count(c) for c in DIGITS), reverse=True)
            if not (count[0] in (2, 3) and count[1] == 1):
                continue
            p = 10
            for c in d:
                s = (int(c) + p) % 10 or 10
                p = s * 2 % 11
            return d + str((11 - p) % 10)

    def fr():
        d = rng.choice("12") + digits(2) + f"{rng.randint(1, 12):02d}" + f"{rng.randint(1, 95):02d}" + digits(6)
        return d + f"{97 - int(d) % 97:02d}"

    def it():
        odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
        d = some("BCDFGLMNPRST", 6) + digits(2) + rng.choice("ABCDEHLMPRST") + f"{rng.randint(1, 31):02d}" + rng.choice("ABCDEFGHIL") + digits(3)
        n = sum((odd if i % 2 == 0 else range(26))[int(c) if c in DIGITS else ord(c) - 65] for i, c in enumerate(d))
        return d + chr(65 + n % 26)

    def nl():
        while True:
            d = digits(8)
            check = sum(int(c) * (9 - i) for i, c in enumerate(d)) % 11
            if check < 10 and int(d):
                return d + str(check)

    def born(short=True):
        return f"{rng.randint(50, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"

    def be():
        d = born() + digits(3)
        return f"{d[:2]}.{d[2:4]}.{d[4:6]}-{d[6:]}.{97 - int(d) % 97:02d}"

    def pl():
        d = born() + digits(4)
        return d + str(-sum(int(c) * w for c, w in zip(d, [1, 3, 7, 9] * 3)) % 10)

    def ch():
        d = "756" + digits(9)
        d += str(-sum(int(c) * (1 + 2 * (i % 2)) for i, c in enumerate(d)) % 10)
        return f"{d[:3]}.{d[3:7]}.{d[7:11]}.{d[11:]}"

    def br():
        d = digits(9)
        for n in (9, 10):
            d += str(sum(int(c) * (n + 1 - i) for i, c in enumerate(d)) * 10 % 11 % 10)
        return f"{d[:3]}.{d[3:6]}.{d[6:9]}-{d[9:]}"

    def aadhaar():
        mul = lambda a, b: (a + b) % 5 + (0 if b < 5 else 5) if a < 5 else ((a - b) % 5 + 5 if b < 5 else (a - b) % 5)
        first = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
        perms = [list(range(10))]
        for _ in range(7):
            perms.append([first[p] for p in perms[-1]])
        d = rng.choice("23456789") + digits(10)
        for last in DIGITS:
            c = 0
            for i, x in enumerate(reversed(d + last)):
                c = mul(c, perms[i % 8][int(x)])
            if c == 0:
                return f"{d[:4]} {d[4:8]} {d[8:]}{last}"

    def ca():
        d = luhn(rng.choice("1234567") + digits(7))
        return f"{d[:3]} {d[3:6]} {d[6:]}"

    n = rng.randint(0, 99999999)
    return {
        "us_ssn": f"{rng.randint(100, 665):03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}",
        "uk_nino": some("ABCEHJ", 1) + some("ABCEHJKLM", 1) + digits(6) + some("ABCD", 1),
        "de_steuer_id": de(), "fr_nir": fr(), "es_dni": f"{n:08d}" + "TRWAGMYFPDXBNJZSQVHLCKE"[n % 23], "it_codice_fiscale": it(),
        "nl_bsn": nl(), "be_rijksregister": be(), "pl_pesel": pl(), "se_personnummer": (lambda b: b[:6] + "-" + b[6:])(luhn(born() + digits(3))),
        "ch_ahv": ch(), "br_cpf": br(), "in_aadhaar": aadhaar(), "ca_sin": ca()}


# ---- messages with a secret ------------------------------------------------------------------------


def around(kind, secret, befores):
    return rng.choice(befores) + mark(kind, secret) + rng.choice(["", " ok", ", next", ". Done", ") end", ";"])


def messages():
    """(kind, a message with its marks, may be percent-encoded)"""
    for _ in range(12):
        yield "card", around("card", card(), ["card ", "pan=", "charged (", "number:", "paid with "]), False
        yield "email", around("email", email(), ["mail to ", "user=", "<", "from:", "rcpt ", "(login "]), True
        yield "ipv4", around("ipv4", ipv4(), ["peer ", "from ", "addr=", "(", "client:", "host1/", "//"]), False
        yield "ipv6", around("ipv6", ipv6(), ["peer ", "from [", "addr="]), False
        yield "mac", around("mac", mac(), ["lladdr ", "hw=", "("]), False
        yield "iban", around("iban", iban(), ["to ", "iban=", "account: "]), False
        yield "jwt", around("jwt", jwt(), ["session ", "jwt=", "(", "id "]), False
        yield "bearer", rng.choice(["", "Authorization: "]) + "Bearer " + mark("bearer", some(ALNUM + "-._~+/", 20, 60) + "a1"), False
        yield "basic", "> Basic " + mark("basic", b64(rng.randint(9, 30))), False
        yield "url_password", rng.choice(["dsn ", "connect ", "remote="]) + rng.choice(["postgres", "amqp", "redis", "https", "mongodb+srv"]) + \
            "://" + rng.choice(["bob", "app-1", ""]) + ":" + mark("url_password", some(ALNUM + "!$%_-", 6, 16)) + "@db1:5432/x?y=1", False
        for kind, make in TOKENS.items():
            yield kind, around(kind, make(), ["key ", "using ", "id=", "(", "found "]), False
        yield "azure", "AccountName=x;AccountKey=" + mark("azure", b64(64)) + ";EndpointSuffix=core", False
        yield "slack", "POST https://hooks.slack.com/services/" + mark("slack", "T" + some(ALNUM, 8) + "/B" + some(ALNUM, 8) + "/" + some(ALNUM, 24)), False
        yield "private_key", "key -----BEGIN RSA PRIVATE KEY-----".replace("key -", "key " + "<<private_key|-") + b64(60) + "-----END RSA PRIVATE KEY----->>", False
        yield "command_line", "COMMAND=" + command(), False
        for _ in range(8):
            yield "key_value", pairs(), False
        yield "key_value", f"{rng.choice(KEYS)}={mark('key_value', some(ALNUM, 8, 20))}&x=1", True
        yield "key_value", f'{{"{rng.choice(KEYS)}":"{mark("key_value", some(ALNUM + "!", 8, 20))}"}}', True
        for kind, number in nationals().items():
            yield kind, around(kind, number, ["id ", "number ", "(", "customer: "]), False


# ---- look-alikes -----------------------------------------------------------------------------------


def uuid():
    return "-".join(some(HEX, n) for n in (8, 4, 4, 4, 12))


def bad_card():
    digits = luhn("4" + some(DIGITS, 14))
    return digits[:-1] + str((int(digits[-1]) + rng.randint(1, 9)) % 10)


def look_alikes():
    for _ in range(14):
        yield f"request {uuid()} took {rng.randint(1, 999)} ms"
        yield f"commit {some(HEX, 40)} by bob"
        yield f"at {rng.randint(10**12, 2 * 10**12)} and {rng.randint(10**18, 2 * 10**18)}"
        yield f"order {bad_card()} shipped, tracking 00340{some(DIGITS, 15)}"
        yield f"version {rng.randint(1, 9)}.{rng.randint(0, 99)}.{rng.randint(0, 9)}.{rng.randint(0, 99)} of libfoo, v1.2.3.{rng.randint(0, 9)}"
        yield f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{rng.randint(90, 130)}.0.{rng.randint(0, 9)}.{rng.randint(0, 255)} Safari/537.36"
        yield f"oid 1.3.6.1.4.1.{rng.randint(1, 60000)} at 12:{rng.randint(10, 59)}:{rng.randint(10, 59)}"
        yield f"Started user@{rng.randint(0, 9999)}.service - session-{rng.randint(1, 99)}.scope of user root"
        yield f"GET /static/logo@2x.png and /@scope/pkg@{rng.randint(1, 20)}.2.3/index.js"
        yield f"ssh root@web{rng.randint(1, 9)} 'uptime', module example/x@v1.{rng.randint(0, 9)}.3"
        yield f"<img src=\"data:image/png;base64,iVBORw0KGgo{b64(60)}\">"
        yield "0000000 " + " ".join(some(HEX, 4) for _ in range(8)) + "  |................|"
        yield "fingerprint " + ":".join(some(HEX, 2).upper() for _ in range(20))
        yield f"sha256:{some(HEX, 64)} pulled, etag \"{some(HEX, 32)}\""
        yield f"std::vector<a::b> at {some(HEX, 4)}:{some(HEX, 4)}, ratio 1:{rng.randint(2, 9)}"
        yield f"phone +49 30 {some(DIGITS, 3)} {some(DIGITS, 4)}, room {rng.randint(1, 99)}-{rng.randint(1, 99)}"
        yield rng.choice(["unexpected token: identifier", "syntax error near token: unexpected end of input", "invalid password: must have 8 characters",
                          "password: required", "token: expired", "Authorization: required", "authorization: denied for role x",
                          "error: secret: not found", "the secret: is missing", "credentials: invalid", "reset password for bob", "token expired",
                          "tokens: 1532, max_tokens=4096", "usage: --password is required", "flag --token needs a value", "pass: 12 fail: 3",
                          "cookie=yes consent", "passthrough=on bypass=off compass=3", "author: bob", "key=value keys: 3", "monkey: 1 turkey=2"])
        yield rng.choice(["password=********", "password=<redacted:key_value>", 'token="[FILTERED]"', "secret=***", "--token <token>", "pwd=${DB_PASSWORD}",
                          "api_key=null", '"password":null', "password=", 'token=""', "sudo: bob : PWD=/home/bob ; USER=root ; COMMAND=/bin/ls"])
        yield rng.choice(["bearer of bad news", "Basic authentication failed", "Bearer token required", "basic 10", '"token_type":"Bearer"'])
        yield f"https://h{rng.randint(1, 9)}:8443/a:b@c?x=1 and http://bob@h/x"
        yield f"-----BEGIN CERTIFICATE-----{b64(40)}-----END CERTIFICATE-----"
        yield f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{some(ALNUM, 43)} laptop"
        yield rng.choice(["AKIA short", "eyJ nothing", "ghp_short", "pk_live_" + some(ALNUM, 24), "task-sk-is-no-key", "xoxo love", "SG.x.y"])
        yield f"DE{some(DIGITS, 1)}0 not an account; AB12 {some(DIGITS, 4)} x; zone eu-west-{rng.randint(1, 3)}a"
        yield f"docker run -p {rng.randint(1000, 9999)}:80 -d x; mkdir -p /a/b; cp -p a b; ssh -p 22 h; mysql -p -u bob"
        yield f"level=info ts=2026-11-21T10:{rng.randint(10, 59)}:00.{some(DIGITS, 6)}Z caller=x.go:{rng.randint(1, 999)} msg=\"done\" n={rng.randint(0, 10**9)}"
        yield f"took={rng.randint(1, 99)}.{some(DIGITS, 6)}s bytes={rng.randint(1, 10**9)} id=s{some(DIGITS, 3)}n{some(DIGITS, 10)} ratio=0.{some(DIGITS, 16)}"
        yield f"pod web-{some(HEX, 10)}-{some(LOWER + DIGITS, 5)} in ns-{rng.randint(1, 9)} node ip-10-1-{rng.randint(0, 255)}-7"


# ---- shapes of lines -------------------------------------------------------------------------------


def segments(text):
    """(text, kind or None) one after the other."""
    while "<<" in text and "|" in text:
        at = text.find("<<")
        end = text.find(">>", at)
        kind, bar, secret = text[at + 2:end].partition("|")
        if end < 0 or not bar:
            break
        yield text[:at], None
        yield secret, kind
        text = text[end + 2:]
    yield text, None


def through(encode, text):
    return "".join(mark(kind, encode(part)) if kind else encode(part) for part, kind in segments(text))


def json_text(text):
    return json.dumps(text, ensure_ascii=False)[1:-1]


def shapes(m):
    stamp = f"2026-11-21 10:{rng.randint(10, 59)}:{rng.randint(10, 59)},{some(DIGITS, 3)}"
    j = through(json_text, m)
    yield f"{stamp} INFO [main] com.example.App - {m}"
    yield f'{{"ts":"{stamp}","level":"info","msg":"{j}","n":{rng.randint(1, 99)}}}'
    yield f'{{"log":"{through(json_text, chr(123) + chr(34) + "msg" + chr(34) + ":" + chr(34) + j + chr(34) + chr(125))}\\n","stream":"stdout"}}'
    yield f'ts={stamp[11:19]} level=warn msg="{j}" caller=a.go:7'
    yield f"E1121 10:00:00.{some(DIGITS, 6)}       1 server.go:{rng.randint(1, 999)}] {m}"
    yield f"Caused by: java.lang.IllegalStateException: {m}"
    yield m


def main():
    n = 0
    for kind, m, may_encode in messages():
        all_shapes = list(shapes(m))
        for shape in all_shapes if kind not in nationals() else all_shapes[:2]:
            print(shape)
            n += 1
        if may_encode:
            encode = urllib.parse.quote if rng.random() < 0.5 else urllib.parse.quote_plus
            print(f'"GET /search?q={through(lambda t: encode(t, safe=""), m)} HTTP/1.1" 200 {n} "-" "x"')
    for m in look_alikes():
        for shape in rng.sample(list(shapes(m)), 3):
            print(shape)


main()
