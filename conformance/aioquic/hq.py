"""
Client and server for the hq-interop ALPN (HTTP/0.9 over QUIC) on aioquic, one of the reference peers of conformance/README.md.
It owns the transfers and what a test case asks of an endpoint; networks and checks are conformance/oracles'.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    ProtocolNegotiated,
    StreamDataReceived,
    StreamReset,
)
from aioquic.tls import CipherSuite

ALPN = "hq-interop"
# The handshake and everything after it: nothing may wait for ever, seconds.
CLIENT_LIMIT = 90
# Silence after which a connection is given up, seconds.
IDLE_TIMEOUT = 30
# --small-windows: what the peer may send before it needs more credit, bytes.
SMALL_CONNECTION_WINDOW = 128 * 1024
SMALL_STREAM_WINDOW = 64 * 1024
# Loopback carries more, but the tests want datagrams of an Ethernet.
DATAGRAM_SIZE = 1280


def say(**event) -> None:
    print(json.dumps(event), flush=True)


def configuration(args, is_client: bool) -> QuicConfiguration:
    result = QuicConfiguration(
        is_client=is_client,
        alpn_protocols=[ALPN],
        idle_timeout=IDLE_TIMEOUT,
        max_datagram_size=DATAGRAM_SIZE,
    )
    if args.chacha20:
        result.cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]
    if args.keylog:
        result.secrets_log_file = open(args.keylog, "a", buffering=1)
    return result


class HqServer(QuicConnectionProtocol):
    """Answers each `GET /path` with the bytes of that file."""

    def __init__(self, *args, www: Path, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._www = www
        self._requests: dict[int, bytes] = {}

    def quic_event_received(self, event) -> None:
        if isinstance(event, HandshakeCompleted):
            say(event="connection", alpn=event.alpn_protocol)
        elif isinstance(event, ConnectionTerminated):
            say(event="closed", code=event.error_code, reason=event.reason_phrase)
        elif isinstance(event, StreamDataReceived):
            request = self._requests.get(event.stream_id, b"") + event.data
            if not event.end_stream:
                self._requests[event.stream_id] = request
                return
            self._requests.pop(event.stream_id, None)
            self._quic.send_stream_data(event.stream_id, self._answer(request), end_stream=True)

    def _answer(self, request: bytes) -> bytes:
        words = request.decode("latin-1").split()
        if len(words) != 2 or words[0] != "GET" or not words[1].startswith("/"):
            return b""
        name = words[1][1:]
        if "/" in name or name.startswith("."):
            return b""
        try:
            return (self._www / name).read_bytes()
        except OSError:
            return b""


class HqClient(QuicConnectionProtocol):
    """Downloads files, each over a stream of its own, and does on the way what the test case wants of a client."""

    def __init__(self, *args, downloads: Path, key_update_at: int, migrate_at: int, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._downloads = downloads
        self._key_update_at = key_update_at
        self._migrate_at = migrate_at
        self._files: dict[int, tuple] = {}
        self._failure: asyncio.Future = asyncio.get_running_loop().create_future()
        # Read by nobody when all goes well.
        self._failure.add_done_callback(lambda future: future.exception())
        self.received = 0
        self.is_done = False

    async def download(self, paths: list[str]) -> None:
        """All at once. Raises when the connection or a stream ends early."""
        loop = asyncio.get_running_loop()
        waiting = []
        for path in paths:
            stream_id = self._quic.get_next_available_stream_id()
            finished = loop.create_future()
            self._files[stream_id] = (open(self._downloads / path.lstrip("/"), "wb"), finished)
            self._quic.send_stream_data(stream_id, f"GET {path}\r\n".encode(), end_stream=True)
            waiting.append(finished)
        self.transmit()
        all_files = asyncio.gather(*waiting)
        await asyncio.wait([all_files, self._failure], return_when=asyncio.FIRST_COMPLETED)
        if not all_files.done():
            all_files.cancel()
            await self._failure
        await all_files
        self.is_done = True

    def quic_event_received(self, event) -> None:
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol != ALPN:
            self._fail(f"the ALPN is {event.alpn_protocol}")
        elif isinstance(event, ConnectionTerminated):
            if not self.is_done:
                self._fail(f"closed with {event.error_code}: {event.reason_phrase}")
        elif isinstance(event, StreamReset):
            self._fail(f"stream {event.stream_id} was reset with {event.error_code}")
        elif isinstance(event, StreamDataReceived):
            file, finished = self._files[event.stream_id]
            file.write(event.data)
            self.received += len(event.data)
            if event.end_stream:
                file.close()
                finished.set_result(None)
            self._on_progress()

    def _on_progress(self) -> None:
        if self.received >= self._key_update_at:
            self._key_update_at = sys.maxsize
            self.request_key_update()
        if self.received >= self._migrate_at:
            self._migrate_at = sys.maxsize
            asyncio.get_running_loop().create_task(self._migrate())

    async def _migrate(self) -> None:
        """RFC 9000 §9: from a new socket and, §9.5, to another connection id of the server."""
        loop = asyncio.get_running_loop()
        # connection_made hands the protocol its new transport; the old socket stays open and hears nothing that matters any more.
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.change_connection_id()

    def _fail(self, message: str) -> None:
        if not self._failure.done():
            self._failure.set_exception(RuntimeError(message))


async def connect_and_download(args, paths: list[str]) -> None:
    loop = asyncio.get_running_loop()
    config = configuration(args, is_client=True)
    config.server_name = args.server_name
    config.load_verify_locations(cafile=args.ca)
    if args.small_windows:
        config.max_data = SMALL_CONNECTION_WINDOW
        config.max_stream_data = SMALL_STREAM_WINDOW
    host, port = args.connect.rsplit(":", 1)
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: HqClient(
            QuicConnection(configuration=config),
            downloads=Path(args.downloads),
            key_update_at=args.key_update_at or sys.maxsize,
            migrate_at=args.migrate_at or sys.maxsize,
        ),
        local_addr=("127.0.0.1", 0),
    )
    try:
        protocol.connect((host, int(port)))
        await protocol.wait_connected()
        await protocol.download(paths)
    finally:
        protocol.close()
        transport.close()


async def run_client(args) -> int:
    begin = time.monotonic()
    if args.parallel == 0:
        await connect_and_download(args, args.paths)
    else:
        room = asyncio.Semaphore(args.parallel)

        async def one(path: str) -> None:
            async with room:
                await connect_and_download(args, [path])

        await asyncio.gather(*(one(path) for path in args.paths))
    say(event="done", ms=round((time.monotonic() - begin) * 1000))
    return 0


async def run_server(args) -> int:
    config = configuration(args, is_client=False)
    config.load_cert_chain(args.cert, args.key)
    host, port = args.bind.rsplit(":", 1)
    server = await serve(
        host,
        int(port),
        configuration=config,
        create_protocol=lambda *a, **k: HqServer(*a, www=Path(args.www), **k),
        retry=args.retry,
    )
    bound = server._transport.get_extra_info("sockname")
    say(event="listening", address=f"{bound[0]}:{bound[1]}")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    server.close()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    roles = parser.add_subparsers(dest="role", required=True)
    server = roles.add_parser("server")
    server.add_argument("--bind", default="127.0.0.1:0")
    server.add_argument("--www", required=True)
    server.add_argument("--cert", required=True)
    server.add_argument("--key", required=True)
    server.add_argument("--retry", action="store_true")
    client = roles.add_parser("client")
    client.add_argument("--connect", required=True)
    client.add_argument("--server-name", default="localhost")
    client.add_argument("--ca", required=True)
    client.add_argument("--downloads", required=True)
    client.add_argument("--small-windows", action="store_true")
    client.add_argument("--parallel", type=int, default=0, help="a connection for each file, so many at once; 0: one for all")
    client.add_argument("--key-update-at", type=int, default=0, help="after so many received bytes")
    client.add_argument("--migrate-at", type=int, default=0, help="after so many received bytes")
    client.add_argument("paths", nargs="+")
    for role in (server, client):
        role.add_argument("--chacha20", action="store_true")
        role.add_argument("--keylog")
    args = parser.parse_args()
    if args.role == "server":
        return asyncio.run(run_server(args))
    try:
        return asyncio.run(asyncio.wait_for(run_client(args), CLIENT_LIMIT))
    except Exception as error:
        say(event="error", message=f"{type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
