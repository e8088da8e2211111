"""A made-up heap profile of as many stacks as are wanted, as gzipped profile.proto: as deep as those of a service on tokio
and axum, with names as long, and with the two fields of our own. The same number gives the same profile."""

import gzip
import random

# A stack begins with these, as every request's does.
OUTER = [
    ("std::thread::Builder::spawn_unchecked_", 4), ("core::ops::function::FnOnce::call_once{{vtable.shim}}", 4),
    ("tokio::runtime::blocking::pool::Inner::run", 3), ("tokio::runtime::task::core::Core<T,S>::poll", 3),
    ("tokio::runtime::scheduler::multi_thread::worker::Context::run_task", 3),
    ("hyper::proto::h1::dispatch::Dispatcher<D,Bs,I,T>::poll_catch", 2), ("hyper_util::service::oneshot::Oneshot<S,R>::poll", 2),
    ("tower::util::oneshot::Oneshot<S,Req> as core::future::future::Future>::poll", 2),
    ("axum::routing::route::Route<E>::oneshot_inner", 2), ("<axum::handler::future::IntoServiceFuture<F> as Future>::poll", 2),
]
TYPES = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]
FUNCTIONS = 3000


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def packed(field, values):
    return block(field, b"".join(varint(value) for value in values))


class Strings(dict):
    def __missing__(self, text):
        self[text] = len(self)
        return self[text]


def functions():
    """(name, short name, file, owner): the outer ones, then own code and dependencies."""
    chance = random.Random(7)
    words = "order cart price stock user session batch index cache query page item rate tax route label".split()
    verbs = "load store merge parse find update collect insert render encode sort prune".split()
    made = [(name, name.split("::")[-1], "/root/.cargo/registry/src/x/y-1.0.0/src/lib.rs", owner) for name, owner in OUTER]
    while len(made) < FUNCTIONS:
        first, second, verb = chance.choice(words), chance.choice(words), chance.choice(verbs)
        number_ = chance.randrange(1000)
        own = chance.random() < 0.4
        krate = "shop" if own else chance.choice(["serde_json", "sqlx_core", "hyper", "moka", "bytes"])
        name = f"{krate}::{first}::{second.title()}{number_}<T>::{verb}"
        file = f"/builds/shop/src/{first}.rs" if own else f"/root/.cargo/registry/src/x/{krate}-1.2.3/src/{first}.rs"
        made.append((name, f"{second.title()}{number_}::{verb}", file, 1 if own else 2))
    return made


def profile(stacks):
    chance = random.Random(stacks)
    strings = Strings()
    strings[""]
    known = functions()
    out = [block(1, number(1, strings[name]) + number(2, strings[unit])) for name, unit in TYPES]
    seen = set()
    # Half of a stack is shared with others, as in a service with some hundred ways through it.
    ways = [[chance.randrange(len(OUTER), FUNCTIONS) for _ in range(chance.randrange(8, 20))] for _ in range(300)]
    while len(seen) < stacks:
        way = chance.choice(ways)
        rest = [chance.randrange(len(OUTER), FUNCTIONS) for _ in range(chance.randrange(3, 14))]
        path = (*range(len(OUTER)), *way[: chance.randrange(4, len(way))], *rest)
        if path in seen:
            continue
        seen.add(path)
        objects = 1 + int(chance.paretovariate(1.1))
        values = [objects * 9, objects * 9 * 4096, objects, objects * 4096]
        label = number(1, strings["route"]) + number(2, strings[f"/api/{chance.randrange(40)}"])
        out.append(block(2, packed(1, [index + 1 for index in reversed(path)]) + packed(2, values) + block(3, label)))
    for index, (name, short, file, owner) in enumerate(known, 1):
        line = number(1, index) + number(2, index % 900 + 1)
        out.append(block(4, number(1, index) + number(3, 0x1000 + index * 16) + block(4, line)))
        body = number(1, index) + number(2, strings[name]) + number(4, strings[file])
        out.append(block(5, body + number(100, owner) + number(101, strings[short])))
    out.append(packed(13, [strings["made up"], strings["losses: nothing known to be lost"]]))
    out.append(number(14, strings["inuse_space"]) + number(9, 1_700_000_000_000_000_000))
    out.extend(block(6, text.encode()) for text in strings)
    return gzip.compress(b"".join(out), 6)
