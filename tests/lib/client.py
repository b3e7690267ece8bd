"""gRPC calls to a hub with a principal's certificate, by Debian's grpcio: a client that shares no code with ours."""
import collections

import grpc

import stubs
from hub import SLOWNESS

# What a test that says nothing else waits for: an answer, and a stream's end.
CALL_S, STREAM_S = 10 * SLOWNESS, 60 * SLOWNESS

# response: the message, or a list of them for a server stream (what came before the status, if it failed).
# fields: the names in BadRequest details, in order. details: every decoded detail message.
Outcome = collections.namedtuple("Outcome", "code message fields details response")


def decode_status(error_or_call):
    """(fields, details) from the grpc-status-details-bin trailer; code and message in it must agree with the call's."""
    trailers = dict(error_or_call.trailing_metadata() or ())
    octets = trailers.get("grpc-status-details-bin")
    if octets is None:
        return [], []
    known = stubs.status_messages()
    status = known["google.rpc.Status"].FromString(octets)
    assert status.code == error_or_call.code().value[0], "grpc-status and the code in the details differ"
    assert status.message == error_or_call.details(), "grpc-message and the message in the details differ"
    details, fields = [], []
    for each in status.details:
        name = each.type_url.rpartition("/")[2]
        try:
            decoded = known[name].FromString(each.value)
        except KeyError:
            decoded = stubs.load()[name].FromString(each.value)
        details.append(decoded)
        fields += [violation.field for violation in getattr(decoded, "field_violations", ())]
    return fields, details


class Client:
    def __init__(self, port, principal, root, host="127.0.0.1", name="localhost", options=()):
        with open(root, "rb") as ca, open(principal.key, "rb") as key, open(principal.cert, "rb") as cert:
            credentials = grpc.ssl_channel_credentials(ca.read(), key.read(), cert.read())
        self.messages = stubs.load()
        # A subchannel pool of its own: else channels with the same certificate share one connection.
        self.channel = grpc.secure_channel(f"{host}:{port}", credentials, options=[
            ("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", 64 << 20), ("grpc.enable_retries", 0), *options])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.channel.close()

    def stub(self, method):
        """grpcio's callable of a method, for tests that need the call object itself."""
        path, request, response, streams_in, streams_out = self.messages.method(method)
        kind = ("stream_" if streams_in else "unary_") + ("stream" if streams_out else "unary")
        return getattr(self.channel, kind)(path, request.SerializeToString, response.FromString)

    def raw_stub(self, path, kind="unary_unary"):
        """A callable that sends and gives octets as they are, to any path."""
        return getattr(self.channel, kind)(path, bytes, bytes)

    def request(self, method, **fields):
        return self.messages.method(method)[1](**fields)

    def call(self, method, request=None, timeout=CALL_S, metadata=None, **fields):
        """A message or an iterable of messages in (or the request's fields as keywords); the response, or the list
        of responses, out. grpc.RpcError if refused."""
        streams_in, streams_out = self.messages.method(method)[3:]
        if request is None and not streams_in:
            request = self.request(method, **fields)
        sent = iter(request) if streams_in else request
        answer = self.stub(method)(sent, timeout=timeout, metadata=metadata, wait_for_ready=False)
        return list(answer) if streams_out else answer

    def stream(self, method, request, timeout=STREAM_S, metadata=None):
        """The live call of a server-streaming or bidirectional method: iterate it, cancel it."""
        streams_in = self.messages.method(method)[3]
        return self.stub(method)(iter(request) if streams_in else request, timeout=timeout, metadata=metadata)

    def outcome(self, method, request=None, timeout=10, metadata=None, **fields):
        """As call(), but every end is an Outcome; code is a grpc.StatusCode."""
        streams_in, streams_out = self.messages.method(method)[3:]
        if request is None and not streams_in:
            request = self.request(method, **fields)
        if streams_out:
            answer, got = self.stream(method, request, timeout, metadata), []
            try:
                got.extend(answer)
            except grpc.RpcError as error:
                return Outcome(error.code(), error.details(), *decode_status(error), got)
            return Outcome(grpc.StatusCode.OK, "", [], [], got)
        return self.unary_outcome(self.stub(method), iter(request) if streams_in else request, timeout, metadata)

    def raw_outcome(self, path, octets, timeout=CALL_S, metadata=None):
        """Octets that need be no message, to a path that need not exist."""
        return self.unary_outcome(self.raw_stub(path), octets, timeout, metadata)

    @staticmethod
    def unary_outcome(stub, request, timeout, metadata):
        try:
            response = stub(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            return Outcome(error.code(), error.details(), *decode_status(error), None)
        return Outcome(grpc.StatusCode.OK, "", [], [], response)
