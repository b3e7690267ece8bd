"""A hub that says what a test makes up: a gRPC server of Debian's grpcio with a hub's certificate.

    hub = SaidHub(federation, ("AgencyService/ListHolds", ...))
    hub.answers["AgencyService/ListHolds"] = [message, ...]        a message, a list for a stream, or a function of the
                                                                   request (of the requests, where they are a stream)
                                                                   Exception(code, text, detail message ...): a refusal
    hub.heard                                                      (method, request), in order
    hub.run("agency leeds", folder, "holds", "--json")             the client, finished
"""
import concurrent.futures
import os
import subprocess

import grpc

import hub as library
import stubs


def details(code, text, *messages):
    """google.rpc.Status octets."""
    status = stubs.status_messages()["google.rpc.Status"](code=code.value[0], message=text)
    for each in messages:
        status.details.add(type_url=f"type.googleapis.com/{each.DESCRIPTOR.full_name}", value=each.SerializeToString())
    return status.SerializeToString()


class SaidHub:
    def __init__(self, federation, methods, port=0):
        self.federation, self.known = federation, stubs.load()
        self.answers, self.heard = {}, []
        who = federation.principal("hub")
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        for service in sorted({each.partition("/")[0] for each in methods}):
            self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
                f"vacancy.v1.{service}", dict(self.handler(each) for each in methods if each.startswith(service)))])
        with open(who.key, "rb") as key, open(who.cert, "rb") as cert, open(federation.root, "rb") as root:
            credentials = grpc.ssl_server_credentials([(key.read(), cert.read())], root.read(), True)
        self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.server.start()

    def handler(self, method):
        path, request, response, streams_in, streams_out = self.known.method(method)

        def answer(asked, context):
            said = self.answers[method]
            if streams_in:
                return self.until_it_breaks(said(asked), context)
            self.heard.append((method, asked))
            said = said(asked) if callable(said) else said
            if isinstance(said, Exception):
                if len(said.args) > 2:
                    context.set_trailing_metadata((("grpc-status-details-bin", details(*said.args)),))
                context.abort(said.args[0], said.args[1])
            return iter(said) if streams_out else said

        kind = ("stream_" if streams_in else "unary_") + ("stream" if streams_out else "unary")
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return path.rpartition("/")[2], make(answer, request.FromString, response.SerializeToString)

    @staticmethod
    def until_it_breaks(answers, context):
        """An Exception(status code, text) out of the function ends the stream with that status."""
        try:
            yield from answers
        except Exception as broken:  # pylint: disable=broad-except
            context.abort(*broken.args)

    def clear(self):
        self.heard.clear()
        self.answers.clear()

    def environment(self, spec, folder, columns=100):
        who = self.federation.principal(spec)
        return {**os.environ, "VACANCY_HUB": f"localhost:{self.port}", "VACANCY_CERT": who.cert, "VACANCY_KEY": who.key,
                "VACANCY_CA": self.federation.root, "HOME": str(folder), "COLUMNS": str(columns), "TZ": "UTC"}

    def run(self, spec, folder, *arguments, columns=100, **options):
        options = {"stdin": subprocess.DEVNULL, **options}
        return subprocess.run([library.VACANCY, *arguments], env=self.environment(spec, folder, columns), timeout=60,
                              text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def stop(self):
        self.server.stop(None).wait()
