"""Messages and methods of proto/, from descriptors that protoc writes at session start; no generated Python is imported
(its package `grpc` would hide the library of that name)."""
import functools
import glob
import os
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Messages:
    """messages["vacancy.v1.Carer"] or messages.Carer is a class; messages.method(path) describes a method."""

    def __init__(self, protos, *roots):
        self.pool = descriptor_pool.DescriptorPool()
        self.methods = {}
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "set")
            subprocess.run(["protoc", "--include_imports", f"--descriptor_set_out={path}",
                            *(f"-I{root}" for root in roots), "-I/usr/include", *protos], check=True)
            with open(path, "rb") as handle:
                files = descriptor_pb2.FileDescriptorSet.FromString(handle.read()).file
        for each in files:
            self.pool.Add(each)
        for each in files:
            for service in each.service:
                for method in service.method:
                    self.methods[f"/{each.package}.{service.name}/{method.name}"] = method
        self.factory = message_factory.MessageFactory(self.pool)

    @functools.lru_cache(None)
    def __getitem__(self, name):
        descriptor = self.pool.FindMessageTypeByName(name)
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return self.factory.GetPrototype(descriptor)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[f"vacancy.v1.{name}"]
        except KeyError:
            raise AttributeError(name) from None

    def enum(self, name):
        """{"CARE_TYPE_LONG_TERM": 2, ...} of an enum such as "CareType"."""
        full = name if "." in name else f"vacancy.v1.{name}"
        return {value.name: value.number for value in self.pool.FindEnumTypeByName(full).values}

    def method(self, path):
        """(full path, request class, response class, client streams, server streams). Short: "AgencyService/PutCarer"."""
        full = path if path.startswith("/") else f"/vacancy.v1.{path}"
        method = self.methods[full]
        return (full, self[method.input_type.lstrip(".")], self[method.output_type.lstrip(".")],
                method.client_streaming, method.server_streaming)


@functools.lru_cache(None)
def load():
    root = os.path.join(ROOT, "proto")
    return Messages(sorted(glob.glob(os.path.join(root, "**", "*.proto"), recursive=True)), root)


@functools.lru_cache(None)
def status_messages():
    """google.rpc.Status and the details that the daemon sends, in a pool of their own."""
    here = os.path.dirname(os.path.abspath(__file__))
    return Messages([os.path.join(here, "rpc_status.proto")], here)
